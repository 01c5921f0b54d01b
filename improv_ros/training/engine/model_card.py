# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The model card of a trained network: its data, training, results and licence terms.

The sections are the same for every network; their paragraphs come from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from improv_ros.training.engine.atomic_file import write_atomically
from improv_ros.training.engine.run_record import read_record
from improv_ros.training.engine.trainer import Progress


def write_card(
    model: Path,
    title: str,
    summary: Sequence[str],
    data: Sequence[str],
    training: Sequence[str],
    results: Sequence[str],
) -> None:
    """Write the card of a model beside it, as Markdown.

    Each argument after the title holds the paragraphs of a section; a table or a list is one
    paragraph.
    """
    sections: Mapping[str, Sequence[str]] = {
        '## Files': [describe_files(model)],
        '## Data': data,
        '## Training': [*training, *describe_record(model.parent)],
        '## Results': results,
    }
    paragraphs = [f'# {title}: model card', *summary]
    for heading, body in sections.items():
        paragraphs += [heading, *body]
    text = '\n\n'.join(paragraphs) + '\n'
    write_atomically(model.with_suffix('.md'), lambda file: file.write(text.encode()))


def describe_files(model: Path) -> str:
    """Return the names, kinds and sizes of the files of a model."""
    kinds = {'.keras': 'Keras 3', '.tflite': 'LiteRT', '.json': 'description'}
    found = [
        f'`{path.name}` ({kind}, {path.stat().st_size / 1e6:.1f} MB)'
        for path, kind in ((model.with_suffix(suffix), kind) for suffix, kind in kinds.items())
        if path.is_file()
    ]
    return f'{", ".join(found)}. Keep these files together.'


def describe_duration(progress: Progress) -> str:
    """Return the number of batches and minutes of a run."""
    return (
        f'{progress.batch:,} batches in {progress.seconds / 60:.0f} minutes (the number '
        'of batches depends on the machine).'
    )


def describe_record(folder: Path) -> list[str]:
    """Return the commands of a run and the software of its last start, from record.json."""
    starts = read_record(folder)
    if not starts:
        return []
    commands = dict.fromkeys(start['command'] for start in starts if start['command'])
    software = ', '.join(f'{name} {value}' for name, value in starts[-1]['software'].items())
    return ['\n'.join(f'    {command}' for command in commands), f'Software: {software}.']
