# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from io import FileIO
from pathlib import Path
import struct
import time

from improv_ros.event_text import SECOND, TimedEvent
from improv_ros.playing.outputs.file_output import FileOutput, write_all
from improv_ros.playing.synth.fluidsynth_synth import Synth

SAMPLE_RATE = 44100
FRAME_BYTES = 4  # stereo, 16 bits
HEADER_BYTES = 44
MAX_DATA_BYTES = 2**32 - 1 - HEADER_BYTES
GAIN = 1.5  # a phrase of moderate velocities peaks at about -10 dBFS, a loud one below 0 dBFS
QUEUE_DELAY = SECOND // 20  # after which every event sent is in the queue
RELEASE_TAIL = 2.0  # seconds of sound after the last event


class WavOutput(FileOutput):
    """
    A WAV file (44.1 kHz, stereo, 16 bits) of the events sent, by the software synthesiser.

    From the first event on it is written continuously, also in rests. The sizes in the header are
    updated at every write, so the file can be read even if the process is killed. If the audio
    data reaches `max_bytes`, recording continues in the next free file.
    """

    empty_size = HEADER_BYTES

    def __init__(
        self, path: str | Path, soundfont: str = '', max_bytes: int = MAX_DATA_BYTES
    ) -> None:
        super().__init__(path)
        self._soundfont = soundfont
        self._max_frames = max_bytes // FRAME_BYTES
        self._start: int | None = None
        self._frames = 0  # written since `_start`
        self._earlier_frames = 0  # of these, those in earlier files
        self._file: FileIO | None = None
        self._synth: Synth | None = None

    def _begin_file(self) -> None:
        self._synth = Synth(self._soundfont, GAIN, SAMPLE_RATE)
        if self.path.stat().st_size <= self.empty_size:
            self._earlier_frames = self._frames
        self._file = FileIO(self.path, 'r+')
        self._file.seek(HEADER_BYTES + (self._frames - self._earlier_frames) * FRAME_BYTES)
        self._write_header()
        if self._start is not None:
            # If the disk is still full, this raises OSError; the header alone would not.
            missed = self._frames_until(time.monotonic_ns() - QUEUE_DELAY)
            self._render(min(missed, SAMPLE_RATE // 10))

    def _append(self, events: list[TimedEvent], now: int) -> None:
        assert self._synth is not None
        for event in events:
            if self._start is None:
                self._start = event.time
            self._render(self._frames_until(event.time))
            self._synth.play(event)
        if self._start is not None:
            self._render(self._frames_until(now - QUEUE_DELAY))
            self._write_header()

    def _finish(self) -> None:
        if self._start is not None:
            self._render(round(RELEASE_TAIL * SAMPLE_RATE))
            self._write_header()

    def _close_file(self) -> None:
        file, synth = self._file, self._synth
        self._file = self._synth = None
        try:
            if file is not None:
                file.close()
        finally:
            if synth is not None:
                synth.close()

    def _frames_until(self, moment: int) -> int:
        assert self._start is not None
        return (moment - self._start) * SAMPLE_RATE // SECOND - self._frames

    def _render(self, frames: int) -> None:
        assert self._synth is not None and self._file is not None
        while frames > 0:
            room = self._earlier_frames + self._max_frames - self._frames
            if room <= 0:
                self._begin_next_file()
                continue
            count = min(frames, SAMPLE_RATE, room)
            write_all(self._file, self._synth.render_int16(count))
            self._frames += count
            frames -= count

    def _begin_next_file(self) -> None:
        assert self._file is not None
        self._write_header()
        self._file.close()
        self._acquire_free_path()
        self._earlier_frames = self._frames
        self._file = FileIO(self.path, 'r+')
        self._write_header()

    def _write_header(self) -> None:
        assert self._file is not None
        size = (self._frames - self._earlier_frames) * FRAME_BYTES
        header = struct.pack(
            '<4sL4s4sLHHLLHH4sL',
            *(b'RIFF', HEADER_BYTES - 8 + size, b'WAVE'),
            *(b'fmt ', 16, 1, 2, SAMPLE_RATE, SAMPLE_RATE * FRAME_BYTES, FRAME_BYTES, 16),
            *(b'data', size),
        )
        end = self._file.tell()
        self._file.seek(0)
        write_all(self._file, header)
        self._file.seek(max(end, HEADER_BYTES))
