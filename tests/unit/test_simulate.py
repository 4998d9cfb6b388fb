"""The simulated survey: files as the challenge's, scenes that repeat, tables that follow from the images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lensrank.errors import ConfigError
from lensrank.simulate.einstein import draw_quanta, einstein_radius
from lensrank.simulate.layout import new_folder, write_image
from lensrank.simulate.parts import PART, parts
from lensrank.simulate.scenes import draw_halo, draw_scene
from lensrank.simulate.survey import SurveySettings, observe, put_together, simulate, truth

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate.py"
COLUMNS = '"ID","is_lens","Einstein_area","numb_pix_lensed_image","flux_lensed_image_in_sigma"'
ARCSEC = np.pi / 648000

# Keywords of imageEUC_VIS-100003.fits of the challenge's space-based training set, in order.
KEYWORDS = """
SIMPLE BITPIX NAXIS NAXIS1 NAXIS2 EXTEND COMMENT COMMENT WCSAXES CRPIX1 CRPIX2 CRVAL1 CRVAL2 CTYPE1 CTYPE2 CUNIT1 CUNIT2
CDELT1 CDELT2 CROTA2 CD1_1 CD1_2 CD2_1 CD2_2 NX NY range_x RA DEC
"""


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images by two processes."""
    folder = tmp_path_factory.mktemp("simulated") / "train"
    simulate(SurveySettings(n=24, seed=3), folder, processes=2)
    return folder


def image_path(folder: Path, image_id: int) -> Path:
    return folder / "Public" / "Band1" / f"imageEUC_VIS-{image_id}.fits"


def test_files_are_those_of_the_challenge(training: Path) -> None:
    files = sorted((training / "Public" / "Band1").iterdir())
    assert [file.name for file in files] == [f"imageEUC_VIS-{i}.fits" for i in range(100000, 100024)]
    assert {file.stat().st_size for file in files} == {46080}
    assert sorted(path.name for path in training.iterdir()) == ["Public", "classifications.csv"]


def test_header_is_the_real_one(training: Path) -> None:
    with fits.open(image_path(training, 100007)) as hdus:
        hdus.verify("exception")
        header = hdus[0].header
        assert len(hdus) == 1
        assert [keyword.replace(" ", "_") for keyword in header] == KEYWORDS.split()
        assert header["BITPIX"] == -32
        assert hdus[0].data.shape == (101, 101)
    assert header["range x"] == pytest.approx(101 * 0.1 * ARCSEC, rel=1e-5)
    assert abs(header["RA"]) < 0.002
    assert abs(header["DEC"]) < 0.002
    assert header.comments["RA"] == header.comments["DEC"] == header.comments["range x"] == "radians"
    assert np.abs(WCS(header).wcs.cd[1, 1]) * 3600 == pytest.approx(0.1, rel=1e-5)


def test_other_cutouts_have_their_own_geometry(tmp_path: Path) -> None:
    path = tmp_path / "imageSDSS_G-1.fits"
    pixels = np.arange(32 * 48, dtype=np.float32).reshape(32, 48)
    write_image(path, pixels, pixel_scale=0.2, ra=0.1, dec=-0.2)
    with fits.open(path) as hdus:
        header = hdus[0].header
        np.testing.assert_array_equal(hdus[0].data, pixels)
    assert [keyword.replace(" ", "_") for keyword in header] == KEYWORDS.split()
    assert (header["CRPIX1"], header["CRPIX2"]) == (25, 17)
    assert header["CDELT2"] * 3600 == pytest.approx(0.2)
    assert header["range x"] == pytest.approx(48 * 0.2 * ARCSEC)
    assert (header["RA"], header["DEC"]) == (0.1, -0.2)


def test_table_follows_from_the_noise_free_source(training: Path) -> None:
    lines = (training / "classifications.csv").read_text().splitlines()
    assert lines[0] == COLUMNS
    table = pd.read_csv(training / "classifications.csv", index_col="ID")
    assert list(table.index) == list(range(100000, 100024))
    settings = SurveySettings(n=24, seed=3)
    for i in range(8):
        seen = observe(settings, i)
        row = table.loc[100000 + i]
        significance = seen.lensed[0] / 7.75e-13
        assert row["is_lens"] == seen.is_lens
        assert row["numb_pix_lensed_image"] == np.count_nonzero(significance > 1)
        assert row["flux_lensed_image_in_sigma"] == pytest.approx(significance[significance > 1].sum(), rel=1e-4)
        written = fits.getdata(image_path(training, 100000 + i))
        np.testing.assert_allclose(written - seen.foreground[0] - seen.noise[0], seen.lensed[0], atol=1e-16, rtol=1e-5)


def test_image_depends_on_seed_and_number_only(training: Path, tmp_path: Path) -> None:
    simulate(SurveySettings(n=3, seed=3), tmp_path / "few", processes=1)
    for i in range(100000, 100003):
        assert image_path(tmp_path / "few", i).read_bytes() == image_path(training, i).read_bytes()
    rows = (training / "classifications.csv").read_text().splitlines()
    assert (tmp_path / "few" / "classifications.csv").read_text().splitlines() == rows[:4]
    other = observe(SurveySettings(n=3, seed=4), 0)
    assert not np.allclose(other.noise[0], observe(SurveySettings(n=3, seed=3), 0).noise[0], atol=0)


def test_no_two_images_share_noise(training: Path) -> None:
    corners = {fits.getdata(path)[:3, :3].tobytes() for path in (training / "Public" / "Band1").iterdir()}
    assert len(corners) == 24


@pytest.mark.parametrize("index", [0, 5])
def test_a_non_lens_is_the_same_scene_without_its_source(index: int) -> None:
    settings = SurveySettings(invisible_fraction=0)
    lens, plain = observe(settings, index, is_lens=True), observe(settings, index, is_lens=False)
    assert lens.scene == plain.scene
    assert not plain.lensed.any()
    np.testing.assert_array_equal(lens.foreground, plain.foreground)
    np.testing.assert_array_equal(lens.noise, plain.noise)
    assert (lens.lensed >= 0).all()
    assert truth(settings, index, lens).einstein_area == truth(settings, index, plain).einstein_area
    assert truth(settings, index, plain)[3:] == (0, 0.0)


def test_invisible_lenses_come_in_their_share_and_no_others() -> None:
    def unseen(share: float) -> int:
        settings = SurveySettings(shape=(61, 61), lens_fraction=1, invisible_fraction=share, seed=11)
        rows = [truth(settings, i, observe(settings, i)) for i in range(12)]
        assert all(row.is_lens for row in rows)
        assert all((row.lensed_pixels == 0) == (row.lensed_flux == 0) for row in rows)
        return sum(row.lensed_pixels == 0 for row in rows)

    assert unseen(0.0) == 0
    assert unseen(1.0) == 12
    assert 2 <= unseen(0.5) <= 10


def test_share_of_lenses() -> None:
    settings = SurveySettings(shape=(21, 21), pixel_scale=0.5, lens_fraction=0.25)
    assert 0.13 < np.mean([observe(settings, i).is_lens for i in range(100)]) < 0.37


def test_noise_is_white_and_gaussian_with_the_configured_sigma() -> None:
    noise = observe(SurveySettings(noise=3e-12), 0).noise[0].astype(float)
    assert noise.std() == pytest.approx(3e-12, rel=0.03)
    assert abs(np.mean(noise[:, 1:] * noise[:, :-1])) < 0.04 * 9e-24
    assert np.mean(np.abs(noise) < 3e-12) == pytest.approx(0.683, abs=0.02)


def test_invisible_lenses_are_those_of_large_radii_when_few() -> None:
    settings = SurveySettings(shape=(61, 61), lens_fraction=1, invisible_fraction=0.2, seed=12)
    seen = [truth(settings, i, observe(settings, i)) for i in range(120)]
    small = np.array([row.einstein_area < np.pi * (0.4 * ARCSEC) ** 2 for row in seen])
    unseen = np.array([row.lensed_pixels == 0 for row in seen])
    assert unseen[small].mean() < unseen[~small].mean()
    assert 0.1 < unseen.mean() < 0.35


def test_correlated_noise_keeps_its_sigma() -> None:
    noise = observe(SurveySettings(noise=3e-12, noise_correlation=0.25), 0).noise[0].astype(float)
    assert noise.std() == pytest.approx(3e-12, rel=0.03)
    for one, other in ((noise[:, 1:], noise[:, :-1]), (noise[1:], noise[:-1])):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.25, abs=0.03)
    assert abs(np.corrcoef(noise[3:].ravel(), noise[:-3].ravel())[0, 1]) < 0.03


def test_a_zero_point_changes_the_unit_and_nothing_else() -> None:
    # 10 magnitudes are a factor of 10,000.
    plain = observe(SurveySettings(seed=2), 1, is_lens=True)
    counts = observe(SurveySettings(seed=2, zero_point=10, noise=7.75e-9), 1, is_lens=True)
    np.testing.assert_allclose(counts.pixels, 1e4 * plain.pixels, rtol=1e-4, atol=1e-12)
    rows = [
        truth(SurveySettings(seed=2, noise=noise), 1, seen) for noise, seen in ((7.75e-13, plain), (7.75e-9, counts))
    ]
    assert rows[0][3] == rows[1][3] > 0


def test_a_deeper_survey_has_fainter_sources() -> None:
    def median_flux(**depth: float) -> float:
        settings = SurveySettings(shape=(61, 61), invisible_fraction=0, seed=4, **depth)
        return float(np.median([observe(settings, i, is_lens=True).lensed.sum() for i in range(40)]))

    ratio = median_flux() / median_flux(source_magnitude=25.36)
    # One magnitude, less what is drawn again because it could not be seen.
    assert 1.3 < ratio < 10**0.4 * 1.1
    bright = SurveySettings(shape=(61, 61), source_magnitude=27, faintest_source=20.0)
    faint = SurveySettings(shape=(61, 61), source_magnitude=27, faintest_source=27.0)
    assert observe(bright, 0, is_lens=True).lensed.sum() > 20 * observe(faint, 0, is_lens=True).lensed.sum() > 0


def test_einstein_radii_are_those_of_the_challenge() -> None:
    rng = np.random.default_rng(0)
    quanta = [draw_quanta(rng) for _ in range(20000)]
    radii = [einstein_radius(q) for q in quanta]
    # Of all 20,000 rows of the real table: smallest, deciles 10, 50, 90, largest, and 10,542 distinct areas.
    np.testing.assert_allclose(np.percentile(radii, [0, 10, 50, 90, 100]), [0.151, 0.19, 0.84, 3.92, 5.05], rtol=0.04)
    assert len(set(quanta)) == pytest.approx(10542, rel=0.03)


def test_the_same_halo_comes_back_seen_from_another_side() -> None:
    halo, again, other = draw_halo(1, 70), draw_halo(1, 70), draw_halo(2, 70)
    assert halo == again
    assert halo.central.magnitude != other.central.magnitude
    scenes = [draw_scene(1, np.random.default_rng(i), 5.0) for i in range(400)]
    areas = [scene.einstein_area for scene in scenes]
    repeated = max(set(areas), key=areas.count)
    twins = [scene for scene in scenes if scene.einstein_area == repeated]
    assert len(twins) > 2
    bulges = [scene.galaxies[0].components[0] for scene in twins]
    # What the challenge's catalogue of halos knows stays; the rest is drawn anew (Metcalf et al. 2019, section 3).
    assert len({(bulge.flux, bulge.radius) for bulge in bulges}) == 1
    for name in ("index", "axis_ratio", "angle", "waves"):
        assert len({getattr(bulge, name) for bulge in bulges}) == len(twins)
    assert len({scene.deflector.angle for scene in twins}) == len(twins)


def test_surveys_share_their_halos_where_that_is_asked_for() -> None:
    def kinds(seed: int, **more: int) -> dict[float, float]:
        settings = SurveySettings(shape=(21, 21), pixel_scale=0.5, seed=seed, **more)
        scenes = [observe(settings, i).scene for i in range(150)]
        return {scene.einstein_area: scene.galaxies[0].components[0].flux for scene in scenes}

    training, alike, other = kinds(1), kinds(2, halo_seed=1), kinds(2)
    shared = training.keys() & alike.keys()
    assert len(shared) > 5
    assert all(training[area] == alike[area] for area in shared)
    assert alike.keys() == other.keys()
    assert not any(alike[area] == other[area] for area in alike)


def test_script_makes_the_challenge_layout_in_several_bands(tmp_path: Path) -> None:
    settings = SurveySettings(
        n=21,
        layout="challenge",
        first_id=200000,
        lens_fraction=0.4,
        shape=(21, 24),
        pixel_scale=0.5,
        psf_fwhm=0.7,
        bands=("SDSS_R", "SDSS_U"),
    )
    words = ["--settings", settings.model_dump_json(exclude={"bands"}), "--bands", *settings.bands]
    command = [sys.executable, SCRIPT, *words, "--output", tmp_path / "challenge"]
    subprocess.run(command, check=True, capture_output=True)
    folders = sorted(path.name for path in (tmp_path / "challenge").iterdir() if path.is_dir())
    assert folders == [f"Data_EuclidBig.{i}" for i in range(10)]
    for pattern in ("Band1/imageSDSS_R-*.fits", "Band2/imageSDSS_U-*.fits"):
        files = list((tmp_path / "challenge").glob(f"Data_EuclidBig.*/Public/{pattern}"))
        assert sorted(int(file.stem.split("-")[1]) for file in files) == list(range(200000, 200021))
        assert fits.getdata(files[0]).shape == (21, 24)
    assert {len(list((tmp_path / "challenge" / folder).rglob("*.fits"))) for folder in folders} == {4, 6}
    table = tmp_path / "challenge" / "euclidB_image_catalog.csv"
    assert table.read_text().startswith("#")
    rows = pd.read_csv(table, comment="#", index_col="ID")
    for i in range(5):
        seen = observe(settings, i)
        assert rows.loc[200000 + i, "no_source"] == 1 - seen.is_lens
        assert rows.loc[200000 + i, "Einstein_area"] == pytest.approx(seen.scene.einstein_area, rel=1e-5)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", ["training", "challenge"])
def test_parts_put_together_are_the_survey_that_one_job_makes(tmp_path: Path, layout: str) -> None:
    settings = SurveySettings(
        n=23, layout=layout, shape=(21, 21), pixel_scale=0.5, bands=("SDSS_R", "SDSS_U"), first_id=99990, seed=8
    )
    words = ["--settings", settings.model_dump_json(exclude={"bands"}), "--bands", *settings.bands]
    for name, images in (("a", ["0", "9"]), ("b", ["9", "18"]), ("c", ["18", "23"])):
        command = [sys.executable, SCRIPT, *words, "--images", *images, "--output", tmp_path / name]
        subprocess.run(command, check=True, capture_output=True)
    parts = [tmp_path / name for name in "abc"]
    put_together(settings, parts, tmp_path / "together")
    simulate(settings, tmp_path / "whole", processes=2)
    whole = content(tmp_path / "whole")
    assert len(whole) == 2 * 23 + 1
    assert content(tmp_path / "together") == whole
    # Linked, not copied.
    files = [path for part in parts for path in part.rglob("*.fits")]
    assert {file.stat().st_ino for file in files} == {
        path.stat().st_ino for path in (tmp_path / "together").rglob("*.fits")
    }


def test_parts_are_copied_where_there_are_no_links_and_a_missing_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SurveySettings(n=4, shape=(21, 21), pixel_scale=0.5)
    for name, images in (("a", range(2)), ("b", range(2, 4))):
        simulate(settings, tmp_path / name, 1, images)

    def no_links(source: str, target: str) -> None:
        raise OSError(f"{source} -> {target}: operation not supported")

    monkeypatch.setattr("os.link", no_links)
    put_together(settings, [tmp_path / "a", tmp_path / "b"], tmp_path / "together")
    made, table = content(tmp_path / "together"), "classifications.csv"
    one, other = content(tmp_path / "a"), content(tmp_path / "b")
    rows = [*one.pop(table).splitlines(), *other.pop(table).splitlines()[1:]]
    assert made.pop(table).splitlines() == rows
    assert made == one | other
    with pytest.raises(ConfigError, match="1 parts have 2 images, expected 4"):
        put_together(settings, [tmp_path / "b"], tmp_path / "half")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "together"}


def test_every_image_is_of_one_part_and_a_small_survey_has_none() -> None:
    assert parts(PART) == {}
    assert list(parts(PART + 1).values()) == [range(PART), range(PART, PART + 1)]
    large = parts(100_000)
    assert list(large)[:2] == ["part-0000", "part-0001"]
    assert [image for images in large.values() for image in images] == list(range(100_000))


def test_bands_show_the_same_scene_in_other_colours() -> None:
    settings = SurveySettings(bands=("SDSS_I", "SDSS_G"), shape=(61, 61), invisible_fraction=0, seed=5)
    seen = [observe(settings, i, is_lens=True) for i in range(6)]
    red_over_blue = [image.foreground[0].sum() / image.foreground[1].sum() for image in seen]
    source = [image.lensed[0].sum() / image.lensed[1].sum() for image in seen]
    assert min(red_over_blue) > max(source) > 1
    assert all(not np.array_equal(image.noise[0], image.noise[1]) for image in seen)


def test_an_unknown_band_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bands: HST_ACS .*EUC_VIS"):
        simulate(SurveySettings(n=1, bands=("HST_ACS",)), tmp_path / "x", processes=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="x: there is something in this folder"):
        simulate(SurveySettings(n=1), tmp_path / "x", processes=1)
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "mine.txt"]


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    def run_out_of_space() -> None:
        with new_folder(tmp_path / "x") as folder:
            (folder / "half.fits").touch()
            assert not (tmp_path / "x").exists()
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run_out_of_space()
    assert not list(tmp_path.iterdir())
