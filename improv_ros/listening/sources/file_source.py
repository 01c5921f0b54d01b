"""A recording that plays as if it were sounding now."""

from __future__ import annotations

from pathlib import Path
import time
from typing import TYPE_CHECKING

import numpy as np

from improv_ros.listening.audio_chunk import AudioChunk, to_int16
from improv_ros.listening.sources.source import EndOfAudio, SourceError

if TYPE_CHECKING:
    import soundfile

_NANOSECONDS = 1_000_000_000


class FileSource:
    """An audio file (whatever soundfile reads) paced in real time.

    A chunk is handed out when its last frame would have been recorded. Every moment is counted
    from the first one, so pauses of the reader never add up: a reader that comes late gets the
    chunks that are due at once.
    """

    def __init__(self, path: str | Path, loop: bool = False, chunk_seconds: float = 0.02) -> None:
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
        """Seconds that the file plays once; 0 while it is closed."""
        return self._file.frames / self.sample_rate if self._file else 0.0

    def open(self) -> None:
        """Open the file and start its clock. Raises SourceError if it holds no readable sound."""
        self.close()
        try:
            import soundfile
        except (ImportError, OSError) as error:
            raise SourceError(
                f'{self.path} cannot be read because the soundfile package is not installed '
                f'(pip install "improv_ros[audio]"): {error}'
            ) from error
        if not self.path.is_file():
            raise SourceError(f'There is no audio file {self.path}: name another.')
        try:
            file = soundfile.SoundFile(self.path)
        except (soundfile.SoundFileError, TypeError) as error:
            raise SourceError(
                f'{self.path} is not an audio file that soundfile reads ({error}); '
                'convert it to WAV or FLAC.'
            ) from error
        if file.frames == 0:
            file.close()
            raise SourceError(f'{self.path} holds no sound: it has no frames.')
        self._file = file
        self.sample_rate = file.samplerate
        self.channels = file.channels
        self._frames_read = 0
        self._sequence = 0
        self._start = time.monotonic_ns()

    def read(self, timeout: float) -> AudioChunk | None:
        """The chunk that is due within `timeout` seconds, or None. See AudioSource."""
        if self._file is None:
            raise SourceError(f'{self.path} is not open.')
        chunk_frames = max(1, round(self.chunk_seconds * self.sample_rate))
        if not self.loop:
            chunk_frames = min(chunk_frames, self._file.frames - self._frames_read)
            if chunk_frames == 0:
                raise EndOfAudio(f'{self.path} is over.')
        now = time.monotonic_ns()
        due = self._time_of(self._frames_read + chunk_frames)
        time.sleep(max(0, min(due - now, int(timeout * _NANOSECONDS))) / _NANOSECONDS)
        if time.monotonic_ns() < due and due - now > timeout * _NANOSECONDS:
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
        if self._file is not None:
            self._file.close()
            self._file = None

    def _time_of(self, frame: int) -> int:
        return self._start + frame * _NANOSECONDS // self.sample_rate

    def _read(self, count: int) -> np.ndarray:
        """The next frames of the file, fewer at its end, float32 of shape (frames, channels)."""
        import soundfile

        assert self._file is not None
        try:
            # As floats, because libsndfile does not scale a file of floats to integers.
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
                    raise SourceError(f'{self.path} cannot be read any more.')
                self._file.seek(0)
                continue
            pieces.append(piece)
            count -= len(piece)
        return to_int16(np.concatenate(pieces))
