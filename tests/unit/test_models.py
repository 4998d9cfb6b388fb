"""Networks: their size, their numbers, and what a whole model makes of odd pixels."""

import inspect

import keras
import numpy as np
import pytest

from lensrank.config.settings import Model
from lensrank.errors import ModelError
from lensrank.models import build, build_network, load, recipes
from lensrank.models.layers import Normalise, RisingDropout, SettlingBatchNormalization, centred_relu
from lensrank.normalise import Normalisation

CHALLENGE = Normalisation((4.337e-13,), (5.504e-12,))


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def test_lastro_has_the_weights_of_the_paper():
    network = build_network("lastro", Model(), (101, 101), 1)
    assert trainable(network) == 5_673_921
    pools = [layer for layer in network.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [pool.output.shape[1:] for pool in pools] == [(48, 48, 16), (22, 22, 32), (9, 9, 64)]
    (flatten,) = (layer for layer in network.layers if isinstance(layer, keras.layers.Flatten))
    assert flatten.input.shape[1:] == (5, 5, 128)


def test_lastro_starts_with_normal_weights_of_variance_one_over_fan_in():
    network = build_network("lastro", Model(), (101, 101), 1)
    for layer in network.layers:
        if layer.name.startswith(("conv", "dense")):
            kernel, bias = layer.get_weights()
            fan_in = np.prod(kernel.shape[:-1])
            assert kernel.std() * np.sqrt(fan_in) == pytest.approx(1, abs=4 / np.sqrt(2 * kernel.size) + 0.01)
            assert not bias.any()
            if kernel.size > 100_000:
                # A normal distribution that is not cut off reaches four standard deviations.
                assert np.abs(kernel).max() * np.sqrt(fan_in) > 4


def test_the_activation_keeps_mean_zero_and_variance_one():
    x = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    y = keras.ops.convert_to_numpy(centred_relu(x))
    assert y.mean() == pytest.approx(0, abs=0.005)
    assert y.std() == pytest.approx(1, abs=0.005)
    assert keras.ops.convert_to_numpy(centred_relu(np.float32(2.0))) == pytest.approx((2 - 0.39894) * 1.71286, rel=1e-5)


def test_lastro_says_that_images_are_too_small():
    assert build_network("lastro", Model(), (69, 80), 4).output_shape == (None, 1)
    with pytest.raises(ModelError, match=r"from 69 x 69 pixels, cutout.shape is 68 x 80"):
        build_network("lastro", Model(), (68, 80), 1)


def test_the_names_are_those_of_keras():
    functions = {
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value) and name[0].isupper()
    }
    assert set(recipes.APPLICATIONS) == functions
    assert {name.lower() for name in functions} | {"lastro", "tiny"} == set(recipes.NETWORKS)


def test_the_recipes_are_valid_settings():
    for recipe in recipes.RECIPES.values():
        Model.model_validate(recipe)


def test_efficientnetb0_is_cut_off_behind_its_own_preprocessing():
    network = build_network("efficientnetb0", Model(), (101, 101), 1)
    # Keras' own has 4,049,571 parameters without its top, 7 of them in the normalisation; the head has 1280 + 1.
    assert network.count_params() == 4_049_564 + 1_281
    kinds = {type(layer).__name__ for layer in network.get_layer("backbone").layers}
    assert not kinds & {"Rescaling", "Normalization"}


def test_efficientnetb0_takes_any_number_of_bands_and_resizes_inside():
    network = build_network("efficientnetb0", Model(), (32, 32), 4)
    assert network.get_layer("backbone").input_shape == (None, 32, 32, 4)
    network = build_network("efficientnetb0", Model(image_size=64), (40, 44), 3)
    assert network.input_shape == (None, 40, 44, 3)
    assert network.get_layer("backbone").input_shape == (None, 64, 64, 3)


def test_weights_come_from_a_local_file(tmp_path):
    backbone = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / "mobilenet_notop.weights.h5"
    backbone.save_weights(path)
    network = build_network("mobilenet", Model(weights=path), (32, 32), 4)
    assert network.get_layer("bands_to_three").count_params() == 4 * 3 + 3
    for ours, theirs in zip(network.get_layer("backbone").get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ModelError, match="not the weights of mobilenetv2"):
        build_network("mobilenetv2", Model(weights=path), (32, 32), 1)
    with pytest.raises(ModelError, match="there is no such file"):
        build_network("mobilenet", Model(weights=tmp_path / "none.h5"), (32, 32), 1)


def test_a_network_says_that_images_are_too_small_or_its_name_unknown():
    with pytest.raises(ModelError, match=r"network inceptionv3 cannot take images of 24 x 24 x 3.*image_size"):
        build_network("inceptionv3", Model(), (24, 24), 1)
    with pytest.raises(ModelError, match="'alexnet' is not registered"):
        build_network("alexnet", Model(), (24, 24), 1)


def normalised(pixels, masked=100.0):
    return keras.ops.convert_to_numpy(Normalise((1e-12, 2e-12), (5e-12, 4e-12), masked)(pixels))


def test_pixels_are_normalised_per_band_to_float32_precision():
    pixels = np.random.default_rng(0).normal(1e-12, 5e-12, (2, 5, 5, 2)).astype(np.float32)
    expected = (pixels.astype(float) - [1e-12, 2e-12]) / [5e-12, 4e-12]
    np.testing.assert_allclose(normalised(pixels), expected, rtol=3e-7, atol=3e-7)


def test_pixels_without_a_measurement_become_background():
    pixels = np.full((1, 2, 3, 2), 3e-12, np.float32)
    pixels[0, 0, :, 0] = [np.nan, np.inf, -np.inf]
    pixels[0, 1, 0, 0] = 100
    pixels[0, 1, 1, 0] = 1e30
    result = normalised(pixels)[..., 0]
    np.testing.assert_allclose(result, [[[0, 0, 0], [0, 1e4, 0.4]]], rtol=1e-6)
    assert normalised(pixels, masked=None)[0, 1, 0, 0] == 1e4


def test_odd_images_never_give_nan():
    model = build("tiny", Model(), (16, 16), 1, CHALLENGE, masked=100)
    images = np.zeros((5, 16, 16, 1), np.float32)
    images[1], images[2], images[3], images[4, ::2] = np.nan, 100, 1e30, -1e30
    scores = model.predict_on_batch(images)
    assert scores.shape == (5, 1)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


def test_normalisation_is_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build("tiny", Model(), (16, 16), 1, CHALLENGE)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("normalise").compute_dtype == "float32"
    assert model.get_layer("network").layers[1].compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_a_saved_model_loads_and_gives_the_same(tmp_path):
    model = build("tiny", Model(), (16, 16), 1, CHALLENGE, masked=100)
    images = np.random.default_rng(0).normal(0, 5e-12, (3, 16, 16, 1)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras", (16, 16, 1))
    np.testing.assert_array_equal(loaded.predict_on_batch(images), model.predict_on_batch(images))
    with pytest.raises(ModelError, match=r"is for images of 16 x 16 x 1 .*, but these are 16 x 16 x 4"):
        load(tmp_path / "model.keras", (16, 16, 4))


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none.keras: there is no such model file"):
        load(tmp_path / "none.keras")
    (tmp_path / "page.keras").write_text("<html>")
    with pytest.raises(ModelError, match=r"page.keras: not a .keras model that can be loaded"):
        load(tmp_path / "page.keras")
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match=r"other.keras: takes \(None, 4\) and gives \(None, 2\)"):
        load(tmp_path / "other.keras")


def test_code_in_a_model_file_is_not_run(tmp_path):
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.layers.Lambda(lambda x: x + 1)(inputs))
    keras.Model(inputs, keras.layers.Dense(1)(x)).save(tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match="lambda"):
        load(tmp_path / "lambda.keras")


def test_batch_normalisation_settles_and_is_the_same_in_training_and_inference():
    layer = SettlingBatchNormalization()
    random = np.random.default_rng(0)
    batches = [random.normal(3, 2, (8, 5, 5, 2)).astype(np.float32) for _ in range(3)]
    mean, variance = np.zeros(2), np.ones(2)
    for number, batch in enumerate(batches):
        given = np.asarray(keras.ops.convert_to_numpy(layer(batch, training=True)))
        share = 0.6 ** (number / 1000)
        mean += share * (batch.mean((0, 1, 2)) - mean)
        variance += share * (batch.var((0, 1, 2)) - variance)
        np.testing.assert_allclose(given, (batch - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-4)
    # The first batch counts wholly, later ones ever less: 20,000 batches on, nothing moves.
    layer.batches.assign(20_000)
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in layer.non_trainable_variables[:2]]
    layer(batches[0] + 100, training=True)
    after = [np.array(keras.ops.convert_to_numpy(weight)) for weight in layer.non_trainable_variables[:2]]
    np.testing.assert_allclose(after, before, rtol=1e-2)
    inference = keras.ops.convert_to_numpy(layer(batches[0], training=False))
    np.testing.assert_array_equal(inference, keras.ops.convert_to_numpy(layer(batches[0])))


def test_dropout_rises_from_nothing_to_its_rate():
    layer = RisingDropout(0.5, seed=1)
    ones = np.ones((100, 1000), np.float32)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(ones, training=True)), ones)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(ones, training=False)), ones)
    for batches, rate in ((2000, 0.25), (4000, 0.375), (100_000, 0.5)):
        layer.batches.assign(batches)
        given = keras.ops.convert_to_numpy(layer(ones, training=True))
        assert np.mean(given == 0) == pytest.approx(rate, abs=0.01)
        np.testing.assert_allclose(given[given > 0], 1 / (1 - rate), rtol=1e-5)
    assert layer.batches == 100_001
