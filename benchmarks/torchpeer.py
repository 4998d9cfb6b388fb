"""The two networks in PyTorch, as somebody who knows PyTorch trains and scores with them. Needs torch and numpy alone.

EfficientNetB0 is that of Tan and Le 2019 (arXiv 1905.11946, table 1) with the head that lensrank gives it, LASTRO that
of Schaefer et al. 2018 (arXiv 1705.07132); `task_count` gives their weights, which have to be as many as Keras's.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5))
"""Expansion, channels, blocks, stride and kernel; the last stage follows."""
LAST_STAGE = (6, 320, 1, 1, 3)
MEAN, STD = 4.337e-13, 5.504e-12


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as TensorFlow's "same" has it."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Conv(nn.Sequential):
    """Convolution, batch normalisation and SiLU; `size` is the side of what comes in."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, size: int, groups: int, active: bool) -> None:
        start, end = _same(size, kernel, stride)
        alike = start == end
        padding = [] if alike else [nn.ZeroPad2d((start, end, start, end))]
        conv = nn.Conv2d(before, after, kernel, stride, start if alike else 0, groups=groups, bias=False)
        norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.01)
        super().__init__(*padding, conv, norm, *([nn.SiLU(inplace=True)] if active else []))


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weigh the channels."""
        pooled = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(nn.functional.silu(self.reduce(pooled))))


class Block(nn.Module):
    """Mobile inverted bottleneck; drops whole images' branches in training."""

    def __init__(self, before: int, after: int, widen: int, kernel: int, stride: int, size: int, drop: float) -> None:
        super().__init__()
        wide = before * widen
        layers: list[nn.Module] = [Conv(before, wide, 1, 1, size, 1, True)] if widen > 1 else []
        layers += [Conv(wide, wide, kernel, stride, size, wide, True), Squeeze(wide, max(1, before // 4))]
        layers += [Conv(wide, after, 1, 1, size, 1, False)]
        self.body, self.drop = nn.Sequential(*layers), drop
        self.skips = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Bottleneck, and the way past it."""
        y = self.body(x)
        if not self.skips:
            return y
        if self.training and self.drop:
            kept = torch.rand((len(x), 1, 1, 1), device=x.device) >= self.drop
            y = y * (kept / (1 - self.drop)).to(y.dtype)
        return x + y


def efficientnetb0(size: int) -> nn.Module:
    """EfficientNetB0 for images of `size` pixels a side in three equal channels, with one logit."""
    layers: list[nn.Module] = [Repeat(), Conv(3, 32, 3, 2, size, 1, True)]
    size, before, done = -(-size // 2), 32, 0
    for widen, after, repeats, stride, kernel in (*STAGES, LAST_STAGE):
        for number in range(repeats):
            step = stride if number == 0 else 1
            layers.append(Block(before, after, widen, kernel, step, size, 0.2 * done / 16))
            size, before, done = -(-size // step), after, done + 1
    layers += [Conv(before, 1280, 1, 1, size, 1, True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(1280, 1))


class Repeat(nn.Module):
    """One channel into three."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Repeat the channel."""
        return x.expand(-1, 3, -1, -1)


class CentredRelu(nn.Module):
    """LASTRO's activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rectify, then shift and scale to mean 0 and variance 1."""
        return (torch.relu(x) - 0.3989422804014327) * 1.712858550449663


class Settling(nn.Module):
    """LASTRO's batch normalisation, by constants that settle: the mean and variance of batches, ever less of each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        for name, value in (("mean", torch.zeros(channels)), ("variance", torch.ones(channels))):
            self.register_buffer(name, value)
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise, and in training settle."""
        if self.training:
            with torch.no_grad():
                share = 0.6 ** (self.batches / 1000)
                variance, mean = torch.var_mean(x.float(), [0, *range(2, x.ndim)], correction=0)
                self.mean += share * (mean - self.mean)
                self.variance += share * (variance - self.variance)
                self.batches += 1
        return nn.functional.batch_norm(x, self.mean, self.variance, self.scale, self.shift, eps=1e-3)


class RisingDropout(nn.Module):
    """LASTRO's dropout, whose rate rises to 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop values in training."""
        if not self.training:
            return x
        keep = 1 - 0.5 * (1 - 0.5 ** (self.batches / 2000))
        with torch.no_grad():
            self.batches += 1
        return x * ((torch.rand_like(x) < keep) / keep).to(x.dtype)


def lastro(size: int) -> nn.Module:
    """LASTRO's network for images of `size` pixels a side, with one logit."""
    layers: list[nn.Module] = []
    before = 1
    for after, first in ((16, 4), (32, 3), (64, 3)):
        layers += [nn.Conv2d(before, after, first), CentredRelu(), nn.Conv2d(after, after, 3), CentredRelu()]
        layers += [nn.MaxPool2d(2), Settling(after)]
        size, before = (size - first - 1) // 2, after
    layers += [RisingDropout(), nn.Conv2d(64, 128, 3), CentredRelu(), RisingDropout(), nn.Conv2d(128, 128, 3)]
    layers += [CentredRelu(), Settling(128), RisingDropout(), nn.Flatten()]
    width = 128 * (size - 4) ** 2
    for _ in range(3):
        layers += [nn.Linear(width, 1024), CentredRelu(), RisingDropout()]
        width = 1024
    layers[-1] = Settling(1024)
    return nn.Sequential(*layers, nn.Linear(1024, 1))


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"efficientnetb0": efficientnetb0, "lastro": lastro}


class Step:
    """A training step and a scoring step, with everything that makes them fast on the device.

    Args:
        network: name.
        size: pixels a side.
        device: "cpu" or "cuda".
        compiled: by torch.compile.
        low: in bfloat16 where PyTorch's autocast says so.
    """

    def __init__(self, network: str, size: int, device: str, compiled: bool, low: bool) -> None:
        if device == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        self.device, self.low = device, low
        self.model = NETWORKS[network](size).to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3, fused=device == "cuda")
        self.forward = torch.compile(self.model) if compiled else self.model
        self.loss = nn.BCEWithLogitsLoss()

    def train(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Change the weights once."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.low):
            logits = self.forward(images)
        self.loss(logits.float(), labels).backward()
        self.optimizer.step()

    def score(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities."""
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.low):
            return torch.sigmoid(self.forward(images).float())

    def put(self, images: np.ndarray) -> torch.Tensor:
        """Normalised images on the device."""
        normalised = torch.from_numpy((images.astype(np.float32) - MEAN) / STD)
        return normalised.permute(0, 3, 1, 2).to(self.device).contiguous(memory_format=torch.channels_last)

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def _step(settings: dict[str, Any]) -> tuple[Step, torch.Tensor, torch.Tensor]:
    """The step, a batch of images and their labels, on the device."""
    torch.set_num_threads(settings.get("threads", torch.get_num_threads()))
    images = np.load(settings["images"], mmap_mode="r")[: settings["batch"]]
    low, device = settings.get("low", False), settings.get("device", "cpu")
    step = Step(settings["network"], images.shape[1], device, settings["compiled"], low)
    labels = torch.tensor(settings["labels"][: len(images)], dtype=torch.float32, device=device)[:, None]
    return step, step.put(images), labels


def task_train(settings: dict[str, Any]) -> Callable[[], float]:
    """Training steps on a batch in memory, as many as an epoch has."""
    step, batch, labels = _step(settings)

    def run() -> float:
        began = time.perf_counter()
        for _ in range(settings["steps"]):
            step.train(batch, labels)
        step.wait()
        return time.perf_counter() - began

    return run


def task_score(settings: dict[str, Any]) -> Callable[[], float]:
    """Scoring of a batch in memory, over and over."""
    step, batch, _ = _step(settings)

    def run() -> float:
        began = time.perf_counter()
        for _ in range(settings["steps"]):
            step.score(batch)
        step.wait()
        return time.perf_counter() - began

    return run


def task_floor(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """What an image needs at least, and what the device can do.

    Gives operations and bytes of one image's forward pass, the bytes being those that convolutions and dense layers
    take and give, each once, two bytes a number; operations a second of a large bfloat16 matrix product, and bytes a
    second of a large copy, read and written.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = NETWORKS[settings["network"]](settings["size"]).eval()
    moved: list[int] = []

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        moved.append(2 * (inputs[0].numel() + output.numel()))

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(note)

    def run() -> dict[str, float]:
        moved.clear()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, 1, settings["size"], settings["size"]))
        rate, bandwidth = _ceilings(settings["device"], settings["side"])
        operations = float(counter.get_total_flops())
        return {"operations": operations, "bytes": float(sum(moved)), "rate": rate, "bandwidth": bandwidth}

    return run


def _ceilings(device: str, side: int) -> tuple[float, float]:
    """Operations a second of a matrix product of `side`, bytes a second of a copy of as many numbers."""
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    other = torch.randn(4 * side, side, device=device)
    copied = torch.empty_like(other)

    def timed(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        return sorted(times[2:])[2]

    return 2 * side**3 / timed(lambda: matrix @ matrix), 8 * other.numel() / timed(lambda: copied.copy_(other))


def task_count(settings: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """Number of weights that are trained."""
    model = NETWORKS[settings["network"]](settings["size"])
    return lambda: {"weights": sum(p.numel() for p in model.parameters() if p.requires_grad)}
