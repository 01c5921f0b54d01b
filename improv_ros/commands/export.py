# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv export`: convert a trained network to a LiteRT file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
import json
from pathlib import Path
import sys

from improv_ros.inference.model_error import ModelError

Describe = Callable[[Path], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        'model', metavar='FILE', help='.keras file of an improviser or a transcriber'
    )
    parser.add_argument(
        '--out',
        metavar='FILE.tflite',
        help='file to write (default: beside the model, FILE.tflite or FILE-int8.tflite)',
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        '--int8',
        action='store_true',
        help='store the weights in 8 bits, a quarter of the size (dynamic-range quantisation)',
    )
    size.add_argument(
        '--float16',
        action='store_true',
        help='round the weights of an improviser to 16 bits, half the size, and write them to a '
        '.keras file as well',
    )
    parser.add_argument(
        '--heads',
        nargs='+',
        metavar='FOLDER',
        help='write FILE.heads.npz instead, with which the robot learns from its partner: the '
        'output heads of an improviser, and the size of their gradients on the MIDI files in '
        'these folders, which should be those that it was trained on',
    )
    parser.add_argument(
        '--delay',
        type=int,
        metavar='HOPS',
        help='lag of the outputs of a transcriber that are used, in hops of 10 ms; one that the '
        'network has (default: as in the description of the model)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Export; return the exit code."""
    if not (find_spec('keras') and find_spec('tensorflow')):
        print("exporting needs TensorFlow: pip install 'improv_ros[train]'", file=sys.stderr)
        return 1
    from improv_ros.training.engine.atomic_file import write_atomically

    model = Path(arguments.model)
    ending = '-int8.tflite' if arguments.int8 else '.tflite'
    out = Path(arguments.out) if arguments.out else model.with_name(model.stem + ending)
    try:
        if arguments.heads:
            return _heads(model, [Path(folder) for folder in arguments.heads])
        if out.suffix != '.tflite':
            raise ValueError(f'{out} does not end in .tflite')
        make = _transcriber if _is_transcriber(model) else _improviser
        data, describe = make(model, arguments)
        write_atomically(out, lambda file: file.write(data))
        describe(out)
    except (ModelError, OSError, ValueError) as error:
        print(f'improv export: {error}', file=sys.stderr)
        return 1
    print(f'{out}: {len(data) / 1e6:.1f} MB')
    return 0


def _heads(model: Path, folders: list[Path]) -> int:
    from improv_ros.improvising.partner.heads_files import heads_path, write_heads
    from improv_ros.training.engine.atomic_file import write_atomically
    from improv_ros.training.improviser.head_statistics import heads_of

    heads, events = heads_of(model, folders)
    out = heads_path(model)
    write_atomically(out, lambda file: write_heads(file, heads))
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, gradients of {events:,} events')
    return 0


def _is_transcriber(model: Path) -> bool:
    """Return whether the description is that of a transcriber; loading reports any error in it."""
    try:
        return 'front_end' in json.loads(model.with_suffix('.json').read_text(encoding='utf-8'))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _improviser(model: Path, arguments: argparse.Namespace) -> tuple[bytes, Describe]:
    from improv_ros.improvising.network.improviser_runtime import load_network
    from improv_ros.training.improviser.improviser_files import (
        describe,
        litert,
        round_weights,
        save,
    )

    if arguments.delay is not None:
        raise ValueError(f'--delay applies to a transcriber, and {model} is an improviser')
    network = load_network(model)
    if arguments.float16:
        round_weights(network)
        return litert(network, float16=True), partial(save, network)
    return litert(network, arguments.int8), partial(describe, network)


def _transcriber(model: Path, arguments: argparse.Namespace) -> tuple[bytes, Describe]:
    from improv_ros.listening.transcription.transcription_runtime import (
        load_network,
        read_model_description,
    )
    from improv_ros.training.transcriber.transcriber_files import describe, litert

    if arguments.float16:
        raise ValueError(f'--float16 applies to an improviser, and {model} is a transcriber')
    about = read_model_description(model)
    delay = about['delay'] if arguments.delay is None else arguments.delay
    if delay not in about['delays']:
        raise ValueError(
            f'{model} has no outputs that lag by {delay} hops; choose one of {about["delays"]}'
        )
    kept = ('onset_bias', 'offset_bias', 'decoding', 'confirmed_delay', 'confirmed')
    known = {name: about[name] for name in kept if name in about}
    network = load_network(model)
    data = litert(network, arguments.int8)
    return data, lambda path: describe(network, path, delay, **known)
