"""`improv export`: make the file that LiteRT plays out of a trained network."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
import sys

from improv_ros.inference.errors import ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('model', help='a .keras file of an improviser')
    parser.add_argument('--out', help='a .tflite file; default: beside the model')
    parser.add_argument(
        '--int8',
        action='store_true',
        help='weights in 8 bits, a quarter of the size (dynamic-range quantisation)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Export; return the exit code."""
    if not (find_spec('keras') and find_spec('tensorflow')):
        print("exporting needs TensorFlow: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from improv_ros.improvising.runtime import load_network

    from .export import describe, litert
    from .whole_file import write_whole

    model = Path(arguments.model)
    ending = '-int8.tflite' if arguments.int8 else '.tflite'
    out = Path(arguments.out) if arguments.out else model.with_name(model.stem + ending)
    try:
        if out.suffix != '.tflite':
            raise ValueError(f'{out} does not end in .tflite')
        network = load_network(model)
        data = litert(network, arguments.int8)
        write_whole(out, lambda file: file.write(data))
        describe(network, out)
    except (ModelError, OSError, ValueError) as error:
        print(f'improv export: {error}', file=sys.stderr)
        return 1
    print(f'{out}: {len(data) / 1e6:.1f} MB')
    return 0
