"""`improv train --model chunk`: the original's method, on one event text."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only this model needs."""
    group = parser.add_argument_group('chunk')
    group.add_argument('text', nargs='?', help='the event text to learn')
    group.add_argument(
        '--generate', type=int, default=0, metavar='N', help='then write N chunks: generated.txt'
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    from .chunk import generate, train_chunk_model

    if not arguments.text:
        raise ValueError('name the event text to learn: improv train --model chunk FILE.txt')
    out = Path(arguments.out)
    text = Path(arguments.text).read_text(encoding='utf-8')
    epochs = max(1, round(arguments.epochs)) if arguments.epochs else 60
    losses = train_chunk_model(text, out, epochs, arguments.seed, not arguments.quiet)
    print(f'{out / "chunk.keras"}: {losses[-1]:.3f} nats per chunk after {epochs} epochs')
    if arguments.generate:
        generated = out / 'generated.txt'
        generated.write_text(generate(out, arguments.generate, arguments.seed), encoding='utf-8')
        print(f'{generated}: {arguments.generate} chunks')
    return 0
