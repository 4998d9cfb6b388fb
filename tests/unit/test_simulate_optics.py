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
from lensrank.simulate.scenes import HALOS, draw_galaxy, draw_halo, draw_kind, draw_source, see_halo

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
    deflector, _ = see_halo(draw_halo(1, quanta), np.random.default_rng(quanta))
    step = 0.02
    axis = np.arange(-9, 9, step)
    radius = np.sqrt(quanta * 2.594273e-14 / np.pi) / ARCSEC
    if radius < 0.5:
        axis, step = axis / 20, step / 20
    x, y = np.meshgrid(axis, axis)
    back_x, back_y = deflector.source_position(x, y)
    (xy, xx), (yy, yx) = np.gradient(back_x, step), np.gradient(back_y, step)
    # Inside the tangential critical curve the map is turned over; near the singular middle it is so as well.
    inside = xx * yy - xy * yx < 0
    for member_x, member_y, _ in deflector.members:
        assert np.hypot(member_x, member_y) > 0.5
    area = np.count_nonzero(inside) * (step * ARCSEC) ** 2
    assert area == pytest.approx(quanta * 2.594273e-14, rel=0.03)


def test_sources_lie_within_three_caustics() -> None:
    deflector = Deflector(1.0, 0.7, 0.0, 0.05, 0.0)
    middle_x, middle_y, reach = deflector.caustic_radius()
    sources = [draw_source(np.random.default_rng(i), deflector, 24.4, 28.0)[0] for i in range(300)]
    distance = np.array([np.hypot(source.x - middle_x, source.y - middle_y) for source in sources]) / reach
    assert distance.max() < 3
    # Uniform over a disc: a quarter of them lie within half of its radius.
    assert np.mean(distance < 1.5) == pytest.approx(0.25, abs=0.08)


def test_the_middle_of_a_lens_shows_no_image_of_the_source() -> None:
    deflector = Deflector(1.0, axis_ratio=0.8, angle=0.4, shear=0.02, shear_angle=1.0)
    source = [Galaxy(0.0, 0.0, (Component(1.0, 0.03, 0.5, 1.0, 0.0),))]  # lensed into a ring of radius 1″
    image = CAMERA.lensed(source, CAMERA.trace(deflector), "EUC_VIS")
    assert image[30, 30] < 1e-6 * image.max()
    assert image.sum() > 5


def bulges_and_discs(n: int = 400) -> tuple[list[Component], list[Component], np.ndarray]:
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.03, 1.0, n)
    galaxies = [draw_galaxy(rng, 0.0, 0.0, draw_kind(rng, 23.0, float(share))) for share in shares]
    return [galaxy.components[0] for galaxy in galaxies], [galaxy.components[1] for galaxy in galaxies], shares


def test_bulges_are_those_of_the_paper() -> None:
    bulges, discs, shares = bulges_and_discs()
    # Metcalf et al. 2019, section 3: log n = 0.4 log B/T + 0.1 x with x in [-1, 1]; axis ratios of 0.5 to 1.
    scatter = np.log10([bulge.index for bulge in bulges]) - 0.4 * np.log10(shares)
    assert np.abs(scatter).max() <= 0.1 + 1e-9
    assert scatter.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.1)
    ratios = [bulge.axis_ratio for bulge in bulges]
    assert 0.5 <= min(ratios) < 0.53
    assert 0.97 < max(ratios) <= 1
    # And 1 + sum of a_n cos(n theta + phi_n) for n = 1 to 6, with a_n within 0.002.
    assert all([wave[0] for wave in bulge.waves] == [1, 2, 3, 4, 5, 6] for bulge in bulges)
    amplitudes = np.array([[wave[1] for wave in bulge.waves] for bulge in bulges])
    assert 0.0019 < np.abs(amplitudes).max() <= 0.002
    assert np.array([bulge.flux for bulge in bulges]) == pytest.approx(shares * 10 ** (-0.4 * 23.0))
    assert all(disc.index == 1 for disc in discs)


def test_discs_are_inclined_up_to_80_degrees_and_keep_their_length() -> None:
    _, discs, _ = bulges_and_discs()
    ratios = np.array([disc.axis_ratio for disc in discs])
    assert np.hypot(np.cos(np.deg2rad(80)), 0.15) <= ratios.min() < 0.3
    length = np.array([disc.radius for disc in discs]) / np.sqrt(ratios)
    assert np.median(length[ratios < 0.4]) == pytest.approx(np.median(length[ratios > 0.8]), rel=0.12)


def test_arms_are_logarithmic_spirals() -> None:
    _, discs, _ = bulges_and_discs(20)
    for disc in discs:
        ((arms, _, phase, winding),) = disc.waves
        assert 10 <= np.rad2deg(np.arctan(1 / abs(winding))) <= 30  # the pitch angle
        round_disc = Component(1.0, 1.0, 1.0, 1.0, 0.0, waves=((arms, 0.4, phase, winding),))
        plain = Component(1.0, 1.0, 1.0, 1.0, 0.0)
        azimuth = np.linspace(0, 2 * np.pi, 720, endpoint=False)
        phases = []
        for radius in (1.0, 1.5):
            x, y = radius * np.cos(azimuth), radius * np.sin(azimuth)
            ratio = surface_brightness(round_disc, x, y) / surface_brightness(plain, x, y) - 1
            wave = np.fft.rfft(ratio)
            assert np.argmax(np.abs(wave[1:])) + 1 == arms
            phases.append(np.angle(wave[arms]))
        turned = (phases[1] - phases[0] + arms * winding * np.log(1.5)) % (2 * np.pi)
        assert min(turned, 2 * np.pi - turned) < 1e-6


def test_sources_are_clumpy_and_groups_have_members_with_masses() -> None:
    rng = np.random.default_rng(4)
    deflector = Deflector(1.0, 0.8, 0.0, 0.02, 0.0)
    for _ in range(50):
        disc, *clumps = draw_source(rng, deflector, 24.5, 28.0)
        light = sum(part.flux for clump in clumps for part in clump.components)
        assert 0.15 <= light / (light + disc.components[0].flux) <= 0.55
        assert len(clumps) >= 3
    for quanta in (200, 3000, 40000, 90000):
        radius = np.sqrt(quanta * 2.594273e-14 / np.pi) / ARCSEC
        deflector, galaxies = see_halo(draw_halo(1, quanta), rng)
        assert bool(deflector.members) == (radius > 2.0)
        if radius > 2:
            assert [member[:2] for member in deflector.members] == [(g.x, g.y) for g in galaxies[1:]]


def test_no_image_has_the_random_stream_of_a_halo() -> None:
    # A survey's images are numbered as halos are; both streams begin with the seed and that number.
    streams = [np.random.SeedSequence([7, 300], spawn_key=(key,)).generate_state(4).tolist() for key in range(4)]
    assert np.random.SeedSequence([7, 300], spawn_key=HALOS).generate_state(4).tolist() not in streams
