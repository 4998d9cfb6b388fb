"""Galaxies: what they look like before the atmosphere, the telescope and the detector."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc

EXPONENTIAL = 1.678347
"""Half-light radius of an exponential disc in scale lengths."""


@dataclass(frozen=True)
class Component:
    """An elliptical Sérsic profile with azimuthal structure that leaves its flux unchanged.

    Attributes:
        flux: total, in the unit of the pixels.
        radius: half-light radius along the geometric mean of the axes, arcseconds.
        index: Sérsic's n.
        axis_ratio: minor over major axis.
        angle: of the major axis, radians from x to y.
        waves: (m, amplitude, phase, winding) for each term m: relative modulation by a cosine of m times the
            azimuth; `winding` turns it with the logarithm of the radius, which makes spiral arms.
        slope: s of the spectrum f_nu ~ wavelength^s.
    """

    flux: float
    radius: float
    index: float
    axis_ratio: float
    angle: float
    waves: tuple[tuple[int, float, float, float], ...] = ()
    slope: float = 1.0


@dataclass(frozen=True)
class Galaxy:
    """Components around one centre; `x`, `y` in arcseconds from the middle of the image."""

    x: float
    y: float
    components: tuple[Component, ...]


def sersic_b(index: float) -> float:
    """b of I = I_e exp(-b ((R/R_e)^(1/n) - 1)); Ciotti & Bertin 1999, A&A 352, 447, equation 18.

    Good to 1e-4 for n of 0.36 and more (MacArthur et al. 2003, ApJ 582, 689, figure 22).
    """
    n = index
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3)


def core_flux(component: Component, softening: float) -> float:
    """Flux within the elliptical radius `softening` (arcseconds): what `surface_brightness` leaves out.

    Softening maps R to sqrt(R² + s²), and the integral of I(sqrt(R² + s²)) R dR from 0 is that of I(u) u du from s.
    """
    x = sersic_b(component.index) * (softening / component.radius) ** (1 / component.index)
    return component.flux * float(gammainc(2 * component.index, x))


def surface_brightness(component: Component, x: np.ndarray, y: np.ndarray, softening: float = 0.0) -> np.ndarray:
    """Flux per square arcsecond.

    Args:
        component: the profile.
        x, y: arrays of one shape that broadcast together: arcseconds from the galaxy's centre.
        softening: arcseconds; the cusp is rounded off within it. Its flux is `core_flux`.

    Returns:
        Array of the broadcast shape.
    """
    n, q = component.index, component.axis_ratio
    b = sersic_b(n)
    # Plain floats keep float32 arrays what they are; numpy's own scalars would widen them.
    cos, sin, stretch = math.cos(component.angle), math.sin(component.angle), math.sqrt(q)
    major = (x * cos + y * sin) * stretch
    minor = (y * cos - x * sin) / stretch
    square = (major**2 + minor**2 + softening**2) / component.radius**2
    peak = component.flux * b ** (2 * n) / (2 * math.pi * n * component.radius**2 * math.gamma(2 * n))
    light = peak * np.exp(-b * square ** (0.5 / n))
    if component.waves:
        light *= _modulation(component.waves, major, minor, square)
    return light


def _modulation(
    waves: tuple[tuple[int, float, float, float], ...], major: np.ndarray, minor: np.ndarray, square: np.ndarray
) -> np.ndarray:
    azimuth = np.arctan2(minor, major)
    log_radius = np.log(np.maximum(square, 1e-6)) / 2
    total = sum(
        amplitude * np.cos(m * (azimuth - winding * log_radius if winding else azimuth) + phase)
        for m, amplitude, phase, winding in waves
    )
    # Structure fades towards the centre, where an azimuth means nothing.
    return 1 + total * square / (square + 0.1)
