"""The benchmark's own machinery: rows measured on few images, the table it writes, and the page made of the table."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]

HOLD = """
import sys, numpy as np
held = np.ones(400 << 20, np.uint8)
del held
sys.path.insert(0, sys.argv[1])
from method import Program, once
print(once(Program("test_benchmarks.small", {}, environment={"PYTHONPATH": sys.argv[2]}))["peak"])
"""


def task_small(settings):
    return lambda: None


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench") / "bench"
    command = [sys.executable, PROJECT / "benchmarks/run.py", "--quick", "--rows", "1", "2", "5", "--output", output]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def test_a_row_has_a_verdict_that_follows_from_its_ratios(bench):
    with bench.with_suffix(".csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["row"] for row in rows] == ["1", "2", "5"]
    for row in rows:
        ratio = float(row["ratio"])
        assert float(row["least"]) <= ratio <= float(row["greatest"])
        assert row["verdict"] == ("met" if ratio >= float(row["goal"].removeprefix("≥ ")) else "MISSED")
    assert {name for row in rows for name in json.loads(row["costs"] or "{}")} == {"ingest_core_seconds", "shard_bytes"}
    assert bench.with_suffix(".png").stat().st_size > 10_000


def test_the_page_of_large_surveys_follows_from_the_costs(tmp_path):
    costs = {"ingest_core_seconds": 0.0036, "score_seconds_lastro_float32": 0.0018, "cores": 2, "shard_bytes": 40000}
    with (tmp_path / "bench-1.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["row", "costs"], ["8", json.dumps(costs)]])
    command = [
        sys.executable,
        PROJECT / "benchmarks/scale.py",
        tmp_path / "bench-1.csv",
        "--output",
        tmp_path / "page.md",
    ]
    subprocess.run(list(map(str, command)), check=True)
    lines = (tmp_path / "page.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| 1,000,000 ")]
    # 0.0036 s x 10⁶ is an hour; so is 0.0018 s on two cores.
    assert ["1,000,000", "lastro", "float32", "1", "1", "0", "2", "ingest (50%)"] in cells
    assert any(row[:3] == ["1,000,000", "46.1 GB", "40 GB"] for row in cells)


def test_the_memory_of_a_program_is_its_own():
    command = [sys.executable, "-c", HOLD, str(PROJECT / "benchmarks"), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert np.double(done.stdout) < 300 << 20  # what started it had held 400 MiB
