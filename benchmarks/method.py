"""How rows of the benchmark are measured: in turns, several times, each by a program of its own that waits to be asked.

A task is a function of a module here: `task_raw` of `ingest.py` is "ingest.raw". It gets settings, makes everything
ready, and gives a function that does the work once. Start-up is so left out on every side.
"""

import importlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "sha_ni")
"""Of the CPU's abilities, those that change a row."""


@dataclass(frozen=True)
class Goal:
    """What a ratio is to be: at least (">=") or at most ("<=") a number."""

    sense: str
    number: float

    def met(self, value: float) -> bool:
        """Whether a ratio reaches the goal."""
        return value >= self.number if self.sense == ">=" else value <= self.number

    def __str__(self) -> str:
        return f"{'≥' if self.sense == '>=' else '≤'} {self.number:g}"


@dataclass
class Row:
    """A line of the table.

    Attributes:
        number: of the row, such as "8"; several rows may share it.
        what: what was measured.
        against: peer or limit.
        goal: for the ratio.
        ours, theirs: value and unit, in words.
        ratios: one for each repetition; empty: not measured, and `note` says why.
        note: what has to be known to read the row.
        costs: numbers for `scale.py`, by name.
    """

    number: str
    what: str
    against: str
    goal: Goal
    ours: str = ""
    theirs: str = ""
    ratios: list[float] = field(default_factory=list)
    note: str = ""
    costs: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Median."""
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        """Met, MISSED or not measured."""
        if not self.ratios:
            return "not measured"
        return "met" if self.goal.met(self.ratio) else "MISSED"


def serve(measure: Callable[[], Any]) -> None:
    """Do `measure` once for each line on standard input, and answer with the seconds it took and what it gives.

    A number that it gives stands for the seconds: it has then left something out itself.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not stand among the answers.
    print(json.dumps({"ready": True, "peak": peak_memory()}), file=answers, flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        given = measure()
        seconds = given if isinstance(given, float) else time.perf_counter() - began
        extra = given if isinstance(given, dict) else {}
        print(json.dumps({"seconds": seconds, "peak": peak_memory(), **extra}), file=answers, flush=True)


def peak_memory() -> int:
    """Most memory that this process has held, in bytes.

    Not `ru_maxrss`: a process inherits it from the one that started it, whatever that had held.
    """
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


class PeakOfAll(threading.Thread):
    """Watches the memory that this process and those it starts hold together; `peak` is the most, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Look fifty times a second."""
        import psutil  # here: a peer's Python may have none

        this = psutil.Process()
        while not self._ended.wait(0.02):
            held = 0
            for process in (this, *this.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    held += process.memory_info().rss
            self.peak = max(self.peak, held)

    def end(self) -> int:
        """Stop; gives the peak."""
        self._ended.set()
        self.join()
        return self.peak


class Program:
    """A task in a process of its own.

    Args:
        task: such as "ingest.raw".
        settings: of the task; anything JSON can say.
        python: interpreter; None: this one.
        environment: variables that are set for it.
    """

    def __init__(
        self,
        task: str,
        settings: Mapping[str, Any],
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.task = task
        self.last: dict[str, Any] = {}
        command = [python or sys.executable, str(HERE / "method.py"), task, json.dumps(settings, default=str)]
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __call__(self) -> float:
        """Have it do its work once; gives the seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if status := self._process.wait():
            raise SystemExit(f"{self.task} ended with status {status}")

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.task} ended with status {self._process.wait()}; what it said stands above")
        self.last = json.loads(line)
        return self.last


def in_turns(programs: Mapping[str, Program], repetitions: int) -> dict[str, list[float]]:
    """Seconds of each program, after one round that does not count; all take part in each round, each first in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    with ExitStack() as stack:
        for program in programs.values():
            stack.enter_context(program)
        for program in programs.values():
            program()
        names = list(programs)
        for number in range(repetitions):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                seconds[name].append(programs[name]())
    return seconds


def once(program: Program) -> dict[str, Any]:
    """What a program answers to being asked once."""
    with program:
        program()
        return program.last


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Ratio of each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def rate(n: int, seconds: list[float], unit: str = "images/s") -> str:
    """Median rate in words."""
    return f"{n / statistics.median(seconds):,.0f} {unit}"


def cpu_flags() -> set[str]:
    """Abilities of the CPU, as the kernel names them."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    from lensrank.devices import cpu_name
    from lensrank.provenance import versions

    known = cpu_flags()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    shown = {name: number for name, number in versions().items() if name not in ("scipy", "scikit-learn")}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": cpu_name(),
        "cores": str(len(os.sched_getaffinity(0))),
        "abilities": " ".join(flag for flag in FLAGS if flag in known),
        "memory": f"{memory:.0f} GiB",
        "system": platform.platform(),
        "load before": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "versions": ", ".join(f"{name} {number}" for name, number in shown.items()),
    }


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(".")
    task = getattr(importlib.import_module(module), f"task_{name}")
    importlib.import_module("method").serve(task(json.loads(sys.argv[2])))
