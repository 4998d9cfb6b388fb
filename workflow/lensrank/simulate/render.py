"""The camera: scenes to noise-free images, with the point spread function and the pixels' extent integrated exactly."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import erf, gammainccinv

from lensrank.simulate.lens import Deflector
from lensrank.simulate.light import Component, Galaxy, core_flux, sersic_b, surface_brightness

SUBPIXELS = 3
CORE_CELLS, CORE_POINTS = 4, 5
"""Cells to each side of a galaxy's centre where its light is sampled finer, and points along a side of such a cell."""

OFF_CENTRE = 1e-3
"""Cells by which rays pass the middle of a cell: in that of the image the deflection of a halo has no direction, so
that none is given, and the cell would show the source as if there were no lens."""

MARGIN_SIGMAS = 3
"""Standard deviations of the point spread function beyond the frame from where it carries light in."""

BEYOND = 1e-4
"""Share of a profile's light that is cut off."""

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))

REFERENCE_WAVELENGTH = 0.715
WAVELENGTHS = {
    "EUC_VIS": 0.715,
    "EUC_Y": 1.081,
    "EUC_J": 1.367,
    "EUC_H": 1.772,
    "SDSS_U": 0.3551,
    "SDSS_G": 0.4686,
    "SDSS_R": 0.6166,
    "SDSS_I": 0.7480,
    "SDSS_Z": 0.8932,
}
"""Effective wavelengths, micrometres (Euclid: Cropper et al. 2016, SPIE 9904, and Schirmer et al. 2022, A&A 662, A92;
SDSS: Fukugita et al. 1996, AJ 111, 1748). Magnitudes of scenes are those of the first."""


class Camera:
    """Makes noise-free images; build it once and use it for many scenes.

    Args:
        shape: (height, width) in pixels; the scene's origin lies in the middle of pixel [height // 2, width // 2].
        pixel_scale: arcseconds.
        psf_fwhm: arcseconds, of a Gaussian.
    """

    def __init__(self, shape: tuple[int, int], pixel_scale: float, psf_fwhm: float) -> None:
        self.shape = shape
        self.scale = pixel_scale
        self.cell = pixel_scale / SUBPIXELS
        self.sigma = psf_fwhm / FWHM_PER_SIGMA
        self.margin = math.ceil(MARGIN_SIGMAS * self.sigma / pixel_scale)
        self._y, self._x = (self._axis(size) for size in shape)
        self._grid = np.meshgrid(self._x, self._y)
        self._blur_y, self._blur_x = (
            self._spread(axis, size).astype(np.float32) for axis, size in zip((self._y, self._x), shape, strict=True)
        )

    def _axis(self, size: int) -> np.ndarray:
        """Arcseconds of the middles of the cells along one axis, margin included."""
        count = (size + 2 * self.margin) * SUBPIXELS
        first = (-(size // 2) - self.margin - 0.5) * self.scale + self.cell / 2
        return first + self.cell * np.arange(count)

    def _spread(self, points: np.ndarray | float, size: int) -> np.ndarray:
        """(size, points): share of the light at each point (arcseconds) that falls into each pixel's extent."""
        edges = (np.arange(size + 1) - size // 2 - 0.5) * self.scale
        below = 0.5 * (1 + erf((edges[:, None] - np.atleast_1d(points)) / (np.sqrt(2) * self.sigma)))
        return np.diff(below, axis=0)

    def galaxies(self, galaxies: Sequence[Galaxy], band: str) -> np.ndarray:
        """Image of unlensed galaxies.

        Returns:
            (height, width) float32, in the unit of their fluxes.
        """
        light = np.zeros(self._grid[0].shape, dtype=np.float32)
        points = np.zeros(self.shape)
        for galaxy in galaxies:
            rows, columns = self._stamp(galaxy)
            x = (self._x[columns] - galaxy.x).astype(np.float32)[None, :]
            y = (self._y[rows] - galaxy.y).astype(np.float32)[:, None]
            core, fine_x, fine_y = self._core(galaxy)
            for part in galaxy.components:
                gain = band_gain(part, band) * self.cell**2
                middle = light[core].copy()
                light[rows, columns] += gain * surface_brightness(part, x, y)
                light[core] = middle + gain * _cell_means(
                    surface_brightness(part, fine_x, fine_y, self.cell / CORE_POINTS)
                )
                points += (
                    band_gain(part, band) * core_flux(part, self.cell / CORE_POINTS) * self._point(galaxy.x, galaxy.y)
                )
        return (self._expose(light) + points).astype(np.float32)

    def trace(self, deflector: Deflector) -> tuple[np.ndarray, np.ndarray]:
        """Source positions x and y, arcseconds, of the middles of all cells."""
        return deflector.source_position(*(axis + OFF_CENTRE * self.cell for axis in self._grid))

    def lensed(self, source: Sequence[Galaxy], positions: tuple[np.ndarray, np.ndarray], band: str) -> np.ndarray:
        """Image of the lensed source alone.

        Args:
            source: galaxies in the source plane.
            positions: what `trace` gives for the deflector.
            band: name of the band.

        Returns:
            (height, width) float32, in the unit of the source's fluxes.
        """
        back_x, back_y = positions
        light = np.zeros(back_x.shape, dtype=np.float32)
        for galaxy in source:
            x, y = back_x - galaxy.x, back_y - galaxy.y
            near = x**2 + y**2 < max(reach(part) for part in galaxy.components) ** 2
            for part in galaxy.components:
                brightness = surface_brightness(part, x[near], y[near])
                light[near] += (brightness * (band_gain(part, band) * self.cell**2)).astype(np.float32)
        return self._expose(light)

    def _expose(self, light: np.ndarray) -> np.ndarray:
        return self._blur_y @ light @ self._blur_x.T

    def _point(self, x: float, y: float) -> np.ndarray:
        return self._spread(y, self.shape[0]) * self._spread(x, self.shape[1]).T

    def _core(self, galaxy: Galaxy) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """The cells around a galaxy's centre, and the x and y of many points in each of them."""
        offsets = (np.arange(CORE_POINTS) + 0.5) / CORE_POINTS - 0.5
        slices, points = [], []
        for axis, middle in ((self._y, galaxy.y), (self._x, galaxy.x)):
            nearest = round((middle - axis[0]) / self.cell)
            cells = slice(*np.clip((nearest - CORE_CELLS, nearest + CORE_CELLS + 1), 0, len(axis)))
            slices.append(cells)
            points.append(((axis[cells, None] + self.cell * offsets) - middle).ravel().astype(np.float32))
        return (slices[0], slices[1]), points[1][None, :], points[0][:, None]

    def _stamp(self, galaxy: Galaxy) -> tuple[slice, slice]:
        half = max(reach(part) for part in galaxy.components)
        rows = np.searchsorted(self._y, (galaxy.y - half, galaxy.y + half))
        columns = np.searchsorted(self._x, (galaxy.x - half, galaxy.x + half))
        return slice(*rows), slice(*columns)


def _cell_means(points: np.ndarray) -> np.ndarray:
    rows, columns = (size // CORE_POINTS for size in points.shape)
    return points.reshape(rows, CORE_POINTS, columns, CORE_POINTS).mean(axis=(1, 3))


def band_gain(component: Component, band: str) -> float:
    """Flux of a component in a band over that in the reference band."""
    return float((WAVELENGTHS[band] / REFERENCE_WAVELENGTH) ** component.slope)


def reach(component: Component) -> float:
    """Arcseconds along the major axis beyond which `BEYOND` of the component's light lies."""
    index = component.index
    factor = (gammainccinv(2 * index, BEYOND) / sersic_b(index)) ** index
    return float(factor * component.radius / np.sqrt(component.axis_ratio))
