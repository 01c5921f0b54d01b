# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Audio from a recording, in real time."""

from __future__ import annotations

from pathlib import Path
import time
from typing import TYPE_CHECKING

import numpy as np

from improv_ros.event_text import SECOND
from improv_ros.listening.capture.audio_chunk import AudioChunk, to_int16
from improv_ros.listening.capture.audio_source import EndOfAudio, SourceError
from improv_ros.process import packages
from improv_ros.process.native_stderr import native_stderr_discarded

if TYPE_CHECKING:
    import soundfile


def open_recording(path: Path) -> soundfile.SoundFile:
    """Open an audio file for reading. Raises SourceError if it holds no readable sound."""
    try:
        import soundfile
    except ImportError as error:
        raise SourceError(f'{path} cannot be read: {packages.advice(error)}') from error
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: the library of the Python package soundfile is '
            f'missing: apt install libsndfile1 ({error})'
        ) from error
    if not path.is_file():
        raise SourceError(f'There is no audio file {path}: name another.')
    try:
        path.open('rb').close()
        with native_stderr_discarded():  # libmpg123 writes there
            file = soundfile.SoundFile(path)
    except OSError as error:
        raise SourceError(f'{path} cannot be read: {error.strerror}.') from error
    except (soundfile.SoundFileError, TypeError) as error:
        # The library's own message can be wrong: 'no such file' for a broken .mp3.
        raise SourceError(
            f'{path} is not an audio file that soundfile reads; convert it to WAV or FLAC.'
        ) from error
    if file.frames == 0:
        file.close()
        raise SourceError(f'{path} holds no sound: it has no frames.')
    return file


class FileSource:
    """An AudioSource of an audio file (any that soundfile reads), paced in real time.

    A chunk is returned when its last frame would have been recorded. All times count from
    `open`, so delays of the reader do not add up: a late reader gets the chunks that are due at
    once.
    """

    def __init__(self, path: str | Path, loop: bool = False, chunk_seconds: float = 0.02) -> None:
        """loop: begin again at the end. chunk_seconds: length of a chunk."""
        self.path = Path(path)
        self.loop = loop
        self.chunk_seconds = chunk_seconds
        self.sample_rate = 0
        self.channels = 0
        self.overflows = 0
        self._file: soundfile.SoundFile | None = None
        self._frames_read = 0
        self._start = 0
        self._sequence = 0

    @property
    def duration(self) -> float:
        """Length of the file in seconds; 0 while it is closed."""
        return self._file.frames / self.sample_rate if self._file else 0.0

    def open(self) -> None:
        """Open the file and start its clock. Raises SourceError if it holds no readable sound."""
        self.close()
        file = open_recording(self.path)
        self._file = file
        self.sample_rate = file.samplerate
        self.channels = file.channels
        self._frames_read = 0
        self._sequence = 0
        self._start = time.monotonic_ns()

    def read(self, timeout: float) -> AudioChunk | None:
        """Return the chunk that is due within `timeout` seconds, or None. See AudioSource."""
        if self._file is None:
            raise SourceError(f'{self.path} is not open.')
        chunk_frames = max(1, round(self.chunk_seconds * self.sample_rate))
        if not self.loop:
            chunk_frames = min(chunk_frames, self._file.frames - self._frames_read)
            if chunk_frames == 0:
                raise EndOfAudio(f'{self.path} is over.')
        now = time.monotonic_ns()
        due = self._time_of(self._frames_read + chunk_frames)
        time.sleep(max(0, min(due - now, int(timeout * SECOND))) / SECOND)
        if time.monotonic_ns() < due and due - now > timeout * SECOND:
            return None
        chunk = AudioChunk(
            self._next_frames(chunk_frames),
            self.sample_rate,
            self._time_of(self._frames_read),
            self._sequence,
        )
        self._frames_read += chunk_frames
        self._sequence += 1
        return chunk

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _time_of(self, frame: int) -> int:
        return self._start + frame * SECOND // self.sample_rate

    def _read(self, count: int) -> np.ndarray:
        """Return the next frames, fewer at the end, float32 of shape (frames, channels)."""
        import soundfile

        assert self._file is not None
        try:
            # Read as floats: libsndfile does not scale a file of floats to integers.
            return self._file.read(count, dtype='float32', always_2d=True)
        except soundfile.SoundFileError as error:
            raise SourceError(f'{self.path} is damaged ({error}): replace it.') from error

    def _next_frames(self, count: int) -> np.ndarray:
        assert self._file is not None
        pieces = []
        while count > 0:
            piece = self._read(count)
            if len(piece) == 0:
                if self._file.tell() == 0:
                    raise SourceError(f'{self.path} can no longer be read.')
                self._file.seek(0)
                continue
            pieces.append(piece)
            count -= len(piece)
        return to_int16(np.concatenate(pieces))
