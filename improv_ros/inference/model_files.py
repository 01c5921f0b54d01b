# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The files of a model: `.tflite` for LiteRT, `.keras` for TensorFlow, `.json` describes both."""

from collections.abc import Callable, Mapping
import json
from pathlib import Path
from typing import Any

from improv_ros.inference.keras_files import tensorflow_is_installed
from improv_ros.inference.litert import litert_module
from improv_ros.inference.model_error import ModelError

MODELS = Path(__file__).resolve().parent.parent / 'models'
RUNTIMES = ('auto', 'litert', 'tensorflow')


def choose_file(path: str | Path, shipped: Path, runtime: str) -> Path:
    """Return the file of a model that a runtime runs.

    path: the `.tflite` or the `.keras` file; '' means `shipped`. runtime: 'litert' runs the
    `.tflite` file, 'tensorflow' the `.keras` file beside it; 'auto' is 'litert' if LiteRT is
    installed and the file exists, otherwise 'tensorflow'.

    Raises ModelError if the file is missing or the runtime unknown.
    """
    if runtime not in RUNTIMES:
        raise ModelError(
            f'the runtime {runtime!r} is unknown; choose one of {", ".join(RUNTIMES)}'
        )
    path = Path(path) if str(path) else shipped
    if path.suffix not in ('.tflite', '.keras'):
        raise ModelError(f'{path} is not a model: give a .tflite or a .keras file')
    litert, keras = path.with_suffix('.tflite'), path.with_suffix('.keras')
    if not litert.is_file() and not keras.is_file():
        raise ModelError(
            f'there is no model file {path}: give another, or none for the shipped one'
        )
    if runtime == 'auto':
        # Without either runtime, the error message asks to install LiteRT.
        use_litert = litert_module() or not tensorflow_is_installed()
        runtime = 'litert' if litert.is_file() and use_litert else 'tensorflow'
    chosen = litert if runtime == 'litert' else keras
    if not chosen.is_file():
        raise ModelError(f'there is no model file {chosen}, which the runtime {runtime} needs')
    return chosen


def read_description(
    path: Path,
    key: str,
    version: str,
    largest: Mapping[str, int],
    check: Callable[[dict[str, Any]], None] = lambda about: None,
) -> dict[str, Any]:
    """Return the description of a model, the JSON file beside it.

    key, version: the entry that gives the version of the model, and the value that it must have.
    largest: the positive integers that it must have, each with its largest allowed value, which
    bounds the memory of the network. check: raises ValueError, KeyError or TypeError for any
    other error.

    Raises ModelError if the description is missing, damaged or of another version.
    """
    beside = path.with_suffix('.json')
    try:
        about: dict[str, Any] = json.loads(beside.read_text(encoding='utf-8'))
        theirs = about[key]
        for name, most in largest.items():
            if type(about[name]) is not int or not 1 <= about[name] <= most:
                raise ValueError(f'{name} must be a whole number from 1 to {most}')
        check(about)
    except FileNotFoundError:
        raise ModelError(f'{path} needs its description {beside.name} beside it') from None
    except KeyError as error:
        raise ModelError(
            f'the description {beside} is damaged or of another kind of model: it has no {error}'
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f'the description {beside} is damaged: {error!r}') from None
    if theirs != version:
        raise ModelError(
            f'{path} has the {key} {theirs!r} and this version of improv_ros {version!r}: '
            'take a model made for it, or train one with `improv train`'
        )
    return about
