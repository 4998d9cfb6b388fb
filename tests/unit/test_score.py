"""Scoring a shard: right columns, from the cache where they are there, over damaged and odd images."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from lensrank import score
from lensrank.engines import Engine
from lensrank.errors import ConfigError, ModelError, ShardError
from lensrank.score import ScoreSettings, TrainedModel, score_batch, score_blocks, score_shard
from lensrank.scores import read_scores
from lensrank.shards import ShardWriter, iterate_images

N, SIDE = 150, 6


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-12, (N, SIDE, SIDE, 1)).astype(np.float32)


def write_shard(folder: Path, pixels: np.ndarray, ra: float = 10.0) -> Path:
    path = folder / "shard-0003.h5"
    n, height, width, bands = pixels.shape
    with ShardWriter(path, ["VIS"] * bands, (height, width), "test") as shard:
        shard.append(pixels, [str(row) for row in range(n)], [ra] * n, [0.0] * n, [0] * n)
    return path


def probability(pixels: np.ndarray) -> np.ndarray:
    """A network that any test can work out: the logistic function of the mean pixel in 1e-12."""
    return 1 / (1 + np.exp(-pixels.mean(axis=(1, 2, 3)) / 1e-12)).astype(np.float32)


class FakeEngine(Engine):
    """Counts the images that it is given."""

    device = "a test"
    seen = 0

    def __init__(self, function):
        self.function = function

    def stream(self, blocks):
        return [self._score(pixels) for pixels in blocks]

    def _score(self, pixels):
        FakeEngine.seen += len(pixels)
        return self.function(pixels)


@pytest.fixture
def survey(tmp_path, monkeypatch):
    """A shard, two model files and a function that scores by `probability`, and gives (scores, images computed)."""
    shard = write_shard(tmp_path, images())
    models = [TrainedModel("a", 0, tmp_path / "a0.keras"), TrainedModel("a", 1, tmp_path / "a1.keras")]
    for model in models:
        model.path.write_text(model.column)
    function = [probability]
    monkeypatch.setattr(score, "make_engine", lambda *_: FakeEngine(function[0]))
    monkeypatch.setattr(score, "prepare", lambda *_: None)

    def run(models=models, shard=shard, engine="openvino", **settings):
        FakeEngine.seen = 0
        output = tmp_path / "scores" / "shard-0003.h5"
        score_shard(shard, models, ScoreSettings(**settings), engine, tmp_path / "cache", output)
        return read_scores([output]), FakeEngine.seen

    run.models, run.shard, run.folder, run.function = models, shard, tmp_path, function
    return run


def test_every_image_gets_its_score(survey):
    table, computed = survey(batch_size=64)
    expected = 1 / (1 + np.exp(-images().astype(np.float64).mean(axis=(1, 2, 3)) / 1e-12))
    assert list(table.scores) == ["a_0", "a_1"]
    np.testing.assert_allclose(table.scores["a_1"], expected, rtol=1e-6)
    assert list(table.id) == [str(row) for row in range(N)]
    assert set(table.shard) == {"shard-0003"}
    assert computed == 2 * N
    assert table.efforts["a_0"][0].device == "a test"


@pytest.mark.parametrize("symmetries", [1, 8])
def test_a_shard_that_is_read_in_several_parts_gives_each_image_its_score(survey, monkeypatch, symmetries):
    monkeypatch.setattr(score, "iterate_images", lambda path: iterate_images(path, 1))
    pixels = images()
    pixels[[3, 70, 149], 2, 2] = np.nan
    write_shard(survey.folder, pixels)
    survey.function[0] = lambda batch: probability(
        np.where(np.isnan(batch).any(axis=(1, 2, 3), keepdims=True), np.nan, batch)
    )
    table, computed = survey(symmetries=symmetries)
    np.testing.assert_allclose(table.scores["a_0"], probability(np.nan_to_num(pixels)), rtol=1e-6)
    assert computed == 2 * symmetries * (N + 3)


def test_only_what_is_new_is_computed(survey):
    first, _ = survey(models=survey.models[:1])
    assert survey(models=survey.models[:1])[1] == 0
    both, computed = survey()
    assert computed == N
    assert list(both.scores["a_0"]) == list(first.scores["a_0"])
    survey.models[0].path.write_text("trained again")
    assert survey()[1] == N
    assert survey(symmetries=8)[1] == 8 * 2 * N
    assert survey(precision="bfloat16")[1] == 2 * N
    assert survey(engine="keras")[1] == 2 * N
    assert survey(batch_size=17)[1] == 0


def test_a_corrected_position_costs_nothing_a_changed_pixel_all(survey):
    survey()
    write_shard(survey.folder, images(), ra=11.0)
    table, computed = survey()
    assert computed == 0
    assert set(table.ra) == {11.0}
    pixels = images()
    pixels[149, 0, 0] += np.float32(1e-14)
    write_shard(survey.folder, pixels)
    assert survey()[1] == 2 * N


def test_a_killed_job_goes_on_with_the_next_column(survey):
    def dies(pixels):
        raise KeyboardInterrupt

    survey(models=survey.models[:1])
    (survey.folder / "scores" / "shard-0003.h5").unlink()
    survey.function[0] = dies
    with pytest.raises(KeyboardInterrupt):
        survey()
    assert not list((survey.folder / "scores").iterdir())
    survey.function[0] = probability
    assert survey()[1] == N


@pytest.mark.parametrize("damage", [lambda data: data[:-8], lambda data: data[:60] + b"?" + data[61:], lambda _: b""])
def test_a_damaged_cache_entry_is_computed_again(survey, caplog, damage):
    whole, _ = survey()
    entry = min(path for path in (survey.folder / "cache").rglob("*") if path.is_file())
    entry.write_bytes(damage(entry.read_bytes()))
    table, computed = survey()
    assert computed == N
    assert str(entry) in caplog.text
    assert list(table.scores["a_0"]) == list(whole.scores["a_0"])


def test_a_cache_that_is_emptied_meanwhile_costs_time_and_nothing_else(survey):
    whole, _ = survey(symmetries=8)

    def empties(pixels):
        shutil.rmtree(survey.folder / "cache", ignore_errors=True)
        return probability(pixels)

    survey.function[0] = empties
    table, computed = survey()
    assert computed == 4 * N
    assert list(table.scores) == ["a_0", "a_1"]
    np.testing.assert_allclose(table.scores["a_0"], whole.scores["a_0"], rtol=1e-6)


def test_a_shard_that_is_made_anew_while_it_is_scored_is_not_mixed_with_the_old_one(survey):
    def replaces(pixels):
        write_shard(survey.folder, images()[::-1].copy())
        return probability(pixels)

    survey.function[0] = replaces
    with pytest.raises(ShardError, match=r"shard-0003\.h5: was made anew while it was scored. Run again"):
        survey()
    survey.function[0] = probability
    table, _ = survey()
    np.testing.assert_allclose(table.scores["a_0"], probability(images()[::-1]), rtol=1e-6)


def test_a_damaged_shard_is_named(survey):
    data = bytearray(survey.shard.read_bytes())
    position = data.find(images()[70].tobytes())
    data[position] ^= 1
    survey.shard.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-0003\.h5"):
        survey()


def test_symmetries_give_the_geometric_mean_of_eight():
    def corner(pixels):
        return pixels[:, 0, 0, 0]

    image = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1) / 10
    # Each of the corners 0.1, 0.3, 0.7, 0.9 comes to the first place twice: turned, and mirrored and turned.
    expected = (0.1 * 0.3 * 0.7 * 0.9) ** (2 / 8)
    np.testing.assert_allclose(score_blocks([image], FakeEngine(corner), 8), [expected], rtol=1e-6)


def test_symmetries_are_the_eight_different_ones():
    seen = []
    image = np.random.default_rng(0).random((1, 4, 4, 2), dtype=np.float32)
    remember = FakeEngine(lambda pixels: (seen.append(pixels.tobytes()), np.ones(1, np.float32))[1])
    score_blocks([image], remember, 8)
    assert len(set(seen)) == 8
    assert image.tobytes() in seen


def test_symmetries_of_tiny_probabilities_do_not_vanish_and_of_zero_are_zero():
    image = np.zeros((1, 3, 3, 1), dtype=np.float32)
    tiny, none = (FakeEngine(lambda _, value=value: np.full(1, value, np.float32)) for value in (1e-38, 0))
    np.testing.assert_allclose(score_blocks([image], tiny, 8), 1e-38, rtol=1e-6)
    assert score_blocks([image], none, 8) == 0


def test_symmetries_need_squares(survey):
    write_shard(survey.folder, np.zeros((2, 5, 6, 1), dtype=np.float32))
    with pytest.raises(ConfigError, match=r"scoring\.symmetries: 8 is for square cutouts"):
        survey(symmetries=8)


@pytest.mark.parametrize("symmetries", [1, 8])
def test_odd_pixels_never_give_nan(symmetries):
    pixels = images()[:4]
    pixels[1, 2, 2], pixels[2, 0, 0], pixels[3] = np.nan, np.inf, -np.inf
    clean = pixels.copy()
    clean[1, 2, 2] = clean[2, 0, 0] = 0
    clean[3] = 0

    def careless(batch):
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(np.isfinite(batch).all(axis=(1, 2, 3)), probability(np.nan_to_num(batch)), np.nan)

    np.testing.assert_allclose(score_batch(pixels, FakeEngine(careless), symmetries), probability(clean), rtol=1e-6)


def test_a_collapsed_model_keeps_its_nan_and_is_named(survey, caplog):
    survey.function[0] = lambda pixels: np.full(len(pixels), np.nan, np.float32)
    table, computed = survey()
    assert np.isnan(table.scores["a_0"]).all()
    assert computed == 2 * N
    assert "a_0 gives no number for any image" in caplog.text


def test_a_model_that_gives_no_probabilities_is_refused(survey):
    survey.function[0] = lambda pixels: np.full(len(pixels), -3.5, np.float32)
    with pytest.raises(ModelError, match=r"a0\.keras: gives -3\.5 to -3\.5, which are no probabilities"):
        survey()


def test_a_missing_model_is_named(survey):
    survey.models[1].path.unlink()
    with pytest.raises(ModelError, match=r"a1\.keras"):
        survey()


def test_progress_says_how_fast(survey, caplog):
    caplog.set_level(logging.INFO)
    survey()
    assert "score shard-0003 a_0: 150 of 150 images, " in caplog.text
