"""Deflectors: an isothermal ellipsoid with shear and group members. Gives source positions and caustics."""

from dataclasses import dataclass, replace

import numpy as np
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.Util.param_util import phi_q2_ellipticity

ANGLES = 48
"""Directions in which the critical curve is looked for."""

RADII = np.geomspace(0.4, 2.2, 96)
"""Radii, in Einstein radii of the ellipsoid, between which it is looked for."""


@dataclass(frozen=True)
class Deflector:
    """Masses of a halo; positions and radii in arcseconds, angles in radians from x to y.

    Attributes:
        einstein_radius: of the ellipsoid alone.
        axis_ratio, angle: of the ellipsoid, which lies at the origin.
        shear, shear_angle: external shear.
        members: (x, y, Einstein radius) of each group member, a singular isothermal sphere.
    """

    einstein_radius: float
    axis_ratio: float
    angle: float
    shear: float
    shear_angle: float
    members: tuple[tuple[float, float, float], ...] = ()

    def _model(self) -> tuple[LensModel, list[dict[str, float]]]:
        e1, e2 = phi_q2_ellipticity(self.angle, self.axis_ratio)
        keywords = [
            {"theta_E": self.einstein_radius, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0},
            {
                "gamma1": self.shear * np.cos(2 * self.shear_angle),
                "gamma2": self.shear * np.sin(2 * self.shear_angle),
            },
        ]
        keywords += [{"theta_E": radius, "center_x": x, "center_y": y} for x, y, radius in self.members]
        return LensModel(["SIE", "SHEAR"] + ["SIS"] * len(self.members)), keywords

    def source_position(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Trace rays back: image positions to source positions, arcseconds, arrays of one shape."""
        model, keywords = self._model()
        shape = np.shape(x)
        back_x, back_y = model.ray_shooting(np.ravel(x), np.ravel(y), keywords)
        return back_x.reshape(shape), back_y.reshape(shape)

    def critical_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """The outermost tangential critical curve around the origin.

        Returns:
            (angles,) azimuths in radians and (angles,) radii in arcseconds.
        """
        model, keywords = self._model()
        azimuth = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
        radius = RADII[:, None] * self.einstein_radius
        x, y = radius * np.cos(azimuth), radius * np.sin(azimuth)
        xx, xy, yx, yy = (part.reshape(x.shape) for part in model.hessian(x.ravel(), y.ravel(), keywords))
        determinant = (1 - xx) * (1 - yy) - xy * yx
        inside = determinant < 0
        last = len(RADII) - 1 - np.argmax(inside[::-1], axis=0)
        last = np.minimum(last, len(RADII) - 2)
        column = np.arange(ANGLES)
        low, high = determinant[last, column], determinant[last + 1, column]
        share = np.clip(low / (low - high), 0, 1)
        return azimuth, (radius[last, 0] * (1 - share) + radius[last + 1, 0] * share)

    def critical_radius(self) -> float:
        """Radius in arcseconds of the circle that has the area within the critical curve."""
        _, radius = self.critical_curve()
        return float(np.sqrt(np.mean(radius**2)))

    def caustic_radius(self) -> tuple[float, float, float]:
        """Middle (x, y) of the tangential caustic and its furthest distance from there, arcseconds.

        Group members are left out: the small caustics of their own would throw sources far from where arcs are made.
        """
        azimuth, radius = replace(self, members=()).critical_curve()
        x, y = self.source_position(radius * np.cos(azimuth), radius * np.sin(azimuth))
        middle_x, middle_y = float(x.mean()), float(y.mean())
        return middle_x, middle_y, float(np.hypot(x - middle_x, y - middle_y).max())
