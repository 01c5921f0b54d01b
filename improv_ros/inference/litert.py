# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Running `.tflite` files with LiteRT, from either of its packages."""

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from improv_ros.inference.model_error import ModelError

_MODULES = ('ai_edge_litert.interpreter', 'tflite_runtime.interpreter')


def litert_module() -> str:
    """Return the module of the LiteRT interpreter, or '' if none is installed."""
    for name in _MODULES:
        if find_spec(name.partition('.')[0]):
            return name
    return ''


def litert_functions(path: Path, names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Return the signatures of these names in a `.tflite` file, as functions that use one core.

    Each takes named arrays and returns named arrays. Raises ModelError if the file is damaged,
    lacks a signature, or LiteRT is not installed.
    """
    module = litert_module()
    if not module:
        raise ModelError('LiteRT is not installed: pip install ai-edge-litert')
    try:
        interpreter = import_module(module).Interpreter(model_path=str(path), num_threads=1)
        return {name: interpreter.get_signature_runner(name) for name in names}
    except (ValueError, RuntimeError) as error:
        raise ModelError(f'the model file {path} is damaged or not a model: {error}') from error
