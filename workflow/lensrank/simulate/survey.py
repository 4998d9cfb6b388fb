"""Image i of seed s, and a whole survey by many processes. Takes settings; gives FITS files and a truth table."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Annotated

import numpy as np
from pydantic import Field

from lensrank.config.settings import Simulate
from lensrank.errors import ConfigError
from lensrank.progress import progress
from lensrank.simulate.einstein import ARCSEC
from lensrank.simulate.layout import LAYOUTS, Truth, new_folder, write_image, write_truth
from lensrank.simulate.noise import draw_noise
from lensrank.simulate.parts import gather
from lensrank.simulate.render import WAVELENGTHS, Camera
from lensrank.simulate.scenes import Scene, draw_scene, draw_source

IMAGES_PER_TASK = 20

SOURCE_DRAWS = 20
"""Sources drawn in search of one with a pixel above the noise. Where noise drowns them all, the last one stays."""

SKY = 1.75e-3
"""Radians: half the side of the field that the challenge's positions lie in."""

INVISIBLE_EDGES = (0.4, 3.0)
INVISIBLE_WEIGHTS = (0.1, 1.12, 2.1)
"""How the share of invisible lenses depends on the Einstein radius (arcseconds): weights below, between and above the
edges, over the share of all. In the challenge's classifications.csv 0.27, 2.8 and 5.7 % are invisible, of all 2.56 %.
"""

PROCESS_ENVIRONMENT = {
    # One thread per process: the processes are the parallelism.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # glibc reads these once, when a program starts: keep freed memory, because giving it back to the system after every
    # temporary array, and faulting it in again, costs more time than the arithmetic.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


class SurveySettings(Simulate):
    """A survey, and what one image of it looks like."""

    shape: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        (101, 101), description="Height and width in pixels."
    )
    bands: tuple[str, ...] = Field(("EUC_VIS",), min_length=1, description="The first is the truth table's.")


@dataclass(frozen=True)
class Observation:
    """One image with what made it.

    Attributes:
        scene: everything on the sky.
        is_lens: whether the source is there.
        ra, dec: position, radians.
        foreground: (band, height, width) float32, noise-free, without the source.
        lensed: (band, height, width) float32, noise-free image of the lensed source; zero for a non-lens.
        noise: (band, height, width) float32.
    """

    scene: Scene
    is_lens: bool
    ra: float
    dec: float
    foreground: np.ndarray
    lensed: np.ndarray
    noise: np.ndarray

    @cached_property
    def pixels(self) -> np.ndarray:
        """(band, height, width) float32: what the detector gives."""
        return self.foreground + self.lensed + self.noise


def observe(settings: SurveySettings, index: int, is_lens: bool | None = None) -> Observation:
    """Make image `index` of the settings' seeds; it depends on nothing else, not on how many there are.

    Args:
        settings: the survey.
        index: number of the image, from 0.
        is_lens: overrules the draw, to compare a scene with and without its source.
    """
    labels, scenes, sources, noises = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence([settings.seed, index]).spawn(4)
    )
    drawn = bool(labels.random() < settings.lens_fraction)
    is_lens = drawn if is_lens is None else is_lens
    camera = _camera(settings.shape, settings.pixel_scale, settings.psf_fwhm)
    ra, dec = scenes.uniform(-SKY, SKY, 2)
    halo_seed = settings.seed if settings.halo_seed is None else settings.halo_seed
    scene = draw_scene(halo_seed, scenes, max(settings.shape) * settings.pixel_scale / 2)
    foreground = np.stack([camera.galaxies(scene.galaxies, band) for band in settings.bands]) * _unit(settings)
    lensed = _lensed(settings, camera, scene, sources) if is_lens else np.zeros_like(foreground)
    noise = draw_noise(noises, foreground.shape, settings.noise, settings.noise_correlation)
    return Observation(scene, is_lens, float(ra), float(dec), foreground, lensed, noise)


def _lensed(settings: SurveySettings, camera: Camera, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Image a source: too faint to be seen in the configured share of cases, else one that can be seen."""
    invisible, faintness = rng.random() < _invisible(settings.invisible_fraction, scene), rng.uniform(0.1, 0.9)
    back = camera.trace(scene.deflector)
    for _ in range(SOURCE_DRAWS):
        source = draw_source(rng, scene.deflector, settings.source_magnitude, settings.faintest_source)
        first, *others = (camera.lensed(source, back, band) * _unit(settings) for band in settings.bands)
        if first.max() > settings.noise:
            break
    lensed = np.stack([first, *others])
    if invisible and first.any():
        lensed *= np.float32(faintness * settings.noise / first.max())
    return lensed


def _unit(settings: SurveySettings) -> np.float32:
    """Flux in the unit of the survey's pixels of a source of magnitude 0, which has flux 1 in the scenes."""
    return np.float32(10 ** (0.4 * settings.zero_point))


def _invisible(share: float, scene: Scene) -> float:
    """Share of invisible lenses among those of a scene's Einstein radius, of a share among all."""
    radius = np.sqrt(scene.einstein_area / np.pi) / ARCSEC
    weight = INVISIBLE_WEIGHTS[np.searchsorted(INVISIBLE_EDGES, radius)]
    # From the weight for few to 1 for all; the mean over all radii stays within a tenth of the share.
    return share * (weight + (1 - weight) * share)


@lru_cache(maxsize=4)
def _camera(shape: tuple[int, int], pixel_scale: float, psf_fwhm: float) -> Camera:
    return Camera(shape, pixel_scale, psf_fwhm)


def truth(settings: SurveySettings, index: int, seen: Observation) -> Truth:
    """Row of the truth table, from the noise-free image of the source in the first band."""
    significance = seen.lensed[0].astype(np.float64) / settings.noise
    bright = significance > 1
    return Truth(
        id=settings.first_id + index,
        is_lens=seen.is_lens,
        einstein_area=seen.scene.einstein_area,
        lensed_pixels=int(bright.sum()),
        lensed_flux=float(significance[bright].sum()),
    )


def simulate(settings: SurveySettings, folder: Path, processes: int, images: range | None = None) -> None:
    """Make a survey, or a part of it; `folder` appears when it is complete.

    Args:
        settings: the survey.
        folder: to make.
        processes: to use.
        images: numbers of the images to make; None: all.

    Raises:
        ConfigError: a band's wavelength is not known, or `folder` is there already.
    """
    unknown = [band for band in settings.bands if band not in WAVELENGTHS]
    if unknown:
        raise ConfigError(f"bands: {', '.join(unknown)} cannot be simulated; known are {', '.join(WAVELENGTHS)}.")
    images = range(settings.n) if images is None else images
    tasks = [images[start : start + IMAGES_PER_TASK] for start in range(0, len(images), IMAGES_PER_TASK)]
    with new_folder(folder) as temporary, progress(len(images), f"simulate {folder.name}") as advance:
        LAYOUTS[settings.layout].make_folders(temporary, settings.bands)
        rows: list[Truth] = []
        for done in _in_processes(settings, temporary, tasks, min(processes, len(tasks))):
            rows += done
            advance(len(done))
        write_truth(temporary, settings.layout, sorted(rows))


def put_together(settings: SurveySettings, parts: Sequence[Path], folder: Path) -> None:
    """Make a survey of parts that `simulate` made; the files are linked, not copied.

    Raises:
        ConfigError: the parts are not all of the survey, or `folder` is there already.
    """
    with new_folder(folder) as temporary:
        gather(parts, settings.n, LAYOUTS[settings.layout].table, temporary)


def _in_processes(
    settings: SurveySettings, folder: Path, tasks: Sequence[range], processes: int
) -> Iterator[list[Truth]]:
    context = get_context("spawn")
    with (
        _environment(PROCESS_ENVIRONMENT),
        ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool,
    ):
        pending = [pool.submit(make_images, settings, folder, indices) for indices in tasks]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: it would wait for its next task for ever."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def make_images(settings: SurveySettings, folder: Path, indices: range) -> list[Truth]:
    """Write the files of some images and return their rows of the truth table."""
    rows = []
    for index in indices:
        seen = observe(settings, index)
        for number, band in enumerate(settings.bands):
            path = folder / LAYOUTS[settings.layout].image_path(index, settings.first_id + index, number + 1, band)
            write_image(path, seen.pixels[number], settings.pixel_scale, seen.ra, seen.dec)
        rows.append(truth(settings, index, seen))
    return rows


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
