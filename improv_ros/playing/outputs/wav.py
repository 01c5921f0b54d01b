from io import FileIO
from pathlib import Path
import struct
import time

from improv_ros.event_text import TimedEvent
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.outputs.file import FileOutput, write_all
from improv_ros.playing.synth import Synth

SECOND = 1_000_000_000  # nanoseconds
SAMPLE_RATE = 44100
FRAME_BYTES = 4  # stereo, 16 bits
HEADER_BYTES = 44
LARGEST_DATA = 2**32 - 1 - HEADER_BYTES
GAIN = 1.5  # a phrase at moderate velocities peaks at about -10 dBFS, a loud one stays under 0
MARGIN = SECOND // 20  # events younger than this may still be on their way to the queue
RING_OUT = 2.0  # seconds for the last notes to fade


class WavOutput(FileOutput):
    """
    A WAV file of what was played, through the software synthesiser.

    From the first event on it is written as time passes, silence too. Sizes in the header are
    brought up to date at every write, so it can be read however the process ends.
    """

    empty_size = HEADER_BYTES

    def __init__(self, path: str | Path, soundfont: str = '') -> None:
        super().__init__(path)
        self._soundfont = soundfont
        self._start: int | None = None
        self._frames = 0
        self._file: FileIO | None = None
        self._synth: Synth | None = None

    def _begin(self) -> None:
        self._synth = Synth(self._soundfont, GAIN, SAMPLE_RATE)
        self._file = FileIO(self.path, 'r+' if self._frames else 'w')
        self._file.seek(HEADER_BYTES + self._frames * FRAME_BYTES)
        self._write_header()
        if self._start is not None:
            # On a disk that is still full the header can be written anew, but nothing more.
            missed = self._frames_until(time.monotonic_ns() - MARGIN)
            self._render(min(missed, SAMPLE_RATE // 10))

    def _append(self, events: list[TimedEvent], now: int) -> None:
        assert self._synth is not None
        for event in events:
            if self._start is None:
                self._start = event.time
            self._render(self._frames_until(event.time))
            self._synth.play(event)
        if self._start is not None:
            self._render(self._frames_until(now - MARGIN))
            self._write_header()

    def _finish(self) -> None:
        if self._start is not None:
            self._render(round(RING_OUT * SAMPLE_RATE))
            self._write_header()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._synth is not None:
            self._synth.close()
        self._file = self._synth = None

    def _frames_until(self, moment: int) -> int:
        assert self._start is not None
        return (moment - self._start) * SAMPLE_RATE // SECOND - self._frames

    def _render(self, frames: int) -> None:
        assert self._synth is not None and self._file is not None
        while frames > 0:
            count = min(frames, SAMPLE_RATE)
            if (self._frames + count) * FRAME_BYTES > LARGEST_DATA:
                raise PlayingError('a WAV file holds 4 GiB at most')
            write_all(self._file, self._synth.render_int16(count))
            self._frames += count
            frames -= count

    def _write_header(self) -> None:
        assert self._file is not None
        size = self._frames * FRAME_BYTES
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
