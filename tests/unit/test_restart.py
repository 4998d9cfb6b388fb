"""What a restart takes for alive, and what it leaves alone; whole restarts are in tests/workflow and tests/slurm."""

import json
import os
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode

import pytest

from lensrank import restart
from lensrank.slurm import SlurmError

HOLD = """
import sys
from pathlib import Path
from lensrank.restart import note_start
lock = note_start(Path(sys.argv[1]), "survey", "local", [])
print("held", flush=True)
sys.stdin.read()
"""


def start(*words, **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, words)], **pipes, **options)


def slurm_note(folder, logs):
    notes = folder / ".snakemake/lensrank"
    notes.mkdir(parents=True)
    note = {"host": socket.gethostname(), "executor": "slurm", "logs": [str(log) for log in logs]}
    (notes / "survey.json").write_text(json.dumps(note))


def test_a_run_is_alive_while_the_process_that_noted_it_is(tmp_path):
    with start("-c", HOLD, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(restart.RestartError, match="run 'survey' on"):
            restart.check_dead(tmp_path)
        with pytest.raises(restart.RestartError, match="was started at the same moment"):
            restart.note_start(tmp_path, "survey", "local", [])
        restart.note_start(tmp_path, "another", "local", []).close()  # in the same folder, at the same time
        holder.kill()
    restart.check_dead(tmp_path)
    assert (tmp_path / ".snakemake/lensrank/survey.json").exists()
    restart.note_end(tmp_path, "survey")
    assert not (tmp_path / ".snakemake/lensrank/survey.json").exists()


def squeue(folder, monkeypatch, script):
    (folder / "squeue").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_start_beside_jobs_of_a_killed_one_is_refused(tmp_path, monkeypatch):
    log = tmp_path / "first.log"
    log.write_text("SLURM run ID: 3f2a\n")
    slurm_note(tmp_path, [log])
    before = (tmp_path / ".snakemake/lensrank/survey.json").read_bytes()
    assert "restart.py" in restart.tell_killed(tmp_path, "survey")
    squeue(tmp_path, monkeypatch, 'case "$*" in *"--name 3f2a "*) echo "12|rule_train_wildcards_tiny_0" ;; esac')
    with pytest.raises(restart.RestartError, match=r"restart\.py.*SLURM holds: 12 \(rule_train_wildcards_tiny_0\)"):
        restart.note_start(tmp_path, "survey", "slurm", [])
    squeue(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(SlurmError, match="cannot be seen"):
        restart.note_start(tmp_path, "survey", "slurm", [])
    assert (tmp_path / ".snakemake/lensrank/survey.json").read_bytes() == before
    squeue(tmp_path, monkeypatch, "exit 0")  # they have ended meanwhile
    with restart.note_start(tmp_path, "survey", "slurm", []):
        assert restart.tell_killed(tmp_path, "survey") is None


def test_an_interrupted_run_ends_what_it_still_submitted(tmp_path, monkeypatch):
    log = tmp_path / "first.log"
    log.write_text("SLURM run ID: 3f2a\n")
    slurm_note(tmp_path, [log])
    squeue(tmp_path, monkeypatch, f"[ -e {tmp_path}/cancelled ] || echo '12|rule_train_wildcards_tiny_0'")
    (tmp_path / "scancel").write_text(f"#!/bin/sh\necho $* >{tmp_path}/cancelled\n")
    (tmp_path / "scancel").chmod(0o755)
    restart.note_end(tmp_path, "survey")
    assert (tmp_path / "cancelled").read_text() == "12\n"
    assert not (tmp_path / ".snakemake/lensrank/survey.json").exists()


def test_where_the_jobs_of_a_run_cannot_be_told_nothing_is_started(tmp_path):
    log = tmp_path / "quiet.log"
    log.write_text("Building DAG of jobs...\n")
    slurm_note(tmp_path, [log, tmp_path / "gone.log"])
    restart.check_dead(tmp_path)
    with pytest.raises(restart.RestartError, match="does not say which jobs are the killed run's"):
        restart.clear(tmp_path)


def test_what_a_killed_run_had_not_finished_is_made_again(tmp_path):
    begun = ["results/survey/shards/sky/shard-0000.h5", f"results/survey/index/{'s' * 300}/shards", "../elsewhere.txt"]
    notes = tmp_path / ".snakemake/incomplete"
    for name in begun:
        # As Snakemake does: base64 in parts of 254 characters, all but the last in folders that begin with "@".
        text = urlsafe_b64encode(name.encode()).decode()
        parts = [text[start : start + 254] for start in range(0, len(text), 254)]
        note = notes.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("{}")
    folder = tmp_path / "results/survey"
    (folder / "shards/sky").mkdir(parents=True)
    for name in ("shard-0000.h5", "shard-0001.h5"):
        (folder / "shards/sky" / name).write_text("pixels")
    (notes / "no name!").write_text("{}")
    restart.clear(tmp_path)
    assert [path.name for path in folder.rglob("*.h5")] == ["shard-0001.h5"]


def test_programs_of_the_user_are_left_alone(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/score.py").write_text("import sys; print('runs', flush=True); sys.stdin.read()")
    with start("scripts/score.py", cwd=tmp_path) as mine:
        assert mine.stdout.readline() == "runs\n"
        restart.clear(tmp_path)
        assert mine.poll() is None
        mine.stdin.close()
        assert mine.wait() == 0
