"""A second run on the same results while one is at work, or at the same moment: it is refused and does no harm."""

import fcntl
import os
import shutil
import signal
import time

import pytest
from contents import differing, names, temporaries

ROUNDS = 2
REFUSED = "Directory cannot be locked"


def copy(undisturbed, place, outputs):
    """A finished run in another folder, but for its catalogue."""
    shutil.copytree(undisturbed.folder, place, symlinks=True, copy_function=shutil.copy2)
    for output in outputs:
        (place / output).unlink()
    return type(undisturbed)(place, undisturbed.config)


@pytest.mark.faults
def test_a_second_run_while_one_is_at_work_is_refused(undisturbed, steps, tmp_path, fault_row):
    outputs = steps["rank"][0].outputs
    refused = 0
    for number in range(ROUNDS):
        run = copy(undisturbed, tmp_path / str(number), outputs)
        logs = [run.folder / f"{which}.txt" for which in ("first", "second")]
        first = run.start(logs[0])
        while not list((run.folder / ".snakemake/locks").glob("*.lock")):
            assert first.poll() is None, logs[0].read_text()
            time.sleep(0.02)
        # Or it might end before the second is there.
        os.killpg(first.pid, signal.SIGSTOP)
        second = run.start(logs[1])
        refused_with = second.wait()
        os.killpg(first.pid, signal.SIGCONT)
        codes = (first.wait(), refused_with)
        texts = [log.read_text() for log in logs]
        assert codes == (0, 1), texts
        assert REFUSED in texts[1]
        assert "Traceback" not in texts[1]
        refused += 1
        assert differing(run.folder, undisturbed, outputs) == []
        assert temporaries(run.folder) == []
        assert names(run.results) == names(undisturbed.results)
    fault_row("two runs at once", "the same results", refused, f"one goes on, the other ends: “{REFUSED} …”", "nothing")


def test_a_second_run_that_came_by_snakemakes_own_lock_is_refused(undisturbed, steps, tmp_path, fault_row):
    run = copy(undisturbed, tmp_path / "run", steps["rank"][0].outputs)
    with (run.folder / ".snakemake/lensrank/weekly.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run.start(tmp_path / "refused.txt")
        assert refused.wait() == 1
    text = (tmp_path / "refused.txt").read_text()
    assert "run 'weekly' was started at the same moment" in text
    assert "Traceback" not in text
    assert run.start(tmp_path / "again.txt").wait() == 0, (tmp_path / "again.txt").read_text()
    fault_row("two runs in one moment", "the same results", 1, "the second is refused before its first job", "nothing")
