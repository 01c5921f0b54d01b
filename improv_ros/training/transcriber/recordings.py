# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Recordings with their true notes, read from files, and cut into chunks like a microphone's.

A set is a folder of audio files. A .tsv file of the same name beside one holds its notes, one per
line: onset and offset in seconds, MIDI pitch, velocity. Lines that begin with # are comments. A
recording without a .tsv file is noise: no notes are played in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on
from improv_ros.listening.capture.audio_chunk import AudioChunk, to_int16
from improv_ros.listening.capture.resampling import ChunkResampler

AUDIO_SUFFIXES = ('.wav', '.flac', '.ogg')
CHUNK_SECONDS = 0.01  # the default of the microphone node

Notes = npt.NDArray[np.float64]  # (notes, 4): onset and offset in seconds, MIDI pitch, velocity


class RecordingError(ValueError):
    """A set, a recording or its notes cannot be used; the message names it and the reason."""


class Recording(NamedTuple):
    """A recording of a set.

    name: its path in the set without suffix. notes: its true notes; None if it is noise.
    seconds: the length to use.
    """

    name: str
    path: Path
    notes: Notes | None
    seconds: float

    @property
    def true_notes(self) -> Notes:
        """The notes. Raises RecordingError if it is noise."""
        if self.notes is None:
            raise RecordingError(f'{self.path} has no notes')
        return self.notes


def find(place: Path, seconds: float | None = None) -> list[Recording]:
    """Return the recordings of a set, or the one that `place` is, each cut to `seconds`.

    Raises RecordingError if there are none or one cannot be read.
    """
    folder = place if place.is_dir() else place.parent
    paths = audio_files(folder)
    if not place.is_dir():
        paths = [path for path in paths if path == place]
    if not paths:
        raise RecordingError(
            f'{place} holds no recordings: name a folder of {", ".join(AUDIO_SUFFIXES)} files, '
            'each with its notes in a .tsv file beside it (or without, if it is noise)'
        )
    return [_open(folder, path, seconds) for path in paths]


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files under a folder, sorted."""
    return sorted(path for path in folder.rglob('*') if path.suffix in AUDIO_SUFFIXES)


def audio_info(path: Path) -> Any:
    """Return the header of an audio file. Raises RecordingError."""
    try:
        return soundfile.info(path)
    except soundfile.SoundFileError as error:
        raise RecordingError(f'{path} is not an audio file: {error}') from error


def notes_file(path: Path) -> Path:
    """Return the path of the .tsv file of a recording."""
    return path.with_suffix('.tsv')


def _open(folder: Path, path: Path, seconds: float | None) -> Recording:
    name = str(path.relative_to(folder).with_suffix(''))
    length = audio_info(path).duration
    length = length if seconds is None else min(length, seconds)
    if not notes_file(path).is_file():
        return Recording(name, path, None, length)
    notes = read_notes(notes_file(path))
    return Recording(name, path, notes[notes[:, 0] < length], length)


def read_notes(path: Path) -> Notes:
    """Return the notes of a .tsv file, sorted by onset. Raises RecordingError with the line."""
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
                f'{path}, line {number}: {line!r} is not a note: onset, a later offset, pitch '
                '0 to 127, velocity 0 to 127'
            )
        notes.append((onset, offset, pitch, velocity))
    return np.array(sorted(notes, key=lambda note: note[0])).reshape(-1, 4)


def chunks(recording: Recording) -> Iterator[AudioChunk]:
    """Yield the recording in chunks like those of a microphone, from time 0."""
    with soundfile.SoundFile(recording.path) as file:
        rate = file.samplerate
        frames = max(1, round(CHUNK_SECONDS * rate))
        limit = round(recording.seconds * rate)
        for sequence, start in enumerate(range(0, limit, frames)):
            sound = file.read(min(frames, limit - start), 'float32', always_2d=True)
            yield AudioChunk(to_int16(sound), rate, start * SECOND // rate, sequence)


def sound_of(recording: Recording, sample_rate: int) -> npt.NDArray[np.float32]:
    """Return the whole recording as the input of an estimator of that sample rate (Hz)."""
    resampler = ChunkResampler(sample_rate)
    pieces = [piece for chunk in chunks(recording) for piece in resampler.process(chunk)]
    sound = [piece.mono() for piece in pieces + resampler.flush()]
    return np.concatenate([np.zeros(0, np.float32), *sound])


def notes_of(events: list[TimedEvent]) -> Notes:
    """Return the notes of a list of events, sorted by onset."""
    sounding: dict[int, tuple[int, int]] = {}
    notes = []
    for event in events:
        if is_note_on(event):
            sounding[event.values[0]] = event.time, event.values[1]
        elif is_note_off(event):
            onset, velocity = sounding.pop(event.values[0])
            # mir_eval refuses notes of no length.
            offset = max(event.time, onset + 1_000_000)
            notes.append((onset / 1e9, offset / 1e9, event.values[0], velocity))
    return np.array(sorted(notes)).reshape(-1, 4)
