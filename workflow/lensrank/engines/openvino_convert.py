"""Conversion of a trained Keras model for OpenVINO, as a program: TensorFlow and its memory end with the process.

    KERAS_BACKEND=tensorflow python -m lensrank.engines.openvino_convert model.keras converted.xml ...

writes converted.xml and converted.bin, for each pair of names. Weights stay in float32.
"""

import argparse
import gc
from pathlib import Path
from typing import Any

import numpy as np

from lensrank.cli import run
from lensrank.engines.openvino_engine import import_openvino
from lensrank.files import writing


def convert(model_path: Path, output: Path) -> None:
    """Convert a model.

    Args:
        model_path: a whole model, `.keras`.
        output: the `.xml` to write; the weights go to a `.bin` beside it.

    Raises:
        ModelError: the model cannot be loaded.
        Refused: there is no room for the network.
    """
    openvino = import_openvino()
    import tensorflow
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from lensrank.engines.keras_engine import in_float32
    from lensrank.models import load

    model = in_float32(load(model_path))
    spec = tensorflow.TensorSpec((None, *model.input_shape[1:]), tensorflow.float32, name="pixels")
    function = tensorflow.function(lambda pixels: model(pixels, training=False), input_signature=[spec])
    # Frozen first: otherwise each activation with a gradient of its own becomes an output of the converted network.
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    graph = output.with_suffix(".pb")
    with writing(graph):
        graph.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    network = openvino.Core().read_model(graph)
    replace_is_finite(network)
    # Weights last, and under their name when they are whole: they tell that a network is done.
    weights = output.with_suffix(".bin.tmp")
    with writing(weights):
        # Is there room? OpenVINO would not say that this was what it lacked.
        weights.write_bytes(bytes(graph.stat().st_size))
    openvino.serialize(network, output, weights)
    weights.rename(output.with_suffix(".bin"))


def replace_is_finite(network: Any) -> None:
    """Put |x| <= largest float32 for each IsFinite: OpenVINO's own takes denormal numbers for infinite on CPUs.

    (Seen in 2026.4 with AVX-512.) The comparison is exact for all float32, NaN included.

    Args:
        network: an OpenVINO model, changed in place.
    """
    import_openvino()
    from openvino import opset15 as opset

    largest = opset.constant(np.finfo(np.float32).max, dtype=np.float32)
    for node in network.get_ops():
        if node.get_type_name() == "IsFinite":
            finite = opset.less_equal(opset.absolute(node.input_value(0)), largest)
            node.output(0).replace(finite.output(0))


def _forget() -> None:
    """Give back what can be given back of what a model took: Keras keeps all graphs."""
    import keras

    keras.backend.clear_session()
    gc.collect()


def main() -> None:
    """Parse the command line and convert."""
    parser = argparse.ArgumentParser(description="Convert trained models for OpenVINO.")
    parser.add_argument("names", type=Path, nargs="+", metavar="MODEL OUTPUT", help="pairs: model.keras converted.xml")
    names = parser.parse_args().names
    for model, output in zip(names[::2], names[1::2], strict=True):
        convert(model, output)
        _forget()


if __name__ == "__main__":
    run(main)
