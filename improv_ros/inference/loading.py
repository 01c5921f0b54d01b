# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Loading a network, of either kind and for either runtime, from a file that may be malicious."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
import contextlib
from pathlib import Path
from typing import Any, TypeVar

from improv_ros.inference.litert import litert_functions
from improv_ros.inference.model_error import ModelError
from improv_ros.inference.model_files import choose_file
from improv_ros.inference.sandbox import check_in_sandbox
from improv_ros.process.native_stderr import native_stderr_discarded

Functions = dict[str, Callable[..., Any]]
_Loaded = TypeVar('_Loaded')


def load_checked(
    load_here: Callable[[Path], _Loaded], path: str | Path, shipped: Path, runtime: str
) -> _Loaded:
    """Return what `load_here` makes of the file of a model; path, shipped, runtime: `choose_file`.

    A `.tflite` file that is not the shipped one is first loaded by another process, with the
    function `load_here` of the same module. Raises ModelError.
    """
    chosen = choose_file(path, shipped, runtime)
    if chosen.suffix == '.tflite' and chosen != shipped:
        check_in_sandbox(chosen, load_here.__module__)
    return load_here(chosen)


def load_functions(
    path: Path, names: Iterable[str], load_keras: Callable[[Path], Functions]
) -> Functions:
    """Return the functions of these names in a `.tflite` file, or what `load_keras` returns."""
    return litert_functions(path, names) if path.suffix == '.tflite' else load_keras(path)


@contextlib.contextmanager
def first_calls(path: Path) -> Iterator[None]:
    """Call each function of a model once in this context: the first call compiles it.

    An error of these calls, as of arrays of a wrong size, becomes a ModelError. What LiteRT
    reports on stderr is discarded.
    """
    with contextlib.ExitStack() as context:
        if path.suffix == '.tflite':
            context.enter_context(native_stderr_discarded())
        try:
            yield
        except (RuntimeError, TypeError, ValueError, LookupError) as error:
            raise ModelError(
                f'the model file {path} does not fit its description: {error}'
            ) from error
