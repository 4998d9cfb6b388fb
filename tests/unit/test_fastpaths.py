"""Ways that are fast give what the plain ways give: FITS files against astropy, OpenVINO against Keras."""

import io
import math
import subprocess
import sys
import warnings

import numpy as np
from astropy.io import fits
from badinput import PLAIN, ROWS, SHAPE, image_bytes, pixels, write
from needs import needs_tensorflow

from lensrank.config import settings
from lensrank.engines import make_engine
from lensrank.fits import Rejected, read_bytes, read_cutout
from lensrank.flags import Flag, Reason
from lensrank.headers import Header
from lensrank.models.recipes import recipe
from lensrank.normalise import Normalisation
from lensrank.trainer import Trainer, TrainSettings
from lensrank.trainingset import Part

CUTOUT = settings.Cutout()
HEADERS = 10_000
KEYWORDS = ("RA", "DEC", "BSCALE", "DATASUM", "NAXIS1", "EXPTIME", "ra", "A")


def card(rng: np.random.Generator) -> str:
    """A card such as people and programs write them, and some that nobody should."""
    keyword = str(rng.choice(KEYWORDS))
    number = rng.normal() * 10.0 ** rng.integers(-20, 20)
    value = [
        f"{number:.{rng.integers(0, 17)}G}",
        f"{number:.{rng.integers(0, 5)}f}"[:40],
        str(rng.integers(-(10**12), 10**12)),
        str(rng.choice(["T", "F", "'text'", "''", "'it''s'", "'12'", "", "TRUE", "1.5D3", "(1, 2)", "NaN", "1 2"])),
    ][rng.integers(4)]
    comment = str(rng.choice(["", "/", " / why", "/5", " / = 7", " junk"]))
    spaces = " " * rng.integers(0, 12)
    start = (
        f"HIERARCH {keyword} ={spaces} " if rng.random() < 0.1 else f"{keyword:8}={' ' * (rng.random() < 0.95)}{spaces}"
    )
    return f"{start}{value}{comment}"[:80].ljust(80)


def block(cards: list[str]) -> bytes:
    text = "".join([*cards, "END".ljust(80)])
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def by_astropy(cards: list[str], keyword: str) -> object:
    """Value of the first card that has the keyword, and a value."""
    for text in cards:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = fits.Card.fromstring(text)
            has_value = text[8:10] == "= " or text.startswith("HIERARCH ")
            if has_value and one.keyword.upper() == keyword.upper():
                try:
                    return one.value
                except fits.VerifyError:
                    return None
    return None


def test_random_headers_have_the_values_that_astropy_reads():
    rng = np.random.default_rng(20)
    values = set()
    for _ in range(HEADERS):
        cards = [card(rng) for _ in range(rng.integers(1, 5))]
        keyword = str(rng.choice(KEYWORDS))
        expected, found = by_astropy(cards, keyword), Header(block(cards)).value(keyword)
        assert (type(found), repr(found)) == (type(expected), repr(expected)), cards
        values.add(type(found))
    assert {bool, int, float, str, type(None)} <= values


def test_the_bad_input_table_has_the_pixels_that_astropy_reads(tmp_path):
    # astropy warns of the ends of some files, and reads their pixels all the same.
    rows = [row for row in ROWS if not row.whole_folder]
    read = 0
    for row in rows:
        (path,) = write(row, tmp_path)
        try:
            cutout = read_cutout(read_bytes(path), CUTOUT)
        except Rejected:
            assert isinstance(row.code, Reason), row.name
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path, memmap=False) as hdus:
                expected = next(hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None)
                expected = np.asarray(expected, dtype=np.float64)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(cutout.pixels, expected.astype(np.float32), err_msg=row.name)
        read += 1
    assert read == sum(not isinstance(row.code, Reason) for row in rows)


SMALL = settings.Cutout(shape=(5, 7))
STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def whole_file(rng: np.random.Generator) -> bytes:
    """A file of an image with every keyword that pixels and position depend on, in random forms and places."""
    bitpix = int(rng.choice(list(STORED)))
    numbers = rng.normal(0, 50, SMALL.shape) * (1e-13 if bitpix < 0 else 1)
    stored = (np.abs(numbers) if bitpix == 8 else numbers).astype(STORED[bitpix])
    fixed = [("SIMPLE", "T"), ("BITPIX", str(bitpix)), ("NAXIS", "2"), ("NAXIS1", "7"), ("NAXIS2", "5")]
    free = [("EXPTIME", "565.5"), ("BUNIT", "'e-/s'"), ("MJD-OBS", "60000.5 / start")]
    # Whole numbers and powers of two, for which the order of scaling and rounding does not matter.
    if rng.random() < 0.5:
        free.append(("BSCALE", str(rng.choice(["1", "1.0", "2.0E0", "0.5", "-4", "+1.0D0", ".25"]))))
    if rng.random() < 0.5:
        free.append(("BZERO", str(rng.choice(["0", "0.0", "32768", "-127.0", "1.6E1", "8.", "-2.5E-1"]))))
    # Not 0, which astropy takes for no BLANK; nor one that the stored type cannot hold, which it takes for an error.
    if bitpix > 0 and rng.random() < 0.5:
        free.append(("BLANK", str(rng.integers(1, 60))))
    position = ["0.5", "-0.25", "1.5707963E0", "1", "6.1D-2 / rad", "'0.5'", "T", ""]
    free += [(keyword, str(rng.choice(position))) for keyword in ("RA", "DEC") if rng.random() < 0.9]
    cards = [f"{keyword:8}= {value:>{rng.integers(1, 21)}}" for keyword, value in fixed]
    rest = [f"{keyword:8}= {value:>{rng.integers(1, 21)}}" for keyword, value in free]
    rest += ["COMMENT BSCALE  =  7", "HISTORY RA      =  7", "HIERARCH my RA = 7", ""]
    rest.append("OBJECT  = 'a / b&'".ljust(80) + "CONTINUE  'BZERO   =  7'".ljust(80))
    cards += [rest[number] for number in rng.permutation(len(rest))]
    data = stored.tobytes()
    return block([text.ljust(80) for text in cards]) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def degrees_by_astropy(header: fits.Header) -> tuple[float, float]:
    """Position in degrees; NaN where a keyword is missing or no number."""
    values = [header.get("RA"), header.get("DEC")]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return math.nan, math.nan
    return math.degrees(values[0]) % 360, math.degrees(values[1])


def test_files_with_random_headers_have_the_pixels_and_position_that_astropy_reads():
    rng = np.random.default_rng(23)
    without = 0
    for number in range(HEADERS):
        content = whole_file(rng)
        cutout = read_cutout(content, SMALL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Not as unsigned integers, for which astropy forgets BLANK.
            with fits.open(io.BytesIO(content), uint=False) as hdus:
                ra, dec = degrees_by_astropy(hdus[0].header)
                expected = np.asarray(hdus[0].data, np.float64).astype(np.float32)
        np.testing.assert_array_equal(cutout.pixels, expected, err_msg=f"{number}: {content[:2880]!r}")
        np.testing.assert_allclose([cutout.ra, cutout.dec], [ra, dec], rtol=1e-14, err_msg=str(content[:2880]))
        without += math.isnan(ra)
    assert 0.2 < without / HEADERS < 0.8


def test_a_keyword_that_stands_twice_and_a_blank_of_zero_are_read_by_the_standard():
    # astropy's header gives the first as well, but its pixels are scaled by the last; and it takes BLANK = 0 for none.
    stored = np.array([[0, 1], [2, 3]], ">i2")
    fixed = ["SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 2"]
    two = block([card.ljust(80) for card in (*fixed, "BSCALE  = 2", "BSCALE  = 8", "BLANK   = 0")])
    cutout = read_cutout(two + stored.tobytes().ljust(2880, b"\0"), settings.Cutout(shape=(2, 2)))
    np.testing.assert_array_equal(cutout.pixels, [[np.nan, 2], [4, 6]])


def test_random_images_are_those_that_astropy_reads():
    rng = np.random.default_rng(21)
    for number in range(200):
        data = (pixels(number) * 10.0 ** rng.integers(-30, 30)).astype(rng.choice([">f4", ">f8"]))
        odd = rng.choice([np.nan, np.inf, -np.inf, -0.0, 1e-42, 100.0])
        if rng.random() < 0.5:
            data[rng.integers(101), rng.integers(101)] = odd
        content = image_bytes(data, RA=rng.uniform(-6, 6), DEC=rng.uniform(-1.5, 1.5))
        cutout = read_cutout(content, CUTOUT)
        with fits.open(io.BytesIO(content)) as hdus:
            expected, header = hdus[0].data, hdus[0].header
        assert cutout.pixels.tobytes() == expected.astype(np.float32).tobytes()
        assert math.isclose(cutout.ra, math.degrees(header["RA"]) % 360, rel_tol=1e-14)
        assert cutout.dec == math.degrees(header["DEC"])
        assert (Flag.BAD_PIXELS in cutout.flags) == (not np.isfinite(expected).all())
        assert (Flag.MASKED in cutout.flags) == bool((expected == 100).any())


@needs_tensorflow
def test_a_trained_network_scores_alike_by_openvino_and_keras(tmp_path):
    rng = np.random.default_rng(22)
    labels = (np.arange(96) % 2).astype(np.int8)
    images = np.stack([pixels(seed) for seed in range(len(labels))])[..., None]
    images[labels == 1, 20:30, 20:30] += 2e-11
    part = Part(images, labels, np.arange(len(labels)).astype(str).astype(object), np.arange(len(labels)))
    model = settings.Model.model_validate(recipe("tiny"))
    described = TrainSettings(name="tiny", model=model, bands=("EUC_VIS",), shape=SHAPE)
    trainer = Trainer(described, Normalisation((4.337e-13,), (5.504e-12,)), 0, "float32")
    for epoch in range(1, 31):
        trainer.train_epoch(part, epoch)
    trainer.whole_model(trainer.weights()).save(tmp_path / "model.keras")
    images[:3, :5] = np.nan
    images = images[rng.permutation(len(images))]
    shape = (*SHAPE, 1)
    expected, found = (
        make_engine(tmp_path / "model.keras", shape, name, "float32", 32, 2, tmp_path / "cache")(images)
        for name in ("keras", "openvino")
    )
    assert expected.std() > 0.1
    assert np.abs(found - expected).max() < 1e-5


def test_a_plain_file_needs_no_parser_of_astropy_nor_the_time_to_import_it():
    code = """
import sys
import lensrank.ingest
from lensrank.config.settings import Cutout
from lensrank.fits import read_cutout

sys.stdout.buffer.write(read_cutout(sys.stdin.buffer.read(), Cutout()).pixels.tobytes())
sys.exit("astropy.io.fits" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], input=PLAIN, capture_output=True, check=True)
    assert done.stdout == pixels().tobytes()
