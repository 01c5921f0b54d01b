"""`improv export`: make the file that LiteRT plays out of a trained network."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
import json
from pathlib import Path
import sys

from improv_ros.inference.errors import ModelError

Describe = Callable[[Path], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('model', help='a .keras file of an improviser or a transcriber')
    parser.add_argument('--out', help='a .tflite file; default: beside the model')
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        '--int8',
        action='store_true',
        help='weights in 8 bits, a quarter of the size (dynamic-range quantisation)',
    )
    size.add_argument(
        '--float16',
        action='store_true',
        help="an improviser's weights rounded to 16 bits, half the size, in a .keras file, too",
    )
    parser.add_argument(
        '--delay',
        type=int,
        help="hops that a transcriber waits before it says what it heard, one of the network's",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export; return the exit code."""
    if not (find_spec('keras') and find_spec('tensorflow')):
        print("exporting needs TensorFlow: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from .whole_file import write_whole

    model = Path(arguments.model)
    ending = '-int8.tflite' if arguments.int8 else '.tflite'
    out = Path(arguments.out) if arguments.out else model.with_name(model.stem + ending)
    try:
        if out.suffix != '.tflite':
            raise ValueError(f'{out} does not end in .tflite')
        make = _transcriber if _is_transcriber(model) else _improviser
        data, describe = make(model, arguments)
        write_whole(out, lambda file: file.write(data))
        describe(out)
    except (ModelError, OSError, ValueError) as error:
        print(f'improv export: {error}', file=sys.stderr)
        return 1
    print(f'{out}: {len(data) / 1e6:.1f} MB')
    return 0


def _is_transcriber(model: Path) -> bool:
    """Tell a transcriber by its description; whatever is wrong with that is said on loading."""
    try:
        return 'front_end' in json.loads(model.with_suffix('.json').read_text(encoding='utf-8'))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _improviser(model: Path, arguments: argparse.Namespace) -> tuple[bytes, Describe]:
    from improv_ros.improvising.runtime import load_network

    from .export import describe, litert, round_weights, save

    if arguments.delay is not None:
        raise ValueError(f'--delay is for a transcriber, and {model} is none')
    network = load_network(model)
    if arguments.float16:
        round_weights(network)
        return litert(network, float16=True), partial(save, network)
    return litert(network, arguments.int8), partial(describe, network)


def _transcriber(model: Path, arguments: argparse.Namespace) -> tuple[bytes, Describe]:
    from improv_ros.listening.runtime import load_network, read_about

    from .export_transcriber import describe, litert

    if arguments.float16:
        raise ValueError(f'--float16 is for an improviser, and {model} is none')
    about = read_about(model)
    delay = about['delay'] if arguments.delay is None else arguments.delay
    if delay not in about['delays']:
        raise ValueError(f'{model} has no delay of {delay} hops, but {about["delays"]}')
    known = {name: about[name] for name in ('onset_bias', 'decoding') if name in about}
    network = load_network(model)
    data = litert(network, arguments.int8)
    return data, lambda path: describe(network, path, delay, **known)
