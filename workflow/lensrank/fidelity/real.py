"""What is known of the real images: the challenge's space-based training set (Metcalf et al. 2019, A&A 625, A119).

Figures of three kinds, so that a comparison needs no data: of the 20,000 rows of its truth table; of all pixels of its
20,000 images, as published; and of a few images only, which say little, as the intervals beside them show.
"""

from typing import NamedTuple

TABLE = "classifications.csv of the training set, 20,000 rows"
WINNER = "normalisation of the winning entry, 20,000 images (Schaefer et al. 2018, A&A 611, A2)"
SIXTEEN = "16 images of the training set"
FOUR = "4 images of the training set"

IMAGES = 20000
"""Images of the training set, and rows of its table."""

DECILES = tuple(range(10, 100, 10))

RADIUS = (0.1927, 0.2545, 0.3683, 0.5548, 0.8436, 1.3115, 1.9622, 2.9202, 3.9059)
"""Arcseconds: deciles of the Einstein radius of the 13,968 lenses (`TABLE`, as all below)."""

LENSED_PIXELS = (47.0, 83.0, 120.0, 167.0, 232.0, 329.0, 491.0, 736.0, 1192.0)
"""Deciles of the lensed pixels of the lenses."""

LENSED_FLUX = (122.3, 231.6, 373.0, 557.5, 822.4, 1217.3, 1849.8, 2907.2, 5611.1)
"""Sigma: deciles of the lensed flux of the lenses."""

CORRELATIONS = {
    ("radius", "lensed_pixels"): 0.439,
    ("radius", "lensed_flux"): 0.317,
    ("lensed_pixels", "lensed_flux"): 0.920,
}
"""Spearman's, over the lenses."""

RADIUS_BINS = (0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 4.0, 5.1)
"""Arcseconds: edges of the bins of the next three."""

BIN_LENSES = (1583, 1877, 1763, 1589, 1248, 1772, 1459, 1418, 1259)
PIXELS_BY_RADIUS = (113.0, 137.0, 182.0, 245.0, 297.5, 469.0, 616.0, 625.0, 647.0)
"""Median lensed pixels of the lenses in each bin."""

FLUX_BY_RADIUS = (402.7, 482.6, 589.8, 756.3, 931.6, 1446.8, 1669.2, 1724.8, 1845.5)
"""Sigma: median lensed flux of the lenses in each bin."""

WIDE_BINS = (0.15, 0.5, 2.0, 5.1)
"""Arcseconds: edges of the bins of the next three."""
WIDE_BIN_LENSES = (5223, 4609, 4136)
SPREAD = (10, 25, 75, 90)
"""Percentiles of the next two; the median is that of the narrow bins."""
PIXELS_SPREAD = ((46.0, 81.0, 223.0, 345.0), (49.0, 116.0, 601.0, 969.2), (49.0, 201.0, 1172.0, 1784.5))
FLUX_SPREAD = ((123.1, 229.6, 1012.1, 2179.9), (125.1, 341.4, 2484.4, 5454.5), (118.1, 514.6, 4192.8, 9002.6))
"""Lensed pixels, and sigma of lensed flux, of the lenses in each bin."""

INVISIBLE = 0.0256
"""Share of the lenses without a lensed pixel: 357 of 13,968."""

INVISIBLE_BINS = (0.15, 0.4, 3.0, 5.1)
INVISIBLE_LENSES = (4466, 6825, 2677)
INVISIBLE_BY_RADIUS = (0.0027, 0.0281, 0.0572)
"""Share of invisible lenses in each of these bins of the Einstein radius (arcseconds), and lenses in them."""

TWINS = 9.651
"""Other images of the same Einstein area that an image has among 20,000, in the mean."""

MEAN, DEVIATION = 4.337e-13, 5.504e-12
"""Of all pixels of the 20,000 images (`WINNER`)."""

PERCENTILES = {
    0.1: -2.32,
    1.0: -1.73,
    5.0: -1.20,
    25.0: -0.425,
    50.0: 0.128,
    75.0: 0.705,
    95.0: 1.83,
    99.0: 7.85,
    99.9: 22.5,
}
"""1e-12: percentiles of all pixels of `SIXTEEN` together, as all below."""

MEAN_16, DEVIATION_16 = 3.50e-13, 2.49e-12
NOISE = 7.75e-13
"""Standard deviation of the noise, median image; from 7.46e-13 to 8.46e-13."""
PEAK, PEAK_RANGE = 34.0, (15.0, 475.0)
"""Sigma: median, least and largest of the brightest pixels."""
CENTRAL_PEAKS = 9
"""Images whose brightest pixel is the middle one."""
TOTAL_AUROC = 0.61
"""AUROC of the total flux alone."""


class Sample(NamedTuple):
    """A real image as `measure.measure` sees it; a test compares these with the files where they are at hand.

    Attributes:
        id: of the training set.
        is_lens, radius: from the truth table, arcseconds.
        noise, autocorrelation, profile, companions, brightest, border: as in `measure.Measured`.
    """

    id: str
    is_lens: bool
    radius: float
    noise: float
    autocorrelation: tuple[float, float, float, float]
    profile: tuple[float, float, float, float, float, float]
    companions: int
    brightest: float
    border: float


SAMPLES = (
    Sample(
        "100003",
        True,
        4.416,
        8.437e-13,
        (-0.0042, 0.0294, 0.0389, -0.0123),
        (20.72, 8.84, 3.22, 1.37, 0.65, 0.31),
        22,
        109.6,
        15.5,
    ),
    Sample(
        "100004",
        False,
        0.546,
        7.841e-13,
        (0.0029, 0.0076, 0.0122, -0.0147),
        (30.63, 12.78, 3.79, 1.48, 0.36, 0.07),
        2,
        60.4,
        19.1,
    ),
    Sample(
        "100014",
        True,
        1.062,
        7.743e-13,
        (-0.0061, 0.0004, -0.0025, 0.0052),
        (9.35, 6.10, 2.64, 2.32, 0.90, 0.10),
        1,
        39.6,
        7.6,
    ),
    Sample(
        "100053",
        False,
        0.857,
        7.862e-13,
        (-0.0164, -0.0006, 0.0022, -0.0113),
        (32.31, 16.27, 5.03, 1.74, 0.50, 0.14),
        2,
        55.3,
        5.6,
    ),
)
"""`FOUR`."""
