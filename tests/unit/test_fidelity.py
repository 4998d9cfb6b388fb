"""Fidelity: what is measured on images, verdicts that can fail, shortcuts that are found, figures of the real data."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from matplotlib.image import imread
from needs import REAL_DATA, needs_real_data
from scipy.stats import spearmanr

from lensrank.errors import DataError
from lensrank.fidelity import real
from lensrank.fidelity.baselines import chance_row, shortcut_rows, twin_rows
from lensrank.fidelity.images import Survey, read_survey
from lensrank.fidelity.measure import LAGS, measure
from lensrank.fidelity.objects import object_rows
from lensrank.fidelity.rows import bootstrap, bounds_row, interval_row, tolerance_row
from lensrank.fidelity.tables import table_rows
from lensrank.simulate.noise import draw_noise
from lensrank.simulate.survey import SurveySettings, simulate

SCRIPT = Path(__file__).parents[2] / "scripts" / "fidelity.py"
SIGMA = 7.75e-13


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 simulated images, made with a share of lenses that leaves enough non-lenses."""
    made = tmp_path_factory.mktemp("fidelity") / "train"
    simulate(SurveySettings(n=300, lens_fraction=0.6, seed=3), made, processes=2)
    return made


@pytest.fixture(scope="module")
def survey(folder: Path) -> Survey:
    return read_survey(folder, "EUC_VIS", processes=2)


def noise(seed: int, correlation: float = 0.0) -> np.ndarray:
    return draw_noise(np.random.default_rng(seed), (1, 101, 101), SIGMA, correlation)[0]


def blob(row: int, column: int, flux: float) -> np.ndarray:
    """A Gaussian of 1 px with so many sigma in all."""
    y, x = np.mgrid[:101, :101]
    return SIGMA * flux / (2 * np.pi) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2)


def test_noise_is_measured_beside_a_galaxy() -> None:
    seen = [measure(noise(i) + blob(50, 50, 3000)) for i in range(40)]
    assert np.mean([one.noise for one in seen]) == pytest.approx(SIGMA, rel=0.015)
    assert np.abs(np.mean([one.autocorrelation for one in seen], axis=0)).max() < 0.006


def test_correlation_of_the_noise_is_measured() -> None:
    seen = np.mean([measure(noise(i, 0.2)).autocorrelation for i in range(40)], axis=0)
    # (a, 1, a) in rows and columns: neighbours 0.2, diagonal ones 0.2 squared.
    assert dict(zip(LAGS, seen, strict=True)) == pytest.approx(
        {(0, 1): 0.2, (1, 0): 0.2, (1, 1): 0.04, (1, -1): 0.04}, abs=0.01
    )


def test_peaks_companions_and_border_are_what_was_put_there() -> None:
    seen = measure(noise(1) + blob(50, 50, 2000) + blob(30, 70, 300) + blob(70, 20, 600) + blob(100, 60, 200))
    assert seen.peak_central
    assert seen.peak == pytest.approx(2000 / (2 * np.pi), rel=0.02)
    assert seen.companions == 2
    # Filtered with its own shape, a Gaussian of 1 px has the signal-to-noise flux / (2 sqrt(pi)).
    assert seen.brightest == pytest.approx(600 / (2 * np.sqrt(np.pi)), rel=0.03)
    assert seen.border > 20
    assert measure(noise(1) + blob(50, 50, 2000)).border < 6
    assert seen.total == pytest.approx(3100 - 100, abs=350)


def test_an_interval_respects_how_few_images_the_real_figure_comes_from() -> None:
    values = np.random.default_rng(0).normal(10, 4, 5000)
    few, many = (bootstrap(values, size, np.mean) for size in (4, 400))
    assert few.std() == pytest.approx(4 / 2, rel=0.1)
    assert many.std() == pytest.approx(4 / 20, rel=0.1)
    assert interval_row("s", "n", "", few, 12.5, 4, "").passed
    assert not interval_row("s", "n", "", many, 12.5, 400, "").passed


@pytest.mark.parametrize(("simulated", "passed"), [(114.0, True), (116.0, False), (86.0, True), (84.0, False)])
def test_a_tolerance_is_kept_on_both_sides(simulated: float, passed: bool) -> None:
    draws = np.array([1.0, 2.0])
    assert tolerance_row("s", "n", "", simulated, draws, 100.0, 9, "", relative=0.15).passed is passed
    assert tolerance_row("s", "n", "", simulated, draws, 100.0, 9, "", absolute=15).passed is passed
    assert bounds_row("s", "n", "", simulated, draws, (85, 115), "").passed is passed


def failing(survey: Survey) -> set[str]:
    return {row.name for row in shortcut_rows(survey) if not row.passed}


def test_the_simulated_survey_has_no_shortcut(survey: Survey) -> None:
    rows = {row.name: row for row in shortcut_rows(survey)}
    assert [name for name, row in rows.items() if not row.passed] == []
    assert rows["13 global features"].simulated > 0.55


@pytest.mark.parametrize(("contrast", "passed"), [(0.0, True), (0.1, True), (0.3, False), (-0.3, True)])
def test_better_than_chance_is_a_shortcut_and_worse_is_none(contrast: float, passed: bool) -> None:
    labels = np.arange(2000) % 2 == 0
    # Two Gaussians so far apart have an AUROC of Phi(contrast / sqrt(2)): 0.5, 0.53, 0.58, 0.42; its error is 0.013.
    row = chance_row("something", labels, np.random.default_rng(5).normal(contrast * labels))
    assert row.rule == "at most 3 standard errors above 0.5"
    assert row.passed is passed
    assert row.high - row.low == pytest.approx(6 * 0.0129, rel=0.03)


def test_each_shortcut_is_found(survey: Survey) -> None:
    lens = survey.images["is_lens"].to_numpy()
    brighter = survey.arrays["corners"] + 0.7 * lens[:, None]
    assert failing(replace(survey, arrays=survey.arrays | {"corners": brighter})) == {"corner pixels"}
    telling = np.where(lens, survey.cards + "\nEXPTIME = 3.0", survey.cards)
    assert failing(replace(survey, cards=telling)) == {"header"}
    assert failing(replace(survey, images=survey.images.assign(ra=survey.images["ra"] + lens))) == {"position"}
    later = survey.images.assign(time=survey.images["time"] + lens * 10**12)
    assert failing(replace(survey, images=later)) == {"order, time and size of files"}
    shown = survey.arrays["autocorrelation"] + 0.05 * lens[:, None]
    assert failing(replace(survey, arrays=survey.arrays | {"autocorrelation": shown})) == {"noise realisation"}
    repeated = survey.arrays["corners"].copy()
    repeated[1] = repeated[0]
    assert failing(replace(survey, arrays=survey.arrays | {"corners": repeated})) == {"images with another's noise"}
    order = np.argsort(~lens, kind="stable")
    arrays = {name: values[order] for name, values in survey.arrays.items()}
    assert "order of IDs" in failing(replace(survey, images=survey.images.iloc[order], arrays=arrays))


def test_total_flux_that_tells_too_much_fails(survey: Survey) -> None:
    features = survey.arrays["features"] + 5 * survey.images["is_lens"].to_numpy()[:, None]
    assert failing(replace(survey, arrays=survey.arrays | {"features": features})) == {"13 global features"}
    total = survey.images.assign(total=survey.images["total"] + 1e6 * survey.images["is_lens"])
    assert failing(replace(survey, images=total)) == {"total flux alone"}


def test_four_images_tell_companions_of_another_brightness(survey: Survey) -> None:
    def failing_objects(images: pd.DataFrame) -> set[str]:
        rows = object_rows(replace(survey, images=images))
        return {row.name.partition(":")[0] for row in rows if not row.passed and "share of like images" in row.name}

    assert failing_objects(survey.images) == set()
    for factor in (0.2, 5):
        changed = survey.images.assign(brightest=survey.images["brightest"] * factor)
        assert failing_objects(changed) == {"brightest of them"}


@pytest.mark.parametrize(("images_per_halo", "passed"), [(5, True), (1, False)])
def test_a_grouped_split_bites_where_halos_repeat(survey: Survey, images_per_halo: int, passed: bool) -> None:
    random = np.random.default_rng(6)
    n = 1000
    halo = np.arange(n) // images_per_halo
    labels = random.random(n) < 0.5
    galaxies = random.normal(size=(n, 6))[halo]
    profile = galaxies + 0.3 * labels[:, None] + 0.02 * random.normal(size=(n, 6))
    images = pd.DataFrame({"radius": 0.2, "area": halo * 1e-12, "is_lens": labels})
    row = next(twin_rows(replace(survey, images=images, arrays={"profile": profile})))
    assert row.passed is passed
    assert row.simulated > 0.1 if passed else abs(row.simulated) < 0.05


def test_numbers_come_from_the_files(folder: Path, survey: Survey) -> None:
    truth = pd.read_csv(folder / "classifications.csv", index_col="ID")
    assert list(survey.images.index) == [str(id) for id in truth.index]
    np.testing.assert_array_equal(survey.images["lensed_pixels"], truth["numb_pix_lensed_image"])
    pixels = fits.getdata(folder / "Public" / "Band1" / "imageEUC_VIS-100007.fits").astype(float)
    row = survey.images.loc["100007"]
    assert row["mean"] == pytest.approx(pixels.mean(), rel=1e-6)
    assert row["total"] == pytest.approx(pixels.sum() / SIGMA, rel=1e-6)
    assert row["radius"] == pytest.approx(np.sqrt(truth.loc[100007, "Einstein_area"] / np.pi) * 206264.8, rel=1e-4)
    rows = {row.name: row for row in table_rows(survey)}
    lenses = truth[truth["is_lens"] == 1]
    assert rows["lensed flux, 50 %"].simulated == pytest.approx(lenses["flux_lensed_image_in_sigma"].median(), rel=1e-6)


def test_the_script_writes_table_and_figure(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, folder, "--processes", "2", "--output", tmp_path / "train"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.csv", "train.md", "train.png", "train.svg"]
    text = (tmp_path / "train.md").read_text(encoding="utf-8")
    assert text.strip() == done.stdout.strip()
    with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["section"] for row in rows} == {"pixels", "objects", "truth table", "shortcuts"}
    failed = [row["name"] for row in rows if row["passed"] == "fail"]
    assert f"{len(rows) - len(failed)} of {len(rows)} rows pass" in text
    assert all(name in text.partition("rows pass")[2] for name in failed)
    height, width = imread(tmp_path / "train.png").shape[:2]
    assert width / height == pytest.approx(4 / 3, abs=0.01)


def test_a_set_that_cannot_be_compared_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file imageEUC_VIS-<ID>\.fits"):
        read_survey(tmp_path, "EUC_VIS")
    image = tmp_path / "imageEUC_VIS-100000.fits"
    image.write_bytes((folder / "Public" / "Band1" / image.name).read_bytes())
    with pytest.raises(DataError, match="0 truth tables"):
        read_survey(tmp_path, "EUC_VIS")
    lines = (folder / "classifications.csv").read_text().splitlines()
    (tmp_path / "classifications.csv").write_text("\n".join([lines[0], *lines[2:]]))
    with pytest.raises(DataError, match="1 images have no row in the truth table, such as 100000"):
        read_survey(tmp_path, "EUC_VIS")
    (tmp_path / "classifications.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="50 of either kind"):
        read_survey(tmp_path, "EUC_VIS")


@needs_real_data
@pytest.mark.parametrize("sample", real.SAMPLES, ids=lambda sample: sample.id)
def test_figures_of_the_real_images_are_those_of_their_files(sample: real.Sample) -> None:
    (path,) = (REAL_DATA / "samples").rglob(f"imageEUC_VIS-{sample.id}.fits")
    seen = measure(fits.getdata(path))
    assert seen.noise == pytest.approx(sample.noise, rel=1e-3)
    np.testing.assert_allclose(seen.autocorrelation, sample.autocorrelation, atol=1e-4)
    np.testing.assert_allclose(seen.profile, sample.profile, atol=6e-3)
    assert seen.companions == sample.companions
    assert (seen.brightest, seen.border) == pytest.approx((sample.brightest, sample.border), abs=0.06)


@needs_real_data
def test_figures_of_the_real_table_are_those_of_its_file() -> None:
    table = pd.read_csv(REAL_DATA / "classifications.csv")
    table.columns = ["id", "is_lens", "area", "lensed_pixels", "lensed_flux"]
    table["radius"] = np.sqrt(table["area"] / np.pi) * 206264.806
    lenses = table[table["is_lens"] == 1]
    for column, figures in (
        ("radius", real.RADIUS),
        ("lensed_pixels", real.LENSED_PIXELS),
        ("lensed_flux", real.LENSED_FLUX),
    ):
        np.testing.assert_allclose(np.percentile(lenses[column], real.DECILES), figures, rtol=5e-4)
    for (one, other), figure in real.CORRELATIONS.items():
        assert spearmanr(lenses[one], lenses[other]).statistic == pytest.approx(figure, abs=6e-4)
    bins = lenses.groupby(pd.cut(lenses["radius"], real.RADIUS_BINS))["lensed_pixels"]
    assert tuple(bins.median()) == real.PIXELS_BY_RADIUS
    assert tuple(bins.size()) == real.BIN_LENSES
    fluxes = lenses.groupby(pd.cut(lenses["radius"], real.RADIUS_BINS))["lensed_flux"]
    np.testing.assert_allclose(fluxes.median(), real.FLUX_BY_RADIUS, atol=0.06)
    wide = lenses.groupby(pd.cut(lenses["radius"], real.WIDE_BINS))
    assert tuple(wide.size()) == real.WIDE_BIN_LENSES
    for column, spreads in (("lensed_pixels", real.PIXELS_SPREAD), ("lensed_flux", real.FLUX_SPREAD)):
        found = [np.percentile(values, real.SPREAD) for _, values in wide[column]]
        np.testing.assert_allclose(found, spreads, atol=0.06)
    unseen = (lenses["lensed_pixels"] == 0).groupby(pd.cut(lenses["radius"], real.INVISIBLE_BINS)).mean()
    np.testing.assert_allclose(unseen, real.INVISIBLE_BY_RADIUS, atol=6e-5)
    assert (lenses["lensed_pixels"] == 0).mean() == pytest.approx(real.INVISIBLE, abs=6e-5)
    counts = table["area"].value_counts()
    assert (counts * (counts - 1)).sum() / len(table) == pytest.approx(real.TWINS, abs=1e-3)
