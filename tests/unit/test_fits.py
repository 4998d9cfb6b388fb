"""Reading cutouts: the bad-input table row by row, the values of every kind of file, and hostile bytes."""

import gzip
import io
import math
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from badinput import (
    HEADER_BYTES,
    PLAIN,
    ROWS,
    SHAPE,
    TILES,
    WHOLE,
    compressed_bytes,
    flipped,
    image_bytes,
    image_hdu,
    pixels,
    scaled_bytes,
    stored_values,
    to_bytes,
    with_card,
    with_more_cards,
    with_pixels,
    write,
)

from lensrank.config import settings
from lensrank.fits import LARGEST, Rejected, judge_pixels, read_bytes, read_cutout
from lensrank.flags import Flag, Reason
from lensrank.headers import Header

CUTOUT = settings.Cutout()
BY_BYTES = [row for row in ROWS if not row.whole_folder]


def reason_of(data, cutout=CUTOUT):
    with pytest.raises(Rejected) as caught:
        read_cutout(data, cutout)
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize("row", BY_BYTES, ids=[row.name for row in BY_BYTES])
def test_each_row_of_the_bad_input_table(row, tmp_path):
    (path,) = write(row, tmp_path)
    if row.outcome == "rejected":
        reason, detail = reason_of(read_bytes(path))
        assert reason == row.code
        assert detail
        return
    cutout = read_cutout(read_bytes(path), CUTOUT)
    assert cutout.flags == (row.code or Flag(0))
    assert cutout.pixels.shape == SHAPE
    assert cutout.pixels.dtype == np.float32
    assert cutout.pixels.dtype.isnative
    assert math.isnan(cutout.ra) == math.isnan(cutout.dec) == (Flag.NO_POSITION in cutout.flags)


def test_an_unreadable_file_is_rejected(tmp_path):
    (tmp_path / "dangling.fits").symlink_to("nowhere")
    (tmp_path / "loop.fits").symlink_to("loop.fits")
    (tmp_path / "folder.fits").mkdir()
    os.mkfifo(tmp_path / "pipe.fits")
    for name in ("dangling.fits", "loop.fits", "folder.fits", "pipe.fits", "absent.fits"):
        with pytest.raises(Rejected) as caught:
            read_bytes(tmp_path / name)
        assert caught.value.reason == Reason.UNREADABLE


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "large.fits").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(Rejected, match="no more than"):
        read_bytes(tmp_path / "large.fits")


def test_details_say_what_was_found():
    truncated = reason_of(PLAIN[: HEADER_BYTES + 31204])[1]
    assert truncated == "the header announces 101 x 101 float32, 40804 bytes; the file ends after 31204"
    assert "100 x 101 pixels (height x width); expected 101 x 101" in reason_of(image_bytes(pixels()[1:]))[1]
    assert "3 axes (2 x 101 x 101)" in reason_of(image_bytes(np.stack([pixels()] * 2)))[1]
    assert "<!DOCTYPE" in reason_of(b"<!DOCTYPE html>")[1]


def test_a_rejection_survives_the_way_between_processes():
    there = Rejected(Reason.SHAPE, "1 x 1")
    back = pickle.loads(pickle.dumps(there))  # noqa: S301
    assert (back.reason, back.detail, str(back)) == (Reason.SHAPE, "1 x 1", str(there))


def test_float32_is_given_bit_for_bit():
    data = pixels()
    data[0, :5] = [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    cutout = read_cutout(image_bytes(data), CUTOUT)
    assert cutout.pixels.tobytes() == data.tobytes()
    assert cutout.flags == Flag.BAD_PIXELS


@pytest.mark.parametrize("dtype", [">u1", ">i2", ">i4", ">i8", ">f4", ">f8"])
def test_scaled_values_are_computed_in_float64_and_rounded_once(dtype):
    bscale, bzero = 1.1e-13, -3.7e-12
    expected = (stored_values("f8") * bscale + bzero).astype(np.float32)
    assert (read_cutout(scaled_bytes(dtype, bscale, bzero), CUTOUT).pixels == expected).all()


def test_float64_is_rounded_once():
    data = np.random.default_rng(1).normal(0, 1e-12, SHAPE)
    assert (read_cutout(image_bytes(data), CUTOUT).pixels == data.astype(np.float32)).all()


def test_blank_becomes_nan_before_scaling():
    data = with_more_cards(scaled_bytes(">i2"), "BLANK   = 7")
    expected = (stored_values("f8") * 0.25 + 0.5).astype(np.float32)
    expected[stored_values("i2") == 7] = np.nan
    np.testing.assert_array_equal(read_cutout(data, CUTOUT).pixels, expected)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (WHOLE, {"compression_type": "RICE_1"}),
        (WHOLE.astype(np.int16), {"compression_type": "GZIP_1"}),
        (stored_values("u1"), {"compression_type": "RICE_1"}),
        (pixels(), {"compression_type": "GZIP_2", "quantize_level": 0}),
        (pixels(), {"compression_type": "RICE_1", "quantize_level": 16, "quantize_method": 1, "dither_seed": 5}),
        (pixels().astype(float), {"compression_type": "GZIP_1", "quantize_level": 0}),
        (WHOLE, {"compression_type": "HCOMPRESS_1", "checksum": True}),
        (abs(WHOLE).astype(np.int16), {"compression_type": "PLIO_1", "checksum": True}),
    ],
)
def test_tiles_give_what_astropy_reads(data, options):
    packed = compressed_bytes(data, **options)
    with fits.open(io.BytesIO(packed)) as hdus:
        expected = np.asarray(hdus[1].data, dtype=np.float32)
    cutout = read_cutout(packed, CUTOUT)
    assert (cutout.pixels == expected).all()
    assert cutout.ra == pytest.approx(math.degrees(0.0123), rel=1e-12)


def test_astropy_reads_the_same_from_every_kind_of_file(tmp_path):
    # astropy warns of the ends of these two.
    left_out = {"padding missing after the last pixel", "bytes after the end"}
    for row in BY_BYTES:
        if row.outcome == "accepted" and row.name not in left_out:
            (path,) = write(row, tmp_path)
            with fits.open(path, memmap=False) as hdus:
                expected = next(hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None)
            np.testing.assert_allclose(read_cutout(row.content, CUTOUT).pixels, expected, 1e-6, err_msg=row.name)


@pytest.mark.parametrize(
    ("unit", "ra", "dec", "expected"),
    [
        ("rad", math.pi, -math.pi / 2, (180, -90)),
        ("rad", -math.pi / 2, 0.0, (270, 0)),
        ("deg", 150.25, 2.5, (150.25, 2.5)),
        ("deg", -10.5, 90, (349.5, 90)),
        ("deg", 360.0, 1.0, (0, 1)),
        ("deg", -360, 1, (0, 1)),
        ("deg", -1e-20, 1, (0, 1)),
    ],
)
def test_positions_come_out_in_degrees(unit, ra, dec, expected):
    cutout = read_cutout(image_bytes(pixels(), RA=ra, DEC=dec), settings.Cutout(angle_unit=unit))
    assert (cutout.ra, cutout.dec) == pytest.approx(expected, abs=1e-12)
    assert 0 <= cutout.ra < 360
    assert not cutout.flags


@pytest.mark.parametrize(("ra", "dec"), [(361, 0), (-360.5, 0), (0, 90.1), (0, -91), (True, 0), ("12", 0), (0, "x")])
def test_positions_that_are_none_are_flagged(ra, dec):
    cutout = read_cutout(image_bytes(pixels(), RA=ra, DEC=dec), settings.Cutout(angle_unit="deg"))
    assert math.isnan(cutout.ra)
    assert math.isnan(cutout.dec)
    assert cutout.flags == Flag.NO_POSITION


def test_position_keywords_come_from_the_settings_and_either_header():
    ours = settings.Cutout(ra="crval1", dec="HIER DEC", angle_unit="deg")
    card = {"CRVAL1": 10.0, "HIERARCH HIER DEC": 20.0}
    assert read_cutout(image_bytes(pixels(), **card), ours).dec == 20
    primary = fits.PrimaryHDU()
    primary.header.update(CRVAL1=30.0)
    primary.header["HIERARCH HIER DEC"] = 40.0
    in_primary = to_bytes(primary, fits.ImageHDU(pixels()))
    assert read_cutout(in_primary, ours).ra == 30
    own = to_bytes(primary, image_hdu(pixels(), fits.ImageHDU, **card))
    assert read_cutout(own, ours).ra == 10


def test_mask_value_and_shape_come_from_the_settings():
    for masked in (-99.9, -99.99):  # one is less and one is more as float32
        assert Flag.MASKED in read_cutout(with_pixels(masked), settings.Cutout(masked=masked)).flags
    assert not read_cutout(with_pixels(100), settings.Cutout(masked=None)).flags
    small = settings.Cutout(shape=(60, 66))
    assert read_cutout(image_bytes(pixels()[:60, :66]), small).pixels.shape == (60, 66)
    assert reason_of(image_bytes(pixels()[:66, :60]), small)[0] == Reason.SHAPE


def test_pixels_of_any_type_are_judged():
    values, flags = judge_pixels(stored_values("u1"), 119)
    assert (values.dtype, flags) == (np.float32, Flag.MASKED)


def test_constant_but_for_bad_pixels_has_both_flags():
    data = np.full(SHAPE, 3e-12, np.float32)
    data[1, 1] = np.nan
    assert read_cutout(image_bytes(data), CUTOUT).flags == Flag.BAD_PIXELS | Flag.CONSTANT


def test_checksums_are_those_that_astropy_writes():
    for seed in range(8):
        data = to_bytes(
            image_hdu(pixels(seed)), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[seed])]), checksum=True
        )
        assert not read_cutout(data, CUTOUT).flags
        assert read_cutout(flipped(data, HEADER_BYTES + 403), CUTOUT).flags == Flag.CHECKSUM
        assert read_cutout(flipped(data, len(data) - 2000), CUTOUT).flags == Flag.CHECKSUM


def test_a_bomb_takes_little_memory():
    bomb = gzip.compress(bytes(1 << 24), mtime=0) * 64
    tracemalloc.start()
    try:
        assert reason_of(bomb)[0] == Reason.UNREADABLE
        assert tracemalloc.get_traced_memory()[1] < 3 * LARGEST
    finally:
        tracemalloc.stop()


def test_a_header_that_announces_too_much_takes_no_memory():
    huge = with_card(with_card(PLAIN, "NAXIS1", "NAXIS1  = 99999999999"), "NAXIS2", "NAXIS2  = 99999999999")
    assert reason_of(huge)[0] == Reason.TRUNCATED
    assert reason_of(with_card(TILES, "ZNAXIS1", "ZNAXIS1 = 99999999999"))[0] == Reason.SHAPE


def test_card_values_are_those_that_astropy_reads():
    rng = np.random.default_rng(3)
    numbers = ["1", "-0", "+12", "007", "1.", "-1.5", "1.5E3", "2E-3", "3E", ".5", "1.5D2", "1.E5", "1 2", "0x1", "1_0"]
    others = ["T", "F", "'text'", "'12'", "NaN", "", "(1, 2)", "1.5.2", "--1", "1e3", "E5", "'it''s'", "inf"]
    for text in (*numbers, *others):
        for comment in ("", " / why", "/", " /5", " junk"):
            card = f"KEY     = {' ' * rng.integers(0, 20)}{text}{comment}".ljust(80)
            try:
                expected = fits.Card.fromstring(card).value
            except fits.VerifyError:
                expected = None
            value = Header(card.encode()).value("key")
            assert (type(value), str(value)) == (type(expected), str(expected)), card


def damaged(files, rng):
    data = bytearray(files[rng.integers(len(files))])
    in_header = rng.random() < 0.8
    for _ in range(rng.integers(1, 6)):
        at = rng.integers(3 * HEADER_BYTES if in_header else len(data))
        data[at] = rng.choice(list(b"0123456789-+.E'T= ")) if rng.random() < 0.5 else rng.integers(256)
    return bytes(data[: rng.integers(len(data))] if rng.random() < 0.2 else data)


def test_damaged_bytes_give_a_cutout_or_a_rejection():
    rng = np.random.default_rng(11)
    checked = image_bytes(pixels(), checksum=True)
    quantised = compressed_bytes(pixels(), quantize_level=16, dither_seed=1)
    files = [PLAIN, checked, scaled_bytes(">i2"), gzip.compress(PLAIN, mtime=0), TILES, quantised]
    outcomes = set()
    for _ in range(2000):
        try:
            cutout = read_cutout(damaged(files, rng), CUTOUT)
        except Rejected as rejected:
            outcomes.add(rejected.reason)
        else:
            outcomes.add("cutout")
            assert cutout.pixels.shape == SHAPE
            assert cutout.pixels.dtype == np.float32
    assert {"cutout", Reason.TRUNCATED, Reason.HEADER, Reason.NOT_FITS} <= outcomes
