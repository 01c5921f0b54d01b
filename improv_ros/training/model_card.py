"""The page that goes with a trained network: on what, how long, how well, on what terms.

The skeleton is the same for every network; what is peculiar to one comes in as paragraphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .loop import Progress
from .record import read_record
from .whole_file import write_whole


def write_card(
    model: Path,
    title: str,
    what: Sequence[str],
    data: Sequence[str],
    training: Sequence[str],
    results: Sequence[str],
) -> None:
    """Write a model's card beside it, as Markdown.

    Each argument after the title is a section's paragraphs (a table or a list is one), the
    first section without a heading.
    """
    sections: Mapping[str, Sequence[str]] = {
        '## Files': [files(model)],
        '## Data': data,
        '## Training': [*training, *record(model.parent)],
        '## Results': results,
    }
    paragraphs = [f'# {title}: model card', *what]
    for heading, body in sections.items():
        paragraphs += [heading, *body]
    text = '\n\n'.join(paragraphs) + '\n'
    write_whole(model.with_suffix('.md'), lambda file: file.write(text.encode()))


def files(model: Path) -> str:
    """Return which files the model is, and how large."""
    kinds = {'.keras': 'Keras 3', '.tflite': 'LiteRT', '.json': 'which says what they are'}
    found = [
        f'`{path.name}` ({kind}, {path.stat().st_size / 1e6:.1f} MB)'
        for path, kind in ((model.with_suffix(suffix), kind) for suffix, kind in kinds.items())
        if path.is_file()
    ]
    return f'{", ".join(found)}; they belong together.'


def how_long(progress: Progress) -> str:
    """Return how long a run took, of which the reader's machine may make more or less."""
    return (
        f'{progress.batch:,} batches in {progress.seconds / 60:.0f} minutes (how far a run gets '
        'in that time depends on the machine).'
    )


def record(folder: Path) -> list[str]:
    """Return the commands that made a run and the software of the last, as recorded."""
    starts = read_record(folder)
    if not starts:
        return []
    commands = dict.fromkeys(start['command'] for start in starts if start['command'])
    software = ', '.join(f'{name} {value}' for name, value in starts[-1]['software'].items())
    return ['\n'.join(f'    {command}' for command in commands), f'Trained by {software}.']
