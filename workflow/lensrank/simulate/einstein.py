"""Einstein areas of the simulated halos, distributed as in the challenge's truth table."""

import numpy as np

ARCSEC = np.pi / 180 / 3600
"""One arcsecond in radians."""

AREA_QUANTUM = 2.594273e-14
"""rad². The truth table counts an Einstein area in cells of 0.0332": all its small areas are whole multiples."""

QUANTILES = np.array(
    [
        [0.151, 0.169, 0.192, 0.219, 0.254, 0.302, 0.366, 0.447, 0.548, 0.677],
        [0.838, 1.077, 1.319, 1.597, 1.974, 2.461, 2.909, 3.445, 3.924, 4.546],
    ]
).ravel()
"""Arcseconds: Einstein radii at 0, 5, ..., 95 % of the 20,000 training images of the Strong Gravitational Lens Finding
Challenge 1.0, space-based set (Metcalf et al. 2019, A&A 625, A119; its classifications.csv). Lenses and non-lenses have
the same distribution."""

LARGEST = 5.05
"""Arcseconds: the largest Einstein radius of the same table."""


def draw_quanta(rng: np.random.Generator) -> int:
    """Draw an Einstein area, in whole multiples of `AREA_QUANTUM`.

    The multiple is also the halo's number. Small areas come up again and again, which gives about 10,500 distinct
    ones among 20,000 images, as in the truth table (10,542).
    """
    radii = np.append(QUANTILES, LARGEST)
    radius = np.interp(rng.random(), np.linspace(0, 1, len(radii)), radii)
    return round(np.pi * (radius * ARCSEC) ** 2 / AREA_QUANTUM)


def einstein_radius(quanta: int) -> float:
    """Radius in arcseconds of the circle that has so many quanta of area."""
    return float(np.sqrt(quanta * AREA_QUANTUM / np.pi) / ARCSEC)
