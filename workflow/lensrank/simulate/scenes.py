"""Random scenes: a halo seen again and again, the galaxies around it, and the source behind it."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lensrank.simulate.einstein import AREA_QUANTUM, draw_quanta, einstein_radius
from lensrank.simulate.lens import Deflector
from lensrank.simulate.light import EXPONENTIAL, Component, Galaxy

HALOS = (9,)
"""Key of the halos' random streams, of which no image's stream is one (`survey.observe` spawns four)."""

GROUP_SCALE = 2.0
"""Arcseconds: halos of larger Einstein radius are groups."""

LARGEST_SHEAR = 0.25

BRIGHTEST_MEMBER = 23.3
"""Magnitude of the brightest members of halos whose central galaxy is not fainter than that."""

MEMBER_MASS = 0.01
"""Einstein radius of the brightest members of a group, in that of the group."""

PERTURBATION = 0.002
"""Greatest amplitude of a bulge's azimuthal perturbations, of orders 1 to 6 (Metcalf et al. 2019, section 3)."""

RED, YELLOW, BLUE = 2.0, 1.0, 0.2
"""s of f_nu ~ wavelength^s for bulges, discs and lensed sources."""

SMALLEST_CLUMP = 0.03
"""Arcseconds: half-light radius that the camera's cells of a third of a pixel still resolve without a lens."""

SCATTER, FAINT_SCATTER = 0.96, 1.08
"""Magnitudes, of the sources that are brighter and fainter than the median: numbers grow towards the faint end, and as
many lenses as in the challenge's truth table have but a few lensed pixels."""

BEHIND_GROUPS = 0.15
"""Magnitudes by which sources behind the largest halos are fainter, so that lensed flux grows with the Einstein radius
no faster than in the challenge's truth table."""

BRIGHT_SOURCES, BRIGHTEST_SOURCE = 0.16, 19.5
"""Share of the sources that are brighter than the others, by 1.4 magnitudes in the mean; magnitude of the brightest."""

NEAR_CAUSTIC = 3.0
"""Sources lie within so many times the caustic's furthest radius (Metcalf et al. 2019, section 3)."""


class Kind(NamedTuple):
    """What the halos' catalogue says of a galaxy; everything else is drawn anew in each image of its halo.

    Metcalf et al. 2019, section 3: total magnitude, bulge-to-disc ratio, scale of the disc, effective radius of the
    bulge; orientation, arms, Sérsic index and perturbations are "reassigned with every realization of the lens".

    Attributes:
        magnitude: total, in the reference band.
        bulge_to_total: the bulge's share of the flux.
        disc: half-light radius of the disc, seen from above, arcseconds.
        bulge: half-light radius of the bulge, arcseconds.
    """

    magnitude: float
    bulge_to_total: float
    disc: float
    bulge: float


@dataclass(frozen=True)
class Halo:
    """A group or a single galaxy, as the halos' catalogue knows it.

    Attributes:
        quanta: its number, which is its Einstein area in multiples of `AREA_QUANTUM`.
        central: the galaxy in the middle.
        members: the others.
    """

    quanta: int
    central: Kind
    members: tuple[Kind, ...]


@dataclass(frozen=True)
class Scene:
    """All that is on the sky in one image but the lensed source.

    Attributes:
        einstein_area: of the halo, as its catalogue has it, rad².
        deflector: masses.
        galaxies: everything that is not lensed.
    """

    einstein_area: float
    deflector: Deflector
    galaxies: tuple[Galaxy, ...]


def flux(magnitude: float) -> float:
    """Flux in the unit of the challenge's pixels: 10^(-0.4 magnitude)."""
    return float(10 ** (-0.4 * magnitude))


def draw_scene(halo_seed: int, rng: np.random.Generator, half_width: float) -> Scene:
    """Draw a scene: one of the halos that the seed stands for, among other galaxies.

    Args:
        halo_seed: of the halos.
        rng: the image's own.
        half_width: arcseconds from the middle to the far edge of the image.
    """
    halo = draw_halo(halo_seed, draw_quanta(rng))
    deflector, galaxies = see_halo(halo, rng)
    field = tuple(draw_field_galaxy(rng, half_width) for _ in range(rng.poisson(2.7)))
    return Scene(halo.quanta * AREA_QUANTUM, deflector, galaxies + field)


def see_halo(halo: Halo, rng: np.random.Generator) -> tuple[Deflector, tuple[Galaxy, ...]]:
    """See a halo from a new side.

    The challenge turned its halos in three dimensions, which shows the galaxies in other places and under other angles
    each time, and drew anew what its catalogue does not say (Metcalf et al. 2019, section 3). Here all of it is drawn.

    Returns:
        Masses, and the galaxies from the central one on.
    """
    radius = einstein_radius(halo.quanta)
    central = draw_galaxy(rng, 0.0, 0.0, halo.central)
    members = tuple(draw_galaxy(rng, *_place(rng), kind) for kind in halo.members)
    masses: tuple[tuple[float, float, float], ...] = ()
    if radius > GROUP_SCALE:
        brightest = max(halo.central.magnitude, BRIGHTEST_MEMBER)
        masses = tuple(
            (galaxy.x, galaxy.y, float(MEMBER_MASS * radius * 10 ** (-0.2 * (kind.magnitude - brightest))))
            for galaxy, kind in zip(members, halo.members, strict=True)
        )
    return _draw_deflector(rng, radius, central.components[0], masses), (central, *members)


def draw_halo(seed: int, quanta: int) -> Halo:
    """Draw a halo; the same for the same seed and number.

    Args:
        seed: of the halos.
        quanta: the halo's number: its Einstein area in multiples of `AREA_QUANTUM`.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, quanta], spawn_key=HALOS))
    radius = einstein_radius(quanta)
    # Median, scatter and bright tail give peaks, mean and standard deviation of the challenge's pixels.
    magnitude = float(np.clip(rng.normal(23.3, 0.6) - rng.exponential(0.74), 18.5, 24.7))
    central = draw_kind(rng, magnitude, rng.beta(1.3, 2.0))
    count = rng.integers(2, 7) if radius > GROUP_SCALE else rng.poisson(0.3 + 0.25 * radius)
    members = [
        draw_kind(rng, max(magnitude, BRIGHTEST_MEMBER) + rng.exponential(1.0), rng.uniform(0.3, 1.0), compact=0.5)
        for _ in range(count)
    ]
    return Halo(quanta, central, tuple(members))


def _place(rng: np.random.Generator) -> tuple[float, float]:
    """Where a member of a halo is seen, arcseconds from the middle."""
    distance, azimuth = rng.uniform(1.0, 5.5), rng.uniform(0, 2 * np.pi)
    return float(distance * np.cos(azimuth)), float(distance * np.sin(azimuth))


def _draw_deflector(
    rng: np.random.Generator, radius: float, bulge: Component, masses: tuple[tuple[float, float, float], ...]
) -> Deflector:
    """Draw a deflector of a given Einstein radius, as elongated as makes arcs and rings as common as the challenge's.

    The median of the lensed pixels against the Einstein radius tells how far from the caustic sources lie.
    """
    # The dark halo of a group is rounder, as seen from its middle, than its brightest galaxy.
    elongation = 1.2 / (1 + (radius / 1.55) ** 2)
    deflector = Deflector(
        radius,
        axis_ratio=float(np.clip(1 - elongation * (1 - bulge.axis_ratio) + rng.normal(0, 0.03), 0.5, 0.98)),
        angle=bulge.angle + rng.normal(0, 0.15),
        shear=float(min(rng.exponential(0.038 / (1 + (radius / 4.8) ** 4) + 0.03 * elongation), LARGEST_SHEAR)),
        shear_angle=rng.uniform(0, np.pi),
        members=masses,
    )
    return _fit_area(deflector, radius)


def _fit_area(deflector: Deflector, radius: float) -> Deflector:
    """Scale the ellipsoid until the area within the critical curve, members and shear included, is the halo's."""
    for _ in range(4):
        scale = radius / deflector.critical_radius()
        deflector = replace(deflector, einstein_radius=deflector.einstein_radius * scale)
    return deflector


def draw_kind(rng: np.random.Generator, magnitude: float, bulge_to_total: float, compact: float = 1.0) -> Kind:
    """Draw the sizes of a galaxy.

    Args:
        rng: source of the draw.
        magnitude: total, in the reference band.
        bulge_to_total: the bulge's share of the flux.
        compact: factor on the sizes.
    """
    size = compact * 0.77 * 10 ** (-0.05 * (max(magnitude, 21.5) - 22)) * 10 ** rng.normal(0, 0.12)
    bulge = 0.32 * size * 10 ** rng.normal(0, 0.12) * (0.5 + bulge_to_total)
    return Kind(magnitude, float(bulge_to_total), float(size * EXPONENTIAL * 0.91), float(bulge))


def draw_galaxy(rng: np.random.Generator, x: float, y: float, kind: Kind) -> Galaxy:
    """Draw a bulge and a disc of a kind.

    Bulges: n from the bulge's share and small azimuthal perturbations; discs: exponential, inclined by up to 80
    degrees, with logarithmic spiral arms (Metcalf et al. 2019, section 3).

    Args:
        rng: source of the draw.
        x, y: centre, arcseconds.
        kind: what stays the same from image to image.
    """
    total, angle, share = flux(kind.magnitude), rng.uniform(0, np.pi), kind.bulge_to_total
    bulge = Component(
        total * share,
        radius=kind.bulge,
        index=float(10 ** (0.4 * np.log10(max(share, 0.03)) + 0.1 * rng.uniform(-1, 1))),
        axis_ratio=rng.uniform(0.5, 1.0),
        angle=angle,
        waves=tuple((m, rng.uniform(0, PERTURBATION), rng.uniform(0, 2 * np.pi), 0.0) for m in range(1, 7)),
        slope=RED,
    )
    inclination = rng.uniform(np.cos(np.deg2rad(80)), 1.0)
    winding = float(rng.choice([-1, 1]) / np.tan(np.deg2rad(rng.uniform(10, 30))))
    arms = int(rng.choice([2, 2, 3, 4]))
    axis_ratio = float(np.hypot(inclination, 0.15)) if inclination < 0.98 else 1.0
    disc = Component(
        total * (1 - share),
        # An inclined disc is as long as one that is seen from above.
        radius=kind.disc * float(np.sqrt(axis_ratio)),
        index=1.0,
        axis_ratio=axis_ratio,
        angle=angle,
        waves=((arms, rng.uniform(0, 0.5), rng.uniform(0, 2 * np.pi), winding),),
        slope=YELLOW,
    )
    return Galaxy(x, y, (bulge, disc))


def draw_field_galaxy(rng: np.random.Generator, half_width: float) -> Galaxy:
    """Draw a galaxy in front or behind: numbers grow as 10^(0.35 magnitude) from 20 to 27, anywhere."""
    magnitude = max(27 + float(np.log10(rng.random())) / 0.35, 20.0)
    reach = half_width + 0.5
    x, y = rng.uniform(-reach, reach), rng.uniform(-reach, reach)
    return draw_galaxy(rng, x, y, draw_kind(rng, magnitude, rng.beta(0.8, 1.2), compact=0.47))


def draw_source(
    rng: np.random.Generator, deflector: Deflector, magnitude: float, faintest: float
) -> tuple[Galaxy, ...]:
    """Draw an irregular galaxy: a disc and clumps of star formation, near the caustic, in the source plane.

    The scatter of the magnitudes and its bright tail give the lensed fluxes of the challenge's truth table.

    Args:
        rng: source of the draw.
        deflector: what the source lies behind.
        magnitude: median of the sources that are not of the bright tail, before lensing.
        faintest: magnitude of the faintest sources.
    """
    middle_x, middle_y, reach = deflector.caustic_radius()
    distance, azimuth = NEAR_CAUSTIC * reach * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    x, y = middle_x + distance * np.cos(azimuth), middle_y + distance * np.sin(azimuth)
    magnitude += BEHIND_GROUPS / (1 + (GROUP_SCALE / deflector.einstein_radius) ** 4)
    offset = rng.normal()
    magnitude += offset * (FAINT_SCATTER if offset > 0 else SCATTER)
    magnitude -= rng.exponential(1.4) if rng.random() < BRIGHT_SOURCES else 0
    magnitude = float(np.clip(magnitude, BRIGHTEST_SOURCE, faintest))
    total = flux(magnitude)
    size = 0.31 * 10 ** (-0.12 * (max(magnitude, 23.0) - 24.5)) * 10 ** rng.normal(0, 0.19)
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.35, 1.0)
    share = rng.uniform(0.15, 0.55)
    disc = Component(total * (1 - share), size, 1.0, ratio, angle, slope=BLUE)
    count = int(rng.integers(3, 9))
    shares = share * rng.dirichlet(np.full(count, 1.2))
    along, across = rng.normal(0, 0.7 * size, (2, count))
    across = across * ratio
    clumps = [
        Galaxy(
            x + a * np.cos(angle) - b * np.sin(angle),
            y + a * np.sin(angle) + b * np.cos(angle),
            (Component(total * part, max(size * rng.uniform(0.12, 0.4), SMALLEST_CLUMP), 0.5, 1.0, 0.0, slope=BLUE),),
        )
        for a, b, part in zip(along, across, shares, strict=True)
    ]
    return (Galaxy(x, y, (disc,)), *clumps)
