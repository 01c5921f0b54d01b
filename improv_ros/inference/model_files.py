"""The files of a model: `.tflite` for LiteRT, `.keras` for TensorFlow, `.json` about both."""

from collections.abc import Callable, Mapping
import json
from pathlib import Path
from typing import Any

from improv_ros.inference.errors import ModelError
from improv_ros.inference.litert import litert_module

MODELS = Path(__file__).resolve().parent.parent / 'models'
RUNTIMES = ('auto', 'litert', 'tensorflow')


def choose_file(path: str | Path, shipped: Path, runtime: str) -> Path:
    """Return which file of a model is to be run.

    path: either file of a pair; '' is `shipped`. With the runtime 'litert' the `.tflite` is
    run, with 'tensorflow' the `.keras` beside it; 'auto' is LiteRT where it is installed and
    the file is there, else TensorFlow.

    Raises ModelError for a file that is missing and for a runtime that does not exist.
    """
    if runtime not in RUNTIMES:
        raise ModelError(f'runtime {runtime!r} is none of {", ".join(RUNTIMES)}')
    path = Path(path) if str(path) else shipped
    if path.suffix not in ('.tflite', '.keras'):
        raise ModelError(f'{path} is no model: give a .tflite or a .keras file')
    litert, keras = path.with_suffix('.tflite'), path.with_suffix('.keras')
    if not litert.is_file() and not keras.is_file():
        raise ModelError(
            f'there is no model file {path}: name another, or none to take the shipped one'
        )
    if runtime == 'auto':
        runtime = 'litert' if litert.is_file() and litert_module() else 'tensorflow'
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
    """Return what the JSON beside a model says.

    key: under which it tells its version, which must be ours, `version`. largest: the whole
    numbers from 1 that it must give, each with the largest allowed: beyond, a description is a
    mistake that would eat the memory. check: raises ValueError, KeyError or TypeError for what
    else is wrong with it.

    Raises ModelError for a description that is missing, damaged or of another version.
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
