"""Starting a run again whose Snakemake was killed: its orphans are ended and its lock removed first.

Killed with SIGKILL (a login node that goes down, memory that runs out), Snakemake leaves a lock that the next start
refuses, and jobs that go on, beside which the next start would submit the same jobs again.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import socket
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from lensrank import slurm
from lensrank.errors import LensrankError
from lensrank.files import write_json

log = logging.getLogger("lensrank")

RESULTS = "results"
"""Folder of all results, below Snakemake's working directory."""

NOTES = Path(".snakemake/lensrank")
"""Beside Snakemake's own state: for each run a note of where it was started, and a lock while it goes on."""

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = PROJECT / "scripts"
"""Where the programs of all steps lie."""
SUBMITTERS = PROJECT / "profiles/slurm/bin"
"""Where the sbatch lies that goes on trying."""

PATIENCE = 300
"""Seconds within which SLURM must have ended a cancelled job; KillWait is 30 s where the site says nothing else."""


class RestartError(LensrankError):
    """A run cannot be started again without harm."""


class Start(NamedTuple):
    """Where a run was started.

    Attributes:
        host: on which.
        executor: what Snakemake gave its jobs to.
        logs: Snakemake's own logs.
    """

    host: str
    executor: str
    logs: list[str]


def note_start(folder: Path, run: str, executor: str, logs: Sequence[str]) -> IO[bytes]:
    """Record where a run was started, and lock it while this process lives.

    Snakemake looks for its own lock and makes it in two steps, so that of two that are started at the same moment both
    may pass.

    Args:
        folder: Snakemake's working directory.
        run: name of the run.
        executor: what Snakemake gives its jobs to, such as "slurm".
        logs: Snakemake's own logs of this start.

    Returns:
        The file that holds the lock: for as long as it is open.

    Raises:
        RestartError: another process holds the lock, or jobs of a killed start go on.
        SlurmError: SLURM does not say whether they do.
    """
    note = folder / NOTES / f"{run}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    lock = note.with_suffix(".lock").open("ab")
    try:
        if _is_held(lock):
            raise RestartError(
                f"{note}: run {run!r} was started at the same moment, and goes on. This start did nothing."
            )
        if note.exists():
            _demand_none_left(note, _read(note))
    except LensrankError:
        lock.close()
        raise
    started = Start(socket.gethostname(), executor, [str(Path(path).resolve()) for path in logs])
    write_json(note, started._asdict())
    return lock


def tell_killed(folder: Path, run: str) -> str | None:
    """Say that the Snakemake of a run ended without its jobs and how it is started again; None where it did not.

    Args:
        folder: Snakemake's working directory.
        run: name of the run.
    """
    note = folder / NOTES / f"{run}.json"
    if not note.exists():
        return None
    with note.with_suffix(".lock").open("ab") as lock:
        return None if _is_held(lock) else _killed(note)


def note_end(folder: Path, run: str) -> None:
    """Forget where a run was started: Snakemake has ended. Jobs of it that are left on SLURM are ended first.

    An interrupted Snakemake cancels the jobs that it knows of, and then still submits those that were about to be.

    Args:
        folder: Snakemake's working directory.
        run: name of the run.

    Raises:
        RestartError: which jobs are the run's cannot be told, or SLURM does not end them; the note stays.
        SlurmError: SLURM does not answer; the note stays.
    """
    note = folder / NOTES / f"{run}.json"
    if note.exists():
        _forget(note, _read(note))


def _forget(note: Path, started: Start) -> None:
    if started.executor == "slurm":
        _cancel(note, started.logs)
    note.unlink(missing_ok=True)


def _killed(note: Path) -> str:
    return (
        f"{note}: the Snakemake of run {note.stem!r} was killed, or failed, before its jobs ended. Give the arguments "
        f"of snakemake to {SCRIPTS / 'restart.py'}: it ends jobs that go on, and starts the run again."
    )


def _demand_none_left(note: Path, started: Start) -> None:
    if started.executor == "slurm" and (orphans := slurm.jobs_named(_name_of_jobs(note, started.logs))):
        listed = ", ".join(f"{orphan.number} ({orphan.rule})" for orphan in orphans)
        raise RestartError(f"{_killed(note)} SLURM holds: {listed}. This start did nothing.")


def check_dead(folder: Path) -> None:
    """Make sure that no Snakemake runs in a folder.

    Args:
        folder: the working directory of the runs.

    Raises:
        RestartError: one does, or one ran on another host, where it may still be.
    """
    for note, started in _starts(folder):
        _demand_this_host(note, started.host)
        with note.with_suffix(".lock").open("ab") as lock:
            if _is_held(lock):
                raise RestartError(_alive(folder, f"run {note.stem!r}"))
    if alive := [process for process in _processes_in(folder) if _is_main(process)]:
        raise RestartError(_alive(folder, f"process {alive[0].pid}"))


def clear(folder: Path) -> None:
    """End what killed runs left: on this host, and on SLURM.

    Args:
        folder: the working directory of the runs, in which `check_dead` found none alive.

    Raises:
        RestartError: which jobs are the runs' cannot be told, or SLURM does not end them.
        SlurmError: SLURM does not answer.
    """
    for process in _processes_in(folder):
        if _is_program(process, SUBMITTERS):
            _end([process])
    killed = _starts(folder)
    for note, started in killed:
        if started.executor == "slurm":
            _forget(note, started)
    for process in _processes_in(folder):
        if _is_job(process):
            _end([process, *_children(process)])
    _remove_incomplete(folder)
    for note, _ in killed:
        note.unlink(missing_ok=True)


def _remove_incomplete(folder: Path) -> None:
    """Remove results that Snakemake has noted as begun and not as finished, so that they are made again.

    It looks at these notes before it evaluates checkpoints (9.27): of what follows one, a result that a killed run had
    just made would be kept without a record of what made it. A note's name is the result's path in base64, parted into
    folders whose names begin with "@".
    """
    notes = folder / ".snakemake/incomplete"
    for note in [path for path in notes.rglob("*") if path.is_file()]:
        name = "".join(part.removeprefix("@") for part in note.relative_to(notes).parts)
        try:
            result = Path(urlsafe_b64decode(name).decode())
        except ValueError:
            log.warning("%s: not the name of a result; left as it is", note)
            continue
        if result.parts[:1] != (RESULTS,) or ".." in result.parts or not (folder / result).exists():
            continue
        log.info("remove %s, which was not finished", result)
        if (folder / result).is_dir():
            shutil.rmtree(folder / result)
        else:
            (folder / result).unlink()


def _starts(folder: Path) -> list[tuple[Path, Start]]:
    return [(note, _read(note)) for note in sorted((folder.resolve() / NOTES).glob("*.json"))]


def _read(note: Path) -> Start:
    return Start(**json.loads(note.read_text(encoding="utf-8")))


def _is_held(lock: IO[bytes]) -> bool:
    """Whether another process holds a lock; takes it where none does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        log.warning("%s: this file system has no locks (%s): do not start a run twice", lock.name, error.strerror)
    return False


def _alive(folder: Path, what: str) -> str:
    return (
        f"{folder.resolve()}: Snakemake runs here, {what} on {socket.gethostname()}. Nothing was done. Let it go on, "
        "or end it (kill, without -9) and give this command again."
    )


def _demand_this_host(note: Path, host: str) -> None:
    here = socket.gethostname()
    if host != here:
        raise RestartError(
            f"{note}: the run was started on {host}, and whether it still runs there cannot be seen from {here}. Give "
            f"this command on {host}; or, where {host} is down, write {here} in its place in this file."
        )


def _processes_in(folder: Path) -> list[psutil.Process]:
    """This user's processes whose working directory is a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.pid != os.getpid()
                and process.uids().real == os.getuid()
                and process.cwd() == str(folder.resolve())
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # it ended meanwhile, or is not ours
    return found


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _is_snakemake(words: Sequence[str]) -> bool:
    """Whether a command line is `python -m snakemake ...` or `python .../bin/snakemake ...`."""
    return list(words[1:3]) == ["-m", "snakemake"] or [Path(word).name for word in words[1:2]] == ["snakemake"]


def _is_main(process: psutil.Process) -> bool:
    words = _words(process)
    return _is_snakemake(words) and "--mode" not in words


def _is_job(process: psutil.Process) -> bool:
    """A step of lensrank, or the Snakemake that watches one."""
    return _is_snakemake(_words(process)) or _is_program(process, SCRIPTS)


def _is_program(process: psutil.Process, folder: Path) -> bool:
    """Whether a Python program of a folder runs that was named by its whole path, as the workflow names them."""
    programs = [Path(os.path.normpath(word)) for word in _words(process)[1:2]]
    return [program.parent for program in programs] == [folder] and programs[0].stem != Path(__file__).stem


def _cancel(note: Path, logs: Sequence[str]) -> None:
    """End the jobs of a killed run."""
    name = _name_of_jobs(note, logs)
    orphans = slurm.jobs_named(name)
    for orphan in orphans:
        log.info("cancel job %s, %s, whose Snakemake is gone", *orphan)
    if orphans:
        slurm.cancel(orphans)
        _wait(lambda: not slurm.jobs_named(name), f"jobs {' '.join(orphan.number for orphan in orphans)}")


def _name_of_jobs(note: Path, logs: Sequence[str]) -> str:
    """Name of all jobs of one start: the executor chooses it, and says so in Snakemake's log."""
    texts = [Path(path).read_text(encoding="utf-8") for path in logs if Path(path).exists()]
    named = re.search(r"^SLURM run ID: (\S+)$", "\n".join(texts), re.MULTILINE)
    if named is None:
        raise RestartError(
            f"{', '.join(logs) or note}: does not say which jobs are the killed run's (as with --quiet all). "
            f"Nothing was started. See with `squeue --me` that none is left, delete {note}, and start again."
        )
    return named[1]


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _end(processes: Sequence[psutil.Process]) -> None:
    """End a process and those that are named after it; what else the first one started is waited for."""
    first = processes[0]
    log.info("end process %d, %s, whose Snakemake is gone", first.pid, " ".join(_words(first)[1:3]))
    children = _children(first)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs([*processes, *children], timeout=PATIENCE)


def _wait(ended: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ended():
        if time.monotonic() > deadline:
            raise RestartError(
                f"SLURM has not ended {what} within {PATIENCE} s. Nothing was started. See `squeue`, and give this "
                "command again when they are gone."
            )
        time.sleep(1)
