from io import FileIO
from pathlib import Path
import struct

import mido

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing.outputs.file import FileOutput, write_all

TICKS_PER_QUARTER = 500  # at 120 beats a minute, one tick is a millisecond
TICK = 1_000_000  # nanoseconds
SYSTEM_EXCLUSIVE = 0xF0
HEADER_BYTES = 22  # of the file and of its track
LENGTH_AT = 18  # where the header tells the track's length

DELTA_BYTES = 4  # the most that a delta may take
# As long as a note with such a delta, so that a note fits in its place.
END_OF_TRACK = b'\x80\x80\x80\x00\xff\x2f\x00'
EMPTY_TEXT = b'\xff\x01\x00'  # a meta message as long as a note, and without meaning


class MidiFileOutput(FileOutput):
    """
    A MIDI file of what was played, to the millisecond.

    It grows in place and can be read however the process ends. New messages are first written
    behind the end of the track, where nobody reads; then the length in the header lets them in,
    with the old end among them; then the first of them takes that end's place.
    """

    empty_size = HEADER_BYTES + len(END_OF_TRACK)

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._file: FileIO | None = None
        self._length = 0  # of the track in the file, its end included
        self._waiting: list[tuple[int, bytes]] = []  # (delta, message) not yet in the file
        self._start: int | None = None
        self._last_tick = 0

    def _begin(self) -> None:
        if self._length and self.path.exists():
            self._file = FileIO(self.path, 'r+')
        else:
            self._length = len(END_OF_TRACK)
            header = (b'MThd', 6, 0, 1, TICKS_PER_QUARTER, b'MTrk', self._length)
            self._file = FileIO(self.path, 'w')
            self._write_at(0, struct.pack('>4sLHHH4sL', *header) + END_OF_TRACK)
        if self._waiting:
            self._write_waiting()

    def _append(self, events: list[TimedEvent], now: int) -> None:
        for event in events:
            if event.kind == 'sy':
                continue  # a clock tick or a reset has no place in a file
            if self._start is None:
                self._start = event.time
            tick = max(self._last_tick, round((event.time - self._start) / TICK))
            message = _file_bytes(message_of(event.kind, event.values))
            self._waiting.append((tick - self._last_tick, message))
            self._last_tick = tick
        if self._waiting:
            self._write_waiting()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_waiting(self) -> None:
        self.path.stat()  # what is written to a file that was removed would be lost unseen
        if len(self._waiting[0][1]) + DELTA_BYTES != len(END_OF_TRACK):
            self._waiting.insert(0, (0, EMPTY_TEXT))
        (delta, message), *others = self._waiting
        first = _variable_length(delta, DELTA_BYTES) + message
        rest = b''.join(_variable_length(delta) + message for delta, message in others)
        end = HEADER_BYTES + self._length
        self._write_at(end, rest + END_OF_TRACK)
        length = self._length + len(rest) + len(END_OF_TRACK)
        self._write_at(LENGTH_AT, struct.pack('>L', length))
        self._write_at(end - len(END_OF_TRACK), first)
        self._length = length
        self._waiting.clear()

    def _write_at(self, position: int, data: bytes) -> None:
        assert self._file is not None
        self._file.seek(position)
        write_all(self._file, data)


def _variable_length(number: int, size: int = 1) -> bytes:
    """Return a number as MIDI files have it: seven bits a byte, the highest first.

    It takes at least `size` bytes.
    """
    digits = [number & 0x7F]
    while (number := number >> 7) or len(digits) < size:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _file_bytes(message: mido.Message) -> bytes:
    data = bytes(message.bytes())
    if data[0] == SYSTEM_EXCLUSIVE:
        return data[:1] + _variable_length(len(data) - 1) + data[1:]
    return data
