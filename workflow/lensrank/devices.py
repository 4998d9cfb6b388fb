"""The device that Keras computes on: which it is, whether it is the one the job was given, and how it is used."""

import fcntl
import logging
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import IO

import keras

from lensrank.errors import DeviceError

log = logging.getLogger("lensrank")

_held: list[IO[bytes]] = []
"""The lock of the GPU that this process took: for as long as it lives."""

_SHOWN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


def gpus() -> list[str]:
    """Names of the GPUs that the backend of Keras sees, under TensorFlow, JAX or PyTorch."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in found]
    if backend == "jax":
        import jax

        return [str(device.device_kind) for device in jax.devices() if device.platform != "cpu"]
    import torch

    return [str(torch.cuda.get_device_name(number)) for number in range(torch.cuda.device_count())]


def given_gpus(requested: int) -> bool:
    """Say whether this job was given a GPU: by its rule, or by SLURM.

    Args:
        requested: GPUs that the rule asked for.
    """
    in_job = "SLURM_JOB_ID" in os.environ
    by_slurm = any(os.environ.get(name) for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS"))
    return requested > 0 or (in_job and (by_slurm or os.environ.get("CUDA_VISIBLE_DEVICES", "") not in ("", "-1")))


def use_device(requested: int, allow_cpu: bool, threads: int | None = None) -> tuple[str, bool]:
    """Make the device ready and say which it is. To be called before the first computation.

    Args:
        requested: GPUs that the rule asked for.
        allow_cpu: go on where a GPU was given and none is seen.
        threads: CPU threads to compute with; None: as many as the backend finds.

    Returns:
        (name of the device, whether it is a GPU).

    Raises:
        DeviceError: a GPU was given, none is seen, and `allow_cpu` is False.
    """
    if requested:
        take_gpu()
    found = gpus()
    if given_gpus(requested) and not found:
        _no_gpu(requested, allow_cpu)
    _limit(threads, bool(found))
    return (found[0], True) if found else (cpu_name(), False)


def take_gpu() -> None:
    """On a machine with several GPUs and no SLURM, take the first that no other job of this user has taken.

    SLURM shows each job its own GPU. Elsewhere all jobs would see all GPUs, and every backend would take the first.
    """
    if "SLURM_JOB_ID" in os.environ or "CUDA_VISIBLE_DEVICES" in os.environ:
        return
    for name in _gpu_names():
        lock = (Path(tempfile.gettempdir()) / f"lensrank-{os.getuid()}-{name}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _held.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        log.info("takes %s", name)
        return


def _gpu_names() -> list[str]:
    try:
        query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        listed = subprocess.run(query, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return listed.stdout.split() if listed.returncode == 0 else []


def cpu_name() -> str:
    """Model of the CPU, as the kernel names it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _no_gpu(requested: int, allow_cpu: bool) -> None:
    seen = ", ".join(f"{name}={os.environ.get(name, '(not set)')}" for name in _SHOWN)
    text = (
        f"this job was given a GPU (--gpus {requested}), but Keras with its {keras.backend.backend()} backend sees "
        f"none; {seen}, host {platform.node()}. "
    )
    if not allow_cpu:
        raise DeviceError(
            f"{text}Check the driver (nvidia-smi), that the backend was installed with GPU support (pip install "
            "'tensorflow[and-cuda]', 'jax[cuda12]' or a CUDA build of torch), and the node. training.allow_cpu: true "
            "would let a training go on with the CPU."
        )
    log.warning("%sGoing on with the CPU, as training.allow_cpu says.", text)


def _limit(threads: int | None, on_gpu: bool) -> None:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU") if on_gpu else ():
            tf.config.experimental.set_memory_growth(gpu, True)
    elif backend == "torch" and threads is not None:
        import torch

        torch.set_num_threads(threads)
    elif threads is not None and not on_gpu:
        log.info("JAX takes the cores that the process may run on; --threads %d does not change that", threads)
