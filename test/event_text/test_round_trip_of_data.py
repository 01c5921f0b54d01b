# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Every MIDI file of the data sets beside the repository goes to text and comes back."""

from concurrent.futures import ProcessPoolExecutor
import gc
import io
from pathlib import Path

import mido
import pytest

from improv_ros.event_text import (
    format_text,
    midi_to_text,
    parse,
    read_midi,
    text_to_midi,
    write_midi,
)

DATA = Path(__file__).parents[2].parent / 'shared' / 'data'
WRITTEN_BELOW = 8_000  # bytes; more would take minutes


def difference(path):
    """Return what the round trip of a file changes, or ''."""
    # Nothing made here refers to itself; looking for such cycles would take half the time.
    gc.disable()
    original = read_midi(path)
    again = text_to_midi(parse(format_text(midi_to_text(original))))
    if again.ticks_per_beat != original.ticks_per_beat:
        return f'{path}: another resolution'
    if again.tracks != original.tracks:
        return f'{path}: other messages'
    if path.stat().st_size < WRITTEN_BELOW:
        file = io.BytesIO()
        write_midi(again, file)
        if mido.MidiFile(file=io.BytesIO(file.getvalue())).tracks != mido.MidiFile(path).tracks:
            return f'{path}: other messages when written'
    return ''


@pytest.mark.skipif(not DATA.is_dir(), reason='the data sets are not here')
@pytest.mark.parametrize('step', [pytest.param(1, marks=pytest.mark.nightly), 150])
def test_every_file_comes_back_the_same(step):
    paths = sorted(path for path in DATA.rglob('*.mid*') if path.suffix in ('.mid', '.midi'))
    assert len(paths) > 1900
    with ProcessPoolExecutor(2) as pool:
        differences = [
            found for found in pool.map(difference, paths[::step], chunksize=8) if found
        ]
    assert differences == []
