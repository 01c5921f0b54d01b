"""Recordings with their true notes, as files and as a microphone would give them.

A set is a folder of audio files. A .tsv of the same name beside one holds its notes, a line each:
onset and offset in seconds, MIDI pitch, velocity; lines that begin with # are comments. A
recording without one is noise: nobody plays in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.listening.audio_chunk import AudioChunk, to_int16
from improv_ros.listening.resampling import Resampler

AUDIO = ('.wav', '.flac', '.ogg')
CHUNK_SECONDS = 0.01  # as the microphone's
NANOSECONDS = 1_000_000_000

Notes = npt.NDArray[np.float64]  # (notes, 4): onset and offset in seconds, MIDI pitch, velocity


class RecordingError(ValueError):
    """A set, a recording or its notes cannot be used; says which and why."""


class Recording(NamedTuple):
    """An audio file, by its name in the set, and its notes, or None where nobody plays in it."""

    name: str
    path: Path
    notes: Notes | None
    seconds: float


def find(place: Path, seconds: float | None = None) -> list[Recording]:
    """Return the recordings of a set (or the one that `place` is), each cut to `seconds`.

    Raises RecordingError where there are none or one cannot be read.
    """
    folder = place if place.is_dir() else place.parent
    paths = sorted(path for path in folder.rglob('*') if path.suffix in AUDIO)
    if not place.is_dir():
        paths = [path for path in paths if path == place]
    if not paths:
        raise RecordingError(
            f'{place} holds no recordings: name a folder of {", ".join(AUDIO)} files, each with '
            'its notes in a .tsv beside it (or without, if it is noise)'
        )
    return [_open(folder, path, seconds) for path in paths]


def _open(folder: Path, path: Path, seconds: float | None) -> Recording:
    name = str(path.relative_to(folder).with_suffix(''))
    try:
        length = soundfile.info(path).duration
    except soundfile.SoundFileError as error:
        raise RecordingError(f'{path} is no audio file: {error}') from error
    length = length if seconds is None else min(length, seconds)
    notes = path.with_suffix('.tsv')
    if not notes.is_file():
        return Recording(name, path, None, length)
    truth = read_notes(notes)
    return Recording(name, path, truth[truth[:, 0] < length], length)


def read_notes(path: Path) -> Notes:
    """Return the notes of a .tsv in order of onset. Raises RecordingError with file and line."""
    notes = []
    for number, line in enumerate(path.read_text('utf-8', 'replace').splitlines(), 1):
        fields = line.split('#')[0].split()
        if not fields:
            continue
        try:
            onset, offset, pitch, velocity = map(float, fields)
            fits = 0 <= onset < offset < np.inf and 0 <= pitch < 128 and 0 <= velocity < 128
        except ValueError:
            fits = False
        if not fits:
            raise RecordingError(
                f'{path}, line {number}: {line!r} is no note; it takes onset, a later offset, '
                'pitch 0 to 127 and velocity 0 to 127'
            )
        notes.append((onset, offset, pitch, velocity))
    return np.array(sorted(notes)).reshape(-1, 4)


def chunks(recording: Recording) -> Iterator[AudioChunk]:
    """Return the recording as a microphone would give it, from time 0."""
    with soundfile.SoundFile(recording.path) as file:
        rate = file.samplerate
        frames = max(1, round(CHUNK_SECONDS * rate))
        limit = round(recording.seconds * rate)
        for sequence, start in enumerate(range(0, limit, frames)):
            sound = file.read(min(frames, limit - start), 'float32', always_2d=True)
            yield AudioChunk(to_int16(sound), rate, start * NANOSECONDS // rate, sequence)


def sound_of(recording: Recording, sample_rate: int) -> npt.NDArray[np.float32]:
    """Return the whole recording as an estimator of that sample rate is given it."""
    resampler = Resampler(sample_rate)
    pieces = [piece for chunk in chunks(recording) for piece in resampler.process(chunk)]
    sound = [piece.mono() for piece in pieces + resampler.flush()]
    return np.concatenate([np.zeros(0, np.float32), *sound])


def notes_of(events: list[TimedEvent]) -> Notes:
    """Return the notes that events tell of, in order of onset."""
    sounding: dict[int, tuple[int, int]] = {}
    notes = []
    for event in events:
        if is_note_on(event):
            sounding[event.values[0]] = event.time, event.values[1]
        elif is_note_off(event):
            onset, velocity = sounding.pop(event.values[0])
            # mir_eval takes no notes without length.
            offset = max(event.time, onset + 1_000_000)
            notes.append((onset / 1e9, offset / 1e9, event.values[0], velocity))
    return np.array(sorted(notes)).reshape(-1, 4)
