"""Other kinds of cluster: the profile with each of the blocks that its README shows, and without accounting."""

import re
import shutil
from dataclasses import replace

import pytest
from workflows import PROJECT

pytestmark = pytest.mark.slurm

PROFILE = PROJECT / "profiles/slurm"
BLOCKS = re.findall(r"```yaml\n(your-cluster:\n.*?)```", (PROJECT / "profiles/README.md").read_text(), re.DOTALL)


@pytest.fixture
def site(training, tmp_path):
    """A training to be made, and the profile with another block for the cluster."""

    def make(block, **options):
        run = training(epochs=1, seeds=[0])
        shutil.copytree(PROFILE, tmp_path / "snakemake/slurm")
        path = tmp_path / "snakemake/slurm/config.yaml"
        text, replaced = re.subn(r"^your-cluster:\n(  .*\n)+", lambda _: block, path.read_text(), flags=re.MULTILINE)
        assert replaced == 1
        for key, value in options.items():
            text, replaced = re.subn(
                rf"^{key.replace('_', '-')}: .*$", f"{key.replace('_', '-')}: {value}", text, flags=re.M
            )
            assert replaced == 1
        path.write_text(text)
        return replace(run, home=tmp_path)

    return make


def target(run):
    return run.results.relative_to(run.folder) / "train/tiny/seed-0/model.keras"


def test_the_readme_shows_the_profile_as_it_is_and_two_other_clusters():
    assert len(BLOCKS) == 3
    assert BLOCKS[0] in (PROFILE / "config.yaml").read_text()


@pytest.mark.parametrize("block", BLOCKS[1:], ids=["gres and constraint", "several models of GPU"])
def test_a_training_holds_one_gpu(site, block):
    run = site(block)
    run.run("--", target(run))
    (job,) = run.jobs("train")
    assert (job["State"], job["NodeList"]) == ("COMPLETED", "gpu1")
    assert "gres/gpu=1" in job["AllocTRES"].split(",")
    asked = run.cluster.call("scontrol", "show", "job", job["JobID"])
    if "constraint" in block:
        assert "Features=bigmem" in asked
        assert "TresPerNode=gres:gpu:1" in asked
    else:
        assert "TresPerJob=gres:gpu:h200:1" in asked
    assert re.search(r"CUDA_VISIBLE_DEVICES=\d[,;] ", run.log("tiny", 0))


@pytest.mark.faults
def test_scoring_holds_a_gpu_where_the_profile_says_so_and_fails_where_it_sees_none(survey, site):
    run = site(BLOCKS[0])
    path = run.home / "snakemake/slurm/config.yaml"
    text, lines = re.subn(r"^  # (score|engine): ", r"  \1: ", path.read_text(), flags=re.MULTILINE)
    assert lines == 2
    path.write_text(text)
    run = replace(run, folder=survey.folder, config=survey.config | {"scoring": {"precision": "float32"}})
    scores = "results/survey/scores/challenge/shard-0000.h5"
    again = ("--forcerun", "engine", "--retries", "0", "--rerun-triggers", "mtime", "--", scores)
    assert run.finish(run.start(*again)) == 1
    (job,) = run.jobs("score")
    assert (job["State"], job["Partition"], job["NodeList"]) == ("FAILED", "gpu", "gpu1")
    assert "gres/gpu=1" in job["AllocTRES"].split(",")
    assert "backend sees none" in run.output  # these GPUs have no hardware


def test_a_cluster_without_accounting_is_asked_by_squeue(site, cluster):
    run = site(re.sub(r", slurm_account: \w+", "", BLOCKS[0]), slurm_status_command="squeue")
    cluster.stop()
    cluster.start("--without-accounting")
    try:
        assert cluster.call("sacct", check=False) == ""
        run.run("--", target(run))
        shown = cluster.call("scontrol", "show", "job")
    finally:
        cluster.stop()
        cluster.start()
    assert "JobState=COMPLETED" in shown
    assert "TresPerJob=gres:gpu:1" in shown
    assert re.search(r"CUDA_VISIBLE_DEVICES=\d[,;] ", run.log("tiny", 0))
