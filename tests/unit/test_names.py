"""Names: which files are images, whose, and in which band; and that odd names break nothing."""

import random

import pytest

from lensrank.errors import ConfigError
from lensrank.names import ImageName, NamePattern, id_order, is_fits, is_truth, passed_over

CHALLENGE = NamePattern("image{band}-{id}.fits", ["EUC_VIS"])
GROUND = NamePattern("image{band}-{id}.fits", ["SDSS_R", "SDSS_I", "SDSS_G", "SDSS_U"])


@pytest.mark.parametrize("suffix", [".fits", ".fit", ".fits.gz", ".fits.bz2", ".fits.fz", ".FITS", ".Fits.Fz", ".FIT"])
def test_every_fits_suffix_is_known_and_stands_in_for_the_patterns(suffix):
    assert is_fits(f"imageEUC_VIS-1{suffix}")
    assert CHALLENGE.match(f"imageEUC_VIS-1{suffix}") == ImageName("1", "EUC_VIS")


@pytest.mark.parametrize(
    "name", ["README", "fits", "a.fits.txt", "a.fitsx", "a.gz", "classifications.csv", "a.fits.gz.part"]
)
def test_other_files_are_not_fits(name):
    assert not is_fits(name)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("Public/Band1/imageEUC_VIS-100000.fits", ("100000", "EUC_VIS")),
        ("imageEUC_VIS-007.fits", ("007", "EUC_VIS")),
        ("imageEUC_VIS-a-b c.fits", ("a-b c", "EUC_VIS")),
        ("imageEUC_VIS-1.fits.fits", ("1.fits", "EUC_VIS")),
        ('imageEUC_VIS-<b>"x"\'&.fits', ('<b>"x"\'&', "EUC_VIS")),
        ("imageEUC_VIS-C:\\data\\7.fits", ("C:\\data\\7", "EUC_VIS")),
        ("imageEUC_VIS-Häuser 星.fits", ("Häuser 星", "EUC_VIS")),
        ("bad \udcff folder\n/imageEUC_VIS-5.fits", ("5", "EUC_VIS")),
        ("imageEUC_H-5.fits", ("5", None)),
        ("imageSDSS_R-5-6.fits", ("5-6", None)),
    ],
)
def test_id_and_band_of_a_path(path, found):
    assert CHALLENGE.match(path) == found


@pytest.mark.parametrize(
    "path",
    [
        "imageEUC_VIS-.fits",
        "imageEUC_VIS- \t.fits",
        "imageEUC_VIS-\udcff.fits",
        "imageEUC_VIS-1\n2.fits",
        "imageEUC_VIS.fits",
        "preview.fits",
        "xximageEUC_VIS-1.fits",
        "imageEUC_VIS-1/2.txt",
        "",
    ],
)
def test_a_path_without_a_usable_id_does_not_match_and_the_fault_says_so(path):
    assert CHALLENGE.match(path) is None
    assert "image{band}-{id}.fits" in CHALLENGE.fault(path)


def test_a_fault_tells_an_unknown_band_from_a_blank_id_and_from_another_name():
    texts = {CHALLENGE.fault(name) for name in ("imageEUC_H-5.fits", "imageEUC_VIS- .fits", "preview.fits")}
    assert len(texts) == 3


def test_bands_are_literal_names_and_the_longest_that_fits_counts():
    assert GROUND.match("Public/Band3/imageSDSS_G-42.fits") == ("42", "SDSS_G")
    pattern = NamePattern("{band}-{id}.fits", ["R", "R-narrow", "r+i"])
    assert pattern.match("R-narrow-7.fits") == ("7", "R-narrow")
    assert pattern.match("R-7.fits") == ("7", "R")
    assert pattern.match("r+i-7.fits") == ("7", "r+i")
    assert pattern.match("rri-7.fits") == ("7", None)


def test_a_pattern_may_hold_folders():
    pattern = NamePattern("{id}/{band}.fits", ["VIS", "H"])
    assert pattern.match("deep/down/obj-1/VIS.fits.gz") == ("obj-1", "VIS")
    assert pattern.match("obj-1/Y.fits") == ("obj-1", None)
    assert pattern.match("VIS.fits") is None
    assert NamePattern("Band1/{id}.fits", ["VIS"]).match("Public/Band1/5.fits") == ("5", "VIS")
    assert NamePattern("Band1/{id}.fits", ["VIS"]).match("Public/NotBand1/5.fits") is None


def test_a_pattern_without_band_is_for_one_band():
    assert NamePattern("cutout_{id}.fits", ["VIS"]).match("cutout_9.fits") == ("9", "VIS")
    with pytest.raises(ConfigError, match=r"cutout_\{id\}\.fits.*VIS, H"):
        NamePattern("cutout_{id}.fits", ["VIS", "H"])


def test_characters_of_a_pattern_are_not_regular_expressions():
    pattern = NamePattern("a.b+(x)_{id}.fits", ["VIS"])
    assert pattern.match("a.b+(x)_1.fits") == ("1", "VIS")
    assert pattern.match("aXbb(x)_1.fits") is None


def test_a_hostile_name_takes_no_time():
    assert CHALLENGE.match("image" + "-" * 4000 + "/") is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Private/Band1/imageEUC_VIS-1.fits", "Private"),
        ("x/private/NoLensImage/imageEUC_VIS-1.fits", "Private"),
        ("__MACOSX/Public/imageEUC_VIS-1.fits", "__MACOSX"),
        ("Public/._imageEUC_VIS-1.fits", "AppleDouble (._*)"),
        ("Public/.DS_Store", ".DS_Store"),
        ("Public/Band1/imageEUC_VIS-1.fits", None),
        ("PrivateCollection/imageEUC_VIS-1.fits", None),
        ("Private", None),
    ],
)
def test_what_is_never_data(path, kind):
    assert passed_over(path) == kind


@pytest.mark.parametrize("path", ["classifications.csv", "x/Classifications.CSV", "y/euclidB_image_catalog.csv"])
def test_truth_tables_are_known_by_name(path):
    assert is_truth(path)


@pytest.mark.parametrize(
    "path", ["my_classifications.csv", "._classifications.csv", "Private/classifications.csv", "a.csv"]
)
def test_other_tables_are_not_truth(path):
    assert not is_truth(path)


def test_ids_sort_by_number_then_text():
    ordered = ["0", "007", "7", "8", "0010", "100000", "9" * 5000, "", "-1", "1.0", "10a", "A", "a", "²"]
    shuffled = random.Random(0).sample(ordered, len(ordered))
    assert sorted(shuffled, key=id_order) == ordered
