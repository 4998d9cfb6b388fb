"""Margins on labelled images: changes by hand, logits, what is read, what is said."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from surveys import SMALL, VIS, small_image, write_files

from lensrank.config.settings import Cutout, Dataset
from lensrank.errors import DataError
from lensrank.perturb import AS_THEY_ARE, perturbations
from lensrank.robustness import Labelled, logits, margins, read_labelled, write_margins

ROOT = Path(__file__).parents[2]
SIGMA = 7.75e-13


def square_images() -> np.ndarray:
    """Two noisy images, one six times as bright as the other, with a source off the middle."""
    pixels = np.random.default_rng(0).normal(0, SIGMA, (2, 41, 41, 1)).astype(np.float32)
    pixels[:, 12, 25, 0] += np.float32(1000 * SIGMA) * np.array([1, 6], dtype=np.float32)
    return pixels


@pytest.fixture(scope="module")
def changed() -> dict[str, np.ndarray]:
    return dict(perturbations(square_images(), ["a", "b"]))


def test_every_change_of_the_list_is_there_once(changed: dict[str, np.ndarray]) -> None:
    assert len(changed) == 1 + 4 + 7 + 8 + 5
    np.testing.assert_array_equal(changed[AS_THEY_ARE], square_images())
    assert all(images.dtype == np.float32 for images in changed.values())


def test_total_fluxes_are_equal(changed: dict[str, np.ndarray]) -> None:
    totals = square_images().astype(float).sum(axis=(1, 2, 3))
    for name, total in (("faintest", totals.min()), ("mean", totals.mean()), ("brightest", totals.max())):
        found = changed[f"total flux of the {name}"].astype(float).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found, total, rtol=1e-4)
    dimmed, same = changed["total flux of the faintest"], changed["total flux of the faintest, same noise"]
    assert dimmed[1, 20:].std() < 0.3 * SIGMA
    assert same[:, 20:].std(axis=(1, 2, 3)) == pytest.approx([SIGMA, SIGMA], rel=0.1)
    assert same[:, 12, 25, 0] == pytest.approx([1000 * SIGMA] * 2, rel=0.03)


def test_the_eight_symmetries_are_all_different_and_keep_every_pixel(changed: dict[str, np.ndarray]) -> None:
    kept = [
        images for name, images in changed.items() if name.startswith(("turned", "mirrored")) or name == AS_THEY_ARE
    ]
    assert len(kept) == len({images.tobytes() for images in kept}) == 8
    assert {np.sort(images.ravel()).tobytes() for images in kept} == {np.sort(kept[0].ravel()).tobytes()}
    # The source at row 12, column 25 of 41.
    places = {np.unravel_index(images[1, ..., 0].argmax(), (41, 41)) for images in kept}
    assert places == {(12, 25), (12, 15), (28, 25), (28, 15), (25, 12), (15, 12), (25, 28), (15, 28)}


def test_a_shift_moves_the_source_and_fills_the_border_with_background(changed: dict[str, np.ndarray]) -> None:
    plain, moved = square_images(), changed["shifted by +5, -5 px"]
    np.testing.assert_array_equal(moved[:, 5:, :-5], plain[:, :-5, 5:])
    border = np.concatenate([moved[1, :5].ravel(), moved[1, 5:, -5:].ravel()])
    assert border.std() == pytest.approx(SIGMA, rel=0.15)
    assert abs(border.mean()) < 0.2 * SIGMA
    # Nothing wraps around, and nothing is there twice.
    assert not np.isin(border, plain).any()
    down = changed["shifted by +5, +0 px"]
    np.testing.assert_array_equal(down[:, 5:], plain[:, :-5])


def test_fresh_noise_has_the_images_own_sigma(changed: dict[str, np.ndarray]) -> None:
    draws = [images - square_images() for name, images in changed.items() if name.startswith("noise")]
    assert [draw[1].std() for draw in draws] == pytest.approx([SIGMA] * 5, rel=0.06)
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.06


def test_images_that_are_no_squares_and_pixels_without_a_value() -> None:
    images = square_images()[:, :30]
    images[0, 13, 14] = np.nan
    found = dict(perturbations(images, ["a", "b"]))
    assert {name for name in found if "turned" in name or "mirrored" in name} == {
        "turned by 180°",
        "mirrored",
        "mirrored turned by 180°",
    }
    assert {int(np.isnan(change).sum()) for change in found.values()} == {1}


def test_an_image_without_flux_is_named() -> None:
    images = square_images()
    images[1] -= images[1].mean() + np.float32(SIGMA)
    with pytest.raises(DataError, match="image b: its total flux is -"):
        list(perturbations(images, ["a", "b"]))


def test_logits_by_hand() -> None:
    found = logits(np.array([0.5, 0.9, 1 / (1 + np.exp(3)), 1.0, 0.0]))
    assert found[:3] == pytest.approx([0, np.log(9), -3])
    # The largest float32 below 1 is 1 - 2**-24.
    assert found[3] == pytest.approx(24 * np.log(2), rel=1e-6)
    assert found[4] < -80


def brightest_pixel(path: Path, shape: tuple[int, int]) -> Path:
    """A network that sees the brightest pixel alone: its logit is that pixel in units of 100 sigma."""
    pixels = keras.Input((*shape, 1))
    scaled = keras.layers.Rescaling(1 / (100 * SIGMA))(pixels)
    logit = keras.layers.GlobalMaxPooling2D()(scaled)
    keras.Model(pixels, keras.layers.Activation("sigmoid")(logit)).save(path)
    return path


def test_margin_is_that_of_the_worst_pair(tmp_path: Path) -> None:
    peaks = np.array([900, 500, 200, 350], dtype=np.float32)
    pixels = np.random.default_rng(1).normal(0, SIGMA, (4, 21, 21, 1)).astype(np.float32)
    pixels[:, 10, 10, 0] = peaks * np.float32(SIGMA)
    labelled = Labelled(np.array(list("wxyz"), dtype=object), np.array([True, True, False, False]), pixels)
    models = [brightest_pixel(tmp_path / "net.keras", (21, 21))]
    found = {row.change: row for row in margins(models, labelled, 1, "keras")}
    plain = found[AS_THEY_ARE]
    assert (plain.lens, plain.nonlens) == ("x", "z")
    assert plain.margin == pytest.approx(5 - 3.5, abs=1e-3)
    assert plain.passed
    assert found["turned by 90°"].margin == pytest.approx(1.5, abs=1e-3)
    # Equal fluxes make equal peaks here, up to the noise.
    assert not found["total flux of the faintest"].passed
    text = write_margins(list(found.values()), tmp_path / "margins.csv")
    failed = [row for row in found.values() if not row.passed]
    assert f"FAIL: {len(failed)} of 25 margins are below 1" in text
    assert "1.50  " in text
    table = pd.read_csv(tmp_path / "margins.csv")
    assert table["passed"].tolist() == [row.passed for row in found.values()]
    assert "pass: none of 1 margins is below 1. The least: 1.50 (model 1, as they are: lens x" in write_margins(
        [plain], tmp_path / "one.csv"
    )


def test_script_reads_what_the_workflow_reads_and_says_what_is_left_out(tmp_path: Path) -> None:
    names = [f"a/imageEUC_VIS-{i}.fits" for i in range(4)]
    files = {name: small_image(i) for i, name in enumerate(names)} | {"imageEUC_VIS-9.fits": b"nothing"}
    images = write_files(tmp_path / "images", files)
    truth = tmp_path / "labels.csv"
    truth.write_text("name;no_source\n0;0\n1;1\n2;0\n")
    command = [sys.executable, ROOT / "scripts/robustness.py", "--images", images, "--truth", truth]
    command += ["--dataset", json.dumps({"truth_id": "name"}), "--cutout", SMALL.model_dump_json()]
    command += ["--output", tmp_path / "margins.csv", brightest_pixel(tmp_path / "net.keras", SMALL.shape)]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert "1 files were rejected: imageEUC_VIS-9.fits" in done.stderr
    assert "no label for 1 images: 3" in done.stderr
    # Images of nothing but noise have a total flux on either side of 0.
    totals = {str(i): float(pixels.sum()) for i, pixels in enumerate(read(images, truth).pixels)}
    if min(totals.values()) > 0:
        assert done.returncode == 0, done.stderr
        assert len(pd.read_csv(tmp_path / "margins.csv")) == 1 + 4 + 3 + 8 + 5
    else:
        assert done.returncode == 1
        assert "Leave it out" in done.stderr


def read(images: Path, truth: Path) -> Labelled:
    return read_labelled(images, truth, Dataset(truth_id="name"), VIS, SMALL)


def test_masked_pixels_are_no_flux(tmp_path: Path) -> None:
    images = write_files(tmp_path / "i", {f"imageEUC_VIS-{i}.fits": small_image(i) for i in range(2)})
    truth = tmp_path / "labels.csv"
    truth.write_text("name,is_lens\n0,1\n1,0\n")
    plain = read(images, truth)
    assert plain.is_lens.tolist() == [True, False]
    value = float(plain.pixels[0, 2, 2, 0])
    masked = read_labelled(images, truth, Dataset(truth_id="name"), VIS, Cutout(shape=SMALL.shape, masked=value))
    assert np.argwhere(np.isnan(masked.pixels)).tolist() == [[0, 2, 2, 0]]


def test_images_of_one_kind_are_refused(tmp_path: Path) -> None:
    images = write_files(tmp_path / "i", {f"imageEUC_VIS-{i}.fits": small_image(i) for i in range(2)})
    truth = tmp_path / "labels.csv"
    truth.write_text("name,is_lens\n0,1\n1,1\n")
    with pytest.raises(DataError, match=r"2 of 2 images with a label in .* are lenses"):
        read(images, truth)
