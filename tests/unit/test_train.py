"""Training from shards to a kept model: what is written, what repeats, what is said when it goes wrong."""

import json
import math
import os
import shutil
import subprocess
import sys

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lensrank import collapse, devices, resume, sampling
from lensrank.errors import DeviceError, ModelError, ShardError, TrainingError
from lensrank.history import Epoch, best_epoch, is_over, read_history, write_history
from lensrank.models import load
from lensrank.normalise import measure
from lensrank.shards import ShardWriter
from lensrank.train import train
from lensrank.trainer import TrainSettings

SIZE = 16


def rings(n, seed=0):
    """Images of a galaxy, half of them within a ring, in the challenge's unit."""
    random = np.random.default_rng(seed)
    labels = (np.arange(n) * 7 % 10 < 6).astype(int)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius = np.hypot(x, y)
    images = random.normal(0, 7.75e-13, (n, SIZE, SIZE)) + 2e-11 * np.exp(-(radius**2) / 4)
    strength = random.uniform(0, 3e-12, n) * labels
    images += strength[:, None, None] * np.exp(-((radius - 5) ** 2) / 2)
    images[0, 3, 3], images[1, 4, 4] = np.nan, 100
    return images[..., None].astype(np.float32), labels


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Two shards and a split: 120 images to train, 40 to choose the epoch, 60 held out."""
    return make_survey(tmp_path_factory.mktemp("survey"), np.split(np.arange(220), [100]))


def make_survey(folder, shards):
    """A survey whose shards hold the images of these numbers."""
    images, labels = rings(220)
    lines = []
    for number, rows in enumerate(shards):
        with ShardWriter(folder / f"shard-{number:04d}.h5", ("VIS",), (SIZE, SIZE), "test") as shard:
            zeros = np.zeros(len(rows))
            shard.append(images[rows], [str(1000 + row) for row in rows], zeros, zeros, zeros.astype(int))
        for place, row in enumerate(rows):
            part = "train" if row % 11 < 6 else "validation" if row % 11 < 8 else "holdout"
            lines.append((str(1000 + row), f"shard-{number:04d}", place, labels[row], part, ""))
    split = pd.DataFrame(lines, columns=["id", "shard", "row", "label", "part", "group"])
    split.sample(frac=1, random_state=0).to_csv(folder / "split.csv", index=False)
    (folder / "split.digest").write_text("5" * 64)
    return folder


def settings(**training):
    model = {"network": "tiny", "epochs": 3, "batch_size": 16, "learning_rate": 0.01} | training
    return TrainSettings(name="rings", model=model, bands=("VIS",), shape=(SIZE, SIZE), masked=100.0)


def trained(survey, output, seed=0, split="split.csv", resume_folder=None, **training):
    shards = sorted(survey.glob("shard-*.h5"))
    train(survey / split, survey / "split.digest", shards, settings(**training), seed, output, 0, resume_folder)
    return output


def weights(output):
    return load(output / "model.keras").get_weights()


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def record(output):
    return json.loads((output / "provenance.json").read_text())


@pytest.fixture(scope="module")
def output(survey, tmp_path_factory):
    return trained(survey, tmp_path_factory.mktemp("trained") / "seed-0")


def part_of(survey, part):
    """The images of a part, read without lensrank."""
    split = pd.read_csv(survey / "split.csv", dtype={"id": str})
    split = split[split["part"] == part]
    images = []
    for shard, row in zip(split["shard"], split["row"], strict=True):
        with h5py.File(survey / f"{shard}.h5") as file:
            images.append(file["image"][row])
    return split, np.array(images)


def test_the_history_has_a_line_per_epoch(output):
    history = pd.read_csv(output / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3]
    assert {"loss", "auroc", "val_loss", "val_auroc", "learning_rate", "seconds", "images_per_second"} <= set(history)
    assert (history["learning_rate"] == 0.01).all()
    assert (history["images_per_second"] > 0).all()
    assert list((output / "tensorboard").glob("events.out.tfevents.*"))


def test_the_best_epoch_is_kept(survey, output):
    split, images = part_of(survey, "validation")
    model = load(output / "model.keras", (SIZE, SIZE, 1))
    scores = model.predict_on_batch(images)[:, 0]
    history = pd.read_csv(output / "history.csv").set_index("epoch")
    assert roc_auc_score(split["label"], scores) == pytest.approx(history["val_auroc"].max(), abs=1e-9)
    assert history["val_auroc"].idxmax() == record(output)["best_epoch"]
    p = np.clip(scores.astype(float), 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(split["label"] == 1, np.log(p), np.log(1 - p)))
    assert loss == pytest.approx(history["val_loss"][record(output)["best_epoch"]], rel=1e-4)


def test_hold_out_scores_are_those_of_the_saved_model_in_the_order_of_the_split(survey, output):
    split, images = part_of(survey, "holdout")
    table = pd.read_csv(output / "holdout.csv", dtype={"id": str})
    assert list(table["id"]) == list(split["id"])
    assert list(table["label"]) == list(split["label"])
    scores = load(output / "model.keras").predict_on_batch(images)[:, 0]
    np.testing.assert_allclose(table["score"], scores, rtol=0, atol=1e-6)


def test_the_record_says_where_the_model_comes_from(survey, output):
    found = record(output)
    _, images = part_of(survey, "train")
    usable = images[np.isfinite(images) & (images != 100)].astype(float)
    assert found["normalisation"]["mean"] == pytest.approx([usable.mean()], rel=1e-6)
    assert found["normalisation"]["std"] == pytest.approx([usable.std()], rel=1e-6)
    assert found["selection"] == "validation"
    assert found["images"] == {"train": 120, "validation": 40, "holdout": 60}
    assert found["precision"] == "float32"
    assert found["settings"]["model"]["epochs"] == 3
    assert found["versions"]["keras"] == keras.__version__
    assert set(found["shards"]) == {"shard-0000", "shard-0001"}
    assert found["collapsed"] is None


def test_without_validation_images_the_hold_out_chooses(survey, tmp_path):
    split = pd.read_csv(survey / "split.csv")
    split.replace({"part": {"validation": "train"}}).to_csv(survey / "report.csv", index=False)
    output = trained(survey, tmp_path / "a", split="report.csv", epochs=1)
    assert record(output)["selection"] == "holdout"
    table = pd.read_csv(output / "holdout.csv")
    history = pd.read_csv(output / "history.csv")
    assert history["val_auroc"][0] == pytest.approx(roc_auc_score(table["label"], table["score"]), abs=1e-9)


def test_a_seed_repeats_and_another_differs(survey, output, tmp_path):
    assert same(weights(output), weights(trained(survey, tmp_path / "again")))
    assert not same(weights(output), weights(trained(survey, tmp_path / "other", seed=1)))


def test_a_training_that_was_interrupted_ends_in_the_same_weights(survey, output, tmp_path, monkeypatch):
    state = tmp_path / "state"
    save = resume.save

    def interrupted(folder, after, training):
        save(folder, after, training)
        if len(after.history) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(survey, tmp_path / "resumed", resume_folder=state)
    monkeypatch.undo()
    assert not (tmp_path / "resumed" / "model.keras").exists()
    again = trained(survey, tmp_path / "resumed", resume_folder=state)
    assert same(weights(output), weights(again))
    losses = [pd.read_csv(folder / "history.csv")[["loss", "val_loss", "auroc"]] for folder in (output, again)]
    pd.testing.assert_frame_equal(*losses, check_exact=True)


def test_a_training_whose_files_were_lost_after_its_end_trains_no_epoch_again(survey, output, tmp_path, caplog):
    state = tmp_path / "state"
    trained(survey, tmp_path / "lost", resume_folder=state)
    shutil.rmtree(tmp_path / "lost")  # as Snakemake does where the job is killed before it has taken them
    caplog.clear()
    with caplog.at_level("INFO"):
        again = trained(survey, tmp_path / "lost", resume_folder=state)
    assert "resumed after epoch 3 of 3" in caplog.text
    assert "epoch 3 of 3:" not in caplog.text
    assert same(weights(output), weights(again))


def test_the_state_of_another_training_is_not_gone_on_with(tmp_path, caplog):
    state = resume.State([row(1)], [np.ones(2)], [np.array(7)], [np.zeros(2)])
    resume.save(tmp_path, state, "this")
    found = resume.load(tmp_path, "this")
    assert found.history == state.history
    assert same(found.weights + found.optimizer + found.best, state.weights + state.optimizer + state.best)
    assert resume.load(tmp_path, "that") is None
    assert "another training" in caplog.text


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_a_damaged_state_is_named_and_not_gone_on_with(tmp_path, caplog, kept):
    resume.save(tmp_path, resume.State([row(1)], [np.ones(2)], [np.array(7)], [np.zeros(2)]), "this")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    assert resume.load(tmp_path, "this") is None
    assert f"{path}: damaged" in caplog.text


def test_mixed_precision_leaves_a_model_in_float32(survey, tmp_path):
    output = trained(survey, tmp_path / "a", precision="mixed_bfloat16", epochs=1)
    assert record(output)["precision"] == "mixed_bfloat16"
    model = load(output / "model.keras")
    assert {layer.compute_dtype for layer in model.get_layer("network").layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_loss_that_is_not_a_number_ends_training_and_names_the_collapse(survey, tmp_path):
    output = trained(survey, tmp_path / "a", learning_rate=1e38, epochs=5, balanced_batches=True)
    found = record(output)
    assert found["epochs"] < 5
    assert "not a number" in found["collapsed"]
    table = pd.read_csv(output / "holdout.csv")
    assert len(table) == 60
    assert len(pd.read_csv(output / "history.csv")) == found["epochs"]


def test_a_training_does_not_depend_on_how_images_lie_in_shards(survey, output, tmp_path):
    shuffled = np.random.default_rng(0).permutation(220)
    other = make_survey(tmp_path, np.split(shuffled, [30, 90, 95]))
    assert same(weights(trained(other, tmp_path / "out")), weights(output))


def test_wrong_shards_are_named(survey, tmp_path):
    shards = sorted(survey.glob("shard-*.h5"))
    with pytest.raises(ShardError, match="shard-0001, which is not among the 1 shards"):
        train(survey / "split.csv", survey / "split.digest", shards[:1], settings(), 0, tmp_path)
    with pytest.raises(ShardError, match=r"shard-0000.h5: holds images of \(16, 16\)"):
        train(
            survey / "split.csv",
            survey / "split.digest",
            shards,
            settings().model_copy(update={"shape": (20, 20)}),
            0,
            tmp_path,
        )
    split = pd.read_csv(survey / "split.csv")
    split.assign(id=split["id"] + 1).to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(ShardError, match="does not hold the images that the split names"):
        train(tmp_path / "split.csv", survey / "split.digest", shards, settings(), 0, tmp_path)
    split.assign(label=1).to_csv(tmp_path / "split.csv", index=False)
    with pytest.raises(TrainingError, match="'train' has 120 lenses and 0 other images"):
        train(tmp_path / "split.csv", survey / "split.digest", shards, settings(), 0, tmp_path)
    with pytest.raises(ModelError, match="lastro takes images from 69 x 69"):
        trained(survey, tmp_path, network="lastro")


def test_a_gpu_that_was_given_and_is_not_seen_fails(survey, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    shards = sorted(survey.glob("shard-*.h5"))
    with pytest.raises(DeviceError, match=r"--gpus 1.*CUDA_VISIBLE_DEVICES=3.*SLURM_STEP_GPUS.*allow_cpu"):
        train(survey / "split.csv", survey / "split.digest", shards, settings(), 0, tmp_path, gpus=1)
    assert devices.use_device(1, allow_cpu=True) == (devices.cpu_name(), False)
    assert devices.use_device(0, allow_cpu=False)[1] is False
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with pytest.raises(DeviceError, match="sees none"):
        devices.use_device(0, allow_cpu=False)


def test_a_gpu_that_is_seen_is_used(monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: ["NVIDIA A100"])
    assert devices.use_device(1, allow_cpu=False) == ("NVIDIA A100", True)


TAKE = """
import os, sys
from lensrank import devices
devices.take_gpu()
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


def test_jobs_side_by_side_take_a_gpu_each(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA", "SLURM"))}
    environment |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def take(**more):
        job = subprocess.Popen([sys.executable, "-c", TAKE], env=environment | more, **pipes)
        return job, job.stdout.readline().strip()

    jobs, taken = zip(*[take() for _ in range(3)], take(CUDA_VISIBLE_DEVICES="7"), take(SLURM_JOB_ID="1"), strict=True)
    assert taken == ("GPU-a", "GPU-b", "None", "7", "None")
    jobs[0].communicate()
    again, free = take()
    assert free == "GPU-a"  # whose job has ended
    for job in (*jobs[1:], again):
        job.communicate()


def test_balanced_batches_hold_as_many_of_either_class():
    labels = np.array([1] * 70 + [0] * 30)
    batches = sampling.batches(labels, 30, True, seed=0, epoch=1)
    assert [len(batch) for batch in batches] == [30] * 4
    assert all(labels[batch].sum() == 15 for batch in batches)
    times = np.bincount(np.concatenate(batches), minlength=100)
    assert times[:70].max() == 1
    assert set(times[70:]) == {2}


def test_plain_batches_hold_every_image_once_and_are_of_one_size():
    batches = sampling.batches(np.zeros(100), 32, False, seed=0, epoch=1)
    assert [len(batch) for batch in batches] == [25] * 4
    assert sorted(np.concatenate(batches)) == list(range(100))


def test_epochs_and_seeds_differ_and_repeat():
    def order(seed, epoch):
        return np.concatenate(sampling.batches(np.zeros(100), 10, False, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({str(order(seed, epoch)) for seed in (0, 1, 2) for epoch in (1, 2, 3)}) == 9
    drawn = [value for seed in (0, 1) for epoch in (1, 2) for value in sampling.device_seeds(5, seed, epoch)]
    assert len(set(drawn)) == 20
    assert all(0 <= value < 2**31 for value in drawn)


def test_normalisation_is_that_of_the_usable_pixels_of_each_band():
    images = np.random.default_rng(0).normal(3e-12, 5e-12, (300, 4, 4, 2)).astype(np.float32)
    images[..., 1] *= 10
    expected = images.astype(float).reshape(-1, 2)
    images[0, 0, 0] = np.nan
    images[1, 1, 1] = 100
    expected = np.delete(expected, [0, 16 + 5], axis=0)
    found = measure(images, 100.0)
    np.testing.assert_allclose(found.mean, expected.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.std, expected.std(axis=0), rtol=1e-9)
    with pytest.raises(TrainingError, match=r"band 1 of 1: all pixels .* have the value 2"):
        measure(np.full((3, 4, 4, 1), 2, np.float32), None)
    with pytest.raises(TrainingError, match="band 1 of 1: no pixel"):
        measure(np.full((3, 4, 4, 1), np.nan, np.float32), None)


def row(epoch, val_loss=0.5, val_auroc=0.9, loss=0.4):
    return Epoch(epoch, loss, 0.95, val_loss, val_auroc, 1e-3, 2.0, 100.0)


def test_the_best_epoch_by_each_measure():
    history = [row(1, 0.5, 0.90), row(2, 0.3, 0.92), row(3, 0.4, 0.95), row(4, 0.35, 0.95), row(5, math.nan, math.nan)]
    assert best_epoch(history, "auroc") == 4
    assert best_epoch(history, "loss") == 2
    assert best_epoch(history, "last") == 5


def test_patience_counts_epochs_without_a_lower_loss():
    history = [row(1, 0.5), row(2, 0.3), row(3, 0.4), row(4, 0.31)]
    assert not is_over(history, 100, patience=3)
    assert is_over([*history, row(5, 0.3)], 100, patience=3)
    assert not is_over(history, 100, patience=None)
    assert is_over(history, 4, patience=None)
    assert is_over([row(1, loss=math.nan)], 100, patience=None)


def test_history_is_read_as_it_was_written(tmp_path):
    history = [row(1), row(2, 1 / 3)]
    write_history(tmp_path / "history.csv", history)
    assert read_history(tmp_path / "history.csv") == history


def test_collapses_are_told_apart():
    labels = np.array([1, 0] * 500)
    random = np.random.default_rng(0)
    good = labels + random.normal(0, 1, 1000)
    assert collapse.reason([row(1)], 1, labels, good) is None
    assert "all 1000 hold-out scores are 0.7" in collapse.reason([row(1)], 1, labels, np.full(1000, 0.7))
    assert "no better than chance" in collapse.reason([row(1)], 1, labels, random.normal(size=1000))
    assert "no better than chance" in collapse.reason([row(1)], 1, labels, -good)
    assert "epoch 2; the weights are those of epoch 1" in collapse.reason(
        [row(1), row(2, loss=math.nan)], 1, labels, good
    )
    assert "1000 of 1000 hold-out scores" in collapse.reason([row(1)], 1, labels, np.full(1000, np.nan))


def test_the_error_of_chance_is_the_spread_of_random_scores():
    labels = np.array([1] * 40 + [0] * 60)
    random = np.random.default_rng(0)
    spread = np.std([roc_auc_score(labels, random.normal(size=100)) for _ in range(500)])
    assert collapse.chance_error(labels) == pytest.approx(spread, rel=0.1)
