"""The whole chain on SLURM: a catalogue of all images, and who got which node and which GPU.

First of this folder: another module starts the cluster anew, and its accounting then knows of no earlier job.
"""

import re

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slurm


def gpus(job):
    """GPUs in the allocated resources of a job, such as "billing=8,cpu=8,gres/gpu=1,mem=4G,node=1"."""
    found = re.search(r"gres/gpu=(\d+)", job["AllocTRES"])
    return int(found[1]) if found else 0


def test_the_chain_ends_in_a_catalogue_of_all_images(survey):
    catalogue = pd.read_csv(survey.results / "catalogue/challenge.csv", dtype={"id": str})
    assert len(catalogue) == 100
    assert np.isfinite(catalogue["score"]).all()
    assert "results/survey/" in survey.output


def test_each_training_held_one_gpu_of_the_gpu_partition_and_saw_it(survey):
    jobs = survey.jobs("train")
    assert [(job["State"], job["Partition"], job["NodeList"], gpus(job)) for job in jobs] == [
        ("COMPLETED", "gpu", "gpu1", 1)
    ] * 2
    for seed in (0, 1):
        log = (survey.results / f"logs/train/tiny/seed-{seed}.log").read_text()
        assert re.search(r"CUDA_VISIBLE_DEVICES=\d[,;] ", log), log
        assert survey.provenance("tiny", seed)["gpus_given"] == 1


def test_no_other_job_held_a_gpu(survey):
    jobs = survey.cluster.jobs(survey.name())
    others = [job for job in jobs if not job["Comment"].startswith("rule_train_")]
    assert len(others) > 10
    assert {(job["State"], job["Partition"], gpus(job)) for job in others} == {("COMPLETED", "cpu", 0)}


def test_two_seeds_trained_side_by_side_on_two_gpus(survey):
    first, second = survey.jobs("train")
    assert max(first["Start"], second["Start"]) < min(first["End"], second["End"])
    logs = [(survey.results / f"logs/train/tiny/seed-{seed}.log").read_text() for seed in (0, 1)]
    seen = {re.search(r"CUDA_VISIBLE_DEVICES=(\d)", log)[1] for log in logs}
    assert seen == {"0", "1"}
