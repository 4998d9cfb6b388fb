"""Lenses and the camera, against closed forms and against lenstronomy's own imaging."""

import numpy as np
import pytest
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.param_util import phi_q2_ellipticity

from lensrank.simulate.lens import Deflector
from lensrank.simulate.light import Component, Galaxy, surface_brightness
from lensrank.simulate.render import Camera
from lensrank.simulate.scenes import draw_halo, draw_source

SCALE, FWHM = 0.1, 0.18
SIGMA = FWHM / 2.3548
ARCSEC = np.pi / 648000
CAMERA = Camera((61, 61), SCALE, FWHM)


def sersic(component: Component, x: float, y: float) -> dict[str, float]:
    """Keywords of lenstronomy for the same profile, whose amplitude is the brightness at the half-light radius."""
    e1, e2 = phi_q2_ellipticity(component.angle, component.axis_ratio)
    circle = Component(component.flux, component.radius, component.index, 1.0, 0.0)
    amplitude = float(surface_brightness(circle, np.array(component.radius), np.array(0.0)))
    shape = {"R_sersic": component.radius, "n_sersic": component.index, "e1": e1, "e2": e2}
    return {"amp": amplitude, "center_x": x, "center_y": y, **shape}


def lenstronomy_image(light: dict[str, float], lens: list[dict[str, float]], fine: int) -> np.ndarray:
    """(61, 61) image of a Sérsic galaxy, behind an SIE with shear where `lens` has keywords for them."""
    data = ImageData(
        image_data=np.zeros((61, 61)), ra_at_xy_0=-3.0, dec_at_xy_0=-3.0, transform_pix2angle=SCALE * np.eye(2)
    )
    model = ImageModel(
        data,
        PSF("GAUSSIAN", fwhm=FWHM, pixel_size=SCALE, truncation=6),
        LensModel(["SIE", "SHEAR"] if lens else []),
        LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": fine, "supersampling_convolution": True},
    )
    return model.image(lens, [light])


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_flux_of_a_profile_is_what_it_says(index: float) -> None:
    radius = np.geomspace(1e-7, 1e3, 20001)
    component = Component(5.0, 0.4, index, 1.0, 0.0)
    light = surface_brightness(component, radius, np.zeros_like(radius)) * 2 * np.pi * radius
    assert np.trapezoid(light, radius) == pytest.approx(5.0, rel=2e-3)
    inner = radius <= 0.4
    assert np.trapezoid(light[inner], radius[inner]) == pytest.approx(2.5, rel=5e-3)


def test_azimuthal_structure_leaves_the_flux_alone() -> None:
    y, x = np.mgrid[-8:8:801j, -8:8:801j]
    waves = ((2, 0.4, 1.0, 3.0), (3, 0.1, 0.3, 0.0))
    light = surface_brightness(Component(1.0, 0.8, 1.0, 0.6, 0.5, waves), x, y)
    plain = surface_brightness(Component(1.0, 0.8, 1.0, 0.6, 0.5), x, y)
    assert light.sum() == pytest.approx(plain.sum(), rel=1e-3)
    assert np.abs(light / plain - 1).max() > 0.4


@pytest.mark.parametrize(("index", "radius"), [(0.5, 0.15), (1.0, 0.3), (4.0, 0.5)])
def test_a_galaxy_is_imaged_as_by_lenstronomy_with_many_subpixels(index: float, radius: float) -> None:
    component, x, y = Component(1.0, radius, index, 0.7, 0.6), 0.031, -0.047
    ours = CAMERA.galaxies([Galaxy(x, y, (component,))], "EUC_VIS")
    theirs = lenstronomy_image(sersic(component, x, y), [], fine=15)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.015 * theirs.max())


def test_a_gaussian_galaxy_has_the_peak_of_the_closed_form() -> None:
    # n = 0.5 is a Gaussian, half of whose light lies within 1.1774 standard deviations.
    component = Component(1.0, 0.15, 0.5, 1.0, 0.0)
    variance = (0.15 / 1.17741) ** 2 + SIGMA**2
    # Mean over a pixel: the Gaussian's integral over +-0.05 arcsec in each direction.
    step = np.linspace(-0.05, 0.05, 201)
    expected = np.trapezoid(np.exp(-(step**2) / (2 * variance)), step) ** 2 / (2 * np.pi * variance)
    ours = CAMERA.galaxies([Galaxy(0.0, 0.0, (component,))], "EUC_VIS")
    assert ours[30, 30] == ours.max() == pytest.approx(expected, rel=0.003)
    assert ours.sum() == pytest.approx(1.0, rel=0.003)


def test_a_cusp_does_not_know_where_the_sampling_points_are() -> None:
    component = Component(1.0, 0.5, 4.0, 1.0, 0.0)
    centred, beside = (
        CAMERA.galaxies([Galaxy(x, 0.0, (component,))], "EUC_VIS")[30, 30] for x in (0.0, SCALE / 15 * 0.5)
    )
    assert beside == pytest.approx(centred, rel=0.01)


def test_a_galaxy_outside_the_frame_does_no_harm() -> None:
    image = CAMERA.galaxies([Galaxy(40.0, -3.0, (Component(1.0, 0.2, 1.0, 1.0, 0.0),))], "EUC_VIS")
    assert not image.any()


def test_a_source_is_lensed_as_by_lenstronomy() -> None:
    deflector = Deflector(1.2, 0.7, 0.5, 0.05, 1.1)
    source = Component(1.0, 0.2, 1.0, 0.6, 0.9)
    ours = CAMERA.lensed([Galaxy(0.12, 0.05, (source,))], CAMERA.trace(deflector), "EUC_VIS")
    e1, e2 = phi_q2_ellipticity(0.5, 0.7)
    lens = [
        {"theta_E": 1.2, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0},
        {"gamma1": 0.05 * np.cos(2.2), "gamma2": 0.05 * np.sin(2.2)},
    ]
    theirs = lenstronomy_image(sersic(source, 0.12, 0.05), lens, fine=9)
    assert ours.sum() > 3
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.015 * theirs.max())


@pytest.mark.parametrize(("ratio", "shear"), [(1.0, 0.0), (0.6, 0.0), (0.999, 0.1)])
def test_critical_area_is_that_of_the_closed_form(ratio: float, shear: float) -> None:
    # SIE: an ellipse of area pi theta_E^2. SIS with shear: r = theta_E (1 + g cos 2phi) / (1 - g^2), so that the
    # area is pi theta_E^2 (1 + g^2 / 2) / (1 - g^2)^2.
    expected = 0.8 * np.sqrt((1 + shear**2 / 2) / (1 - shear**2) ** 2)
    assert Deflector(0.8, ratio, 0.3, shear, 0.2).critical_radius() == pytest.approx(expected, rel=1e-3)


def test_caustic_of_an_isothermal_sphere_with_shear() -> None:
    # Its cusps lie at 2 theta_E g / (1 + g) and 2 theta_E g / (1 - g) from the middle.
    x, y, reach = Deflector(1.0, 0.9999, 0.0, 0.1, 0.0).caustic_radius()
    assert (x, y) == pytest.approx((0, 0), abs=1e-3)
    assert reach == pytest.approx(2 * 0.1 / (1 - 0.1), rel=0.02)


@pytest.mark.parametrize("quanta", [70, 3000, 12000, 28000])
def test_einstein_area_is_that_within_the_critical_curve(quanta: int) -> None:
    halo = draw_halo(1, quanta)
    step = 0.02
    axis = np.arange(-9, 9, step)
    radius = np.sqrt(quanta * 2.594273e-14 / np.pi) / ARCSEC
    if radius < 0.5:
        axis, step = axis / 20, step / 20
    x, y = np.meshgrid(axis, axis)
    back_x, back_y = halo.deflector.source_position(x, y)
    (xy, xx), (yy, yx) = np.gradient(back_x, step), np.gradient(back_y, step)
    # Inside the tangential critical curve the map is turned over; near the singular middle it is so as well.
    inside = xx * yy - xy * yx < 0
    for member_x, member_y, _ in halo.deflector.members:
        assert np.hypot(member_x, member_y) > 0.5
    area = np.count_nonzero(inside) * (step * ARCSEC) ** 2
    assert area == pytest.approx(halo.einstein_area, rel=0.03)
    assert halo.einstein_area == pytest.approx(quanta * 2.594273e-14, rel=0.05)


def test_sources_lie_within_three_caustics() -> None:
    deflector = Deflector(1.0, 0.7, 0.0, 0.05, 0.0)
    middle_x, middle_y, reach = deflector.caustic_radius()
    sources = [draw_source(np.random.default_rng(i), deflector, 24.4, 28.0)[0] for i in range(300)]
    distance = np.array([np.hypot(source.x - middle_x, source.y - middle_y) for source in sources]) / reach
    assert distance.max() < 3
    # Uniform over a disc: a quarter of them lie within half of its radius.
    assert np.mean(distance < 1.5) == pytest.approx(0.25, abs=0.08)
