# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Conversion of a Keras network to a LiteRT file."""

from collections.abc import Callable
import tempfile
from typing import Any


def convert(
    network: Any,
    functions: dict[str, Callable[..., Any]],
    int8: bool = False,
    float16: bool = False,
) -> bytes:
    """Return a LiteRT file with one signature per function of a network.

    functions: name of the signature to `tf.function`. int8: store and multiply the large weights
    in 8 bits (dynamic-range quantisation); float16: store them in 16 bits and compute in 32.
    """
    import tensorflow as tf

    module = tf.Module()
    module.functions = list(functions.values())
    module.weights = [variable.value for variable in network.variables]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if int8 or float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if float16:
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()
