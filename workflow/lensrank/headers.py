"""FITS headers. Takes a header's bytes, gives the values of its keywords and the layout of the data behind it.

Files are walked here rather than by astropy, so that each fault has a reason of its own, nothing is printed for each of
100,000 odd headers, and plain images are read at twice the speed; astropy reads the values of the cards.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lensrank.flags import Reason

BLOCK = 2880
CARD = 80
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""BITPIX to numpy (FITS standard 4.0, section 4.4.1)."""
MOST_AXES = 999
_PRINTABLE = bytes(range(0x20, 0x7F))
# Nearly all values that are asked for look like this; astropy's parser takes twenty times as long for the same answer.
_PLAIN = re.compile(r"= +(?:([TF])|([+-]?[0-9]+)(\.[0-9]*)?(E[+-]?[0-9]+)?) *(?:/.*)?")


class Rejected(Exception):
    """A file that gives no image.

    Attributes:
        reason: code for the rejects table.
        detail: what was found, for a human.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"rejected ({self.reason}): {self.detail}"


class Header:
    """Keywords of a header; of a keyword that stands there twice, the first counts.

    Args:
        block: the header's bytes, END and padding included.

    Attributes:
        text: the header as text, bytes outside printable ASCII replaced by question marks.
        is_clean: whether there were no such bytes.
    """

    def __init__(self, block: bytes) -> None:
        self.text = block.decode("latin-1")
        self.is_clean = not block.translate(None, _PRINTABLE)
        if not self.is_clean:
            self.text = re.sub("[^ -~]", "?", self.text)
        upper = self.text.upper()
        # Backwards, so that the first of two stays. The keyword of a card that has a value, at its full width.
        places = reversed(range(0, len(upper), CARD))
        self._cards = {upper[at : at + 8]: at for at in places if upper[at + 8 : at + 10] == "= "}
        if "HIERARCH " in upper:
            self._add_long_keywords(upper)

    def _add_long_keywords(self, upper: str) -> None:
        for at in range(0, len(upper), CARD):
            if upper.startswith("HIERARCH ", at) and not upper.startswith("= ", at + 8):
                keyword = upper[at + 9 : at + CARD].partition("=")[0].strip().ljust(8)
                self._cards[keyword] = min(at, self._cards.get(keyword, at))

    def _place(self, keyword: str) -> int | None:
        return self._cards.get(keyword.upper().ljust(8))

    def __contains__(self, keyword: str) -> bool:
        return self._place(keyword) is not None

    def value(self, keyword: str) -> Any:
        """A keyword's value: bool, int, float, complex or str; None where it is missing or cannot be read."""
        at = self._place(keyword)
        return None if at is None else self._value(at)

    def _value(self, at: int) -> Any:
        if plain := _PLAIN.fullmatch(self.text, at + 8, at + CARD):
            logical, whole, fraction, exponent = plain.groups()
            if logical:
                return logical == "T"
            return float(whole + (fraction or "") + (exponent or "")) if fraction or exponent else int(whole)
        from astropy.io.fits import Card, VerifyError  # takes a quarter of a second, and is rarely needed

        try:
            return Card.fromstring(self.text[at : at + CARD]).value
        except VerifyError:
            return None

    def integer(self, keyword: str, default: int | None = None) -> int:
        """A keyword that has to be a whole number.

        Raises:
            Rejected: it is something else, or missing and without a default (`Reason.HEADER`).
        """
        return int(self._number(keyword, default, int))

    def number(self, keyword: str, default: float | None = None) -> float:
        """A keyword that has to be a finite number.

        Raises:
            Rejected: it is something else, or missing and without a default (`Reason.HEADER`).
        """
        return float(self._number(keyword, default, (int, float)))

    def _number(self, keyword: str, default: float | None, types: Any) -> float:
        at = self._place(keyword)
        if at is None:
            if default is None:
                raise Rejected(Reason.HEADER, f"the header has no {keyword}")
            return default
        value = self._value(at)
        if not isinstance(value, types) or isinstance(value, bool) or not math.isfinite(value):
            card = self.text[at : at + CARD].rstrip()
            raise Rejected(Reason.HEADER, f"the header's {keyword} is no number that is allowed: '{card}'")
        return value


@dataclass(frozen=True)
class Hdu:
    """Header and layout of one HDU.

    Attributes:
        header: its keywords.
        start: where its header begins in the file.
        data_start: where its data begin.
        data_size: bytes of data, without padding.
        bitpix: code of the stored type, of the image for a tile-compressed one.
        shape: axes in numpy's order, slowest first; of the image for a tile-compressed one.
        is_image: it holds an image, compressed or not.
        is_compressed: a table that holds a tile-compressed image.
    """

    header: Header
    start: int
    data_start: int
    data_size: int
    bitpix: int
    shape: tuple[int, ...]
    is_image: bool
    is_compressed: bool

    @property
    def end(self) -> int:
        """Where the next HDU begins."""
        return self.data_start + _padded(self.data_size)


def hdus(data: bytes) -> Iterator[Hdu]:
    """All HDUs of a file. Bytes after the last that do not begin an extension are left alone, as the standard allows.

    Args:
        data: the whole file, uncompressed.

    Raises:
        Rejected: empty, not FITS, no END, cut short in a header or in data, or a header that makes no sense.
    """
    if not data:
        raise Rejected(Reason.EMPTY, "the file has no bytes")
    if not data.startswith(b"SIMPLE  ="[: len(data)]):
        raise Rejected(Reason.NOT_FITS, f"a FITS file begins with 'SIMPLE  =', this one with {data[:16]!r}")
    start = 0
    while start == 0 or data.startswith(b"XTENSION", start):
        hdu = _hdu(data, start)
        there = max(0, len(data) - hdu.data_start)
        if there < hdu.data_size:
            what = " x ".join(map(str, hdu.shape))
            what = f"{what} {_type_name(hdu.bitpix)}{', compressed' * hdu.is_compressed}"
            raise Rejected(
                Reason.TRUNCATED, f"the header announces {what}, {hdu.data_size} bytes; the file ends after {there}"
            )
        yield hdu
        start = hdu.end


def _hdu(data: bytes, start: int) -> Hdu:
    data_start = _header_end(data, start)
    header = Header(data[start:data_start])
    if start == 0 and header.value("SIMPLE") is not True:
        raise Rejected(Reason.HEADER, "SIMPLE is not T: the file says itself that it does not follow the standard")
    kind = "IMAGE" if start == 0 else str(header.value("XTENSION")).strip()
    bitpix, shape = _layout(header, "")
    stored = math.prod(shape) if shape else 0
    groups = (header.integer("PCOUNT", 0), header.integer("GCOUNT", 1)) if start else (0, 1)
    if min(groups) < 0:
        raise Rejected(Reason.HEADER, f"PCOUNT = {groups[0]} and GCOUNT = {groups[1]}; neither can be below 0")
    size = abs(bitpix) // 8 * groups[1] * (groups[0] + stored)
    is_compressed = kind == "BINTABLE" and header.value("ZIMAGE") is True
    if is_compressed:
        bitpix, shape = _layout(header, "Z")
    is_image = is_compressed or (kind in ("IMAGE", "IUEIMAGE") and stored > 0)
    return Hdu(header, start, data_start, size, bitpix, shape, is_image, is_compressed)


def _layout(header: Header, prefix: str) -> tuple[int, tuple[int, ...]]:
    """BITPIX and the axes, slowest first."""
    bitpix = header.integer(f"{prefix}BITPIX")
    if bitpix not in DTYPES:
        allowed = ", ".join(map(str, DTYPES))
        raise Rejected(Reason.HEADER, f"{prefix}BITPIX is {bitpix}; it can be {allowed}")
    axes = header.integer(f"{prefix}NAXIS")
    if not 0 <= axes <= MOST_AXES:
        raise Rejected(Reason.HEADER, f"{prefix}NAXIS is {axes}; it can be 0 to {MOST_AXES}")
    shape = tuple(header.integer(f"{prefix}NAXIS{axis}") for axis in range(axes, 0, -1))
    if min(shape, default=0) < 0:
        raise Rejected(Reason.HEADER, f"{prefix}NAXISn are {shape[::-1]}; none can be below 0")
    return bitpix, shape


def _header_end(data: bytes, start: int) -> int:
    """Where the block ends that holds the END card of the header at `start`."""
    at = data.find(b"END     ", start)
    while at >= 0 and (at - start) % CARD:
        at = data.find(b"END     ", at + 1)
    if at >= 0:
        return start + _padded(at + CARD - start)
    rest = data[start:]
    # A header without END runs on into pixels; one that was cut is text to the last byte.
    if rest.isascii() and len(rest) % BLOCK:
        raise Rejected(Reason.TRUNCATED, f"the file ends within a header, after {len(data)} bytes")
    raise Rejected(Reason.NO_END, "the header has no END card")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _type_name(bitpix: int) -> str:
    return f"float{-bitpix}" if bitpix < 0 else "uint8" if bitpix == 8 else f"int{bitpix}"
