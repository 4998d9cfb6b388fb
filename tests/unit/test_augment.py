"""Random changes of training images against scipy and against hand-made expectations."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from lensrank.augment import Augment, interpolate
from lensrank.config.settings import Augmentation

NOTHING = {"flip": False, "symmetries": False, "rotation_degrees": 0, "zoom": None}


def augmented(images, seed=0, **settings):
    layer = Augment(Augmentation(**(NOTHING | settings)), seed)
    return keras.ops.convert_to_numpy(layer(images, training=True))


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(64, 9, 9, 2)).astype(np.float32)


def which(image, candidates):
    return [number for number, candidate in enumerate(candidates) if np.array_equal(image, candidate)]


def test_outside_training_images_stay_as_they_are(noise):
    layer = Augment(Augmentation(brightness=(0.5, 2), offset=(-1, 1)))
    np.testing.assert_array_equal(layer(noise, training=False), noise)
    np.testing.assert_array_equal(layer(noise), noise)


def test_the_symmetries_of_the_square_are_exact_and_all_occur(noise):
    seen = set()
    for before, after in zip(noise, augmented(noise, symmetries=True), strict=True):
        turned = [np.rot90(before, k) for k in range(4)]
        (found,) = which(after, [*turned, *(image[:, ::-1] for image in turned)])
        seen.add(found)
    assert seen == set(range(8))


def test_flips_are_exact_and_all_occur(noise):
    seen = set()
    for before, after in zip(noise, augmented(noise, flip=True), strict=True):
        (found,) = which(after, [before, before[:, ::-1], before[::-1], before[::-1, ::-1]])
        seen.add(found)
    assert seen == set(range(4))


def test_a_frame_that_is_not_square_is_never_transposed(noise):
    oblong = noise[:, :5]
    for before, after in zip(oblong, augmented(oblong, symmetries=True), strict=True):
        assert which(after, [before, before[:, ::-1], before[::-1], before[::-1, ::-1]])


def test_interpolation_is_that_of_scipy_inside_and_beyond_the_frame(noise):
    random = np.random.default_rng(1)
    images = noise[:3, :7]
    x, y = random.uniform(-4, 13, (2, 3, 7, 9)).astype(np.float32)
    ours = keras.ops.convert_to_numpy(interpolate(images, x, y))
    for image, columns, rows, result in zip(images, x, y, ours, strict=True):
        for band in range(2):
            expected = ndimage.map_coordinates(image[..., band], [rows, columns], order=1, mode="grid-constant")
            np.testing.assert_allclose(result[..., band], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("zoom", [0.6, 1.4])
def test_zoom_magnifies_about_the_centre(noise, zoom):
    ours = augmented(noise[:2], zoom=(zoom, zoom))
    shift = 4 - 4 / zoom
    for before, after in zip(noise[:2], ours, strict=True):
        expected = ndimage.affine_transform(
            before, [1 / zoom, 1 / zoom, 1], offset=[shift, shift, 0], order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-5)


def blob(angle, size=41, radius=12):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.exp(-((x - radius * np.cos(angle)) ** 2 + (y - radius * np.sin(angle)) ** 2) / 8).astype(np.float32)


def position(image):
    y, x = np.mgrid[: len(image), : len(image)] - (len(image) - 1) / 2
    return np.sum(x * image) / image.sum(), np.sum(y * image) / image.sum()


def test_rotation_turns_about_the_centre_within_its_range():
    images = np.repeat(blob(0.0)[None, ..., None], 64, axis=0)
    x, y = np.array([position(image[..., 0]) for image in augmented(images, rotation_degrees=30)]).T
    np.testing.assert_allclose(np.hypot(x, y), 12, atol=0.02)
    angles = np.degrees(np.arctan2(y, x))
    assert np.abs(angles).max() <= 30.01
    assert angles.min() < -20
    assert angles.max() > 20


def test_flip_rotation_and_zoom_in_one_keep_mirror_images():
    # A left-handed pair of blobs becomes right-handed in about half of the images, and is magnified.
    pair = blob(0.0) + 0.5 * blob(0.5)
    images = np.repeat(pair[None, ..., None], 64, axis=0)
    turned = augmented(images, flip=True, rotation_degrees=180, zoom=(0.8, 0.8))
    handed = []
    for image in turned[..., 0]:
        top = np.array(np.unravel_index(image.argmax(), image.shape)) - 20
        y, x = np.mgrid[:41, :41] - 20
        handed.append(np.sign(np.sum(image * (top[1] * y - top[0] * x))))
        assert np.hypot(*top) == pytest.approx(0.8 * 12, abs=1.0)
    assert 16 < np.sum(np.array(handed) > 0) < 48


def test_brightness_and_offset_are_one_number_per_image(noise):
    bright = augmented(noise, brightness=(0.8, 1.2)) / noise
    assert np.ptp(bright, axis=(1, 2, 3)).max() < 1e-4
    factors = bright[:, 0, 0, 0]
    assert 0.8 <= factors.min() < 0.85
    assert 1.15 < factors.max() <= 1.2
    shifted = augmented(noise, offset=(-0.1, 0.1)) - noise
    assert np.ptp(shifted, axis=(1, 2, 3)).max() < 1e-5
    assert -0.1 <= shifted.min() < -0.07
    assert 0.07 < shifted.max() <= 0.1 + 1e-6


def test_a_seed_decides_what_is_drawn(noise):
    every = {"flip": True, "rotation_degrees": 90, "zoom": (0.6, 1.4), "brightness": (0.8, 1.2)}
    np.testing.assert_array_equal(augmented(noise, 5, **every), augmented(noise, 5, **every))
    assert not np.array_equal(augmented(noise, 5, **every), augmented(noise, 6, **every))
