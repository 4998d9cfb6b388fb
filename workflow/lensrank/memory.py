"""How the C library treats memory that a training gives back."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_TRIM_THRESHOLD, _MMAP_THRESHOLD = 64 << 20, 32 << 20
"""Of glibc's malloc.h (`man 3 mallopt`): what glibc itself comes to in a program that takes and frees large pieces."""


def keep_freed_memory() -> None:
    """Have this process take memory again that it freed a moment before, instead of handing it to the system.

    As soon as a Python generator feeds TensorFlow (2.21, `GeneratorDatasetOp`), as one does in `fit`, TensorFlow has
    glibc ask the system for every piece above 128 KiB, and hand it back when it is freed. Nearly every tensor of a
    training step is larger, and the system clears each page anew: gigabytes a step, a tenth of an epoch, and half of it
    on virtual machines where a page fault is dear. TensorFlow does so once in a process.

    Without effect where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
