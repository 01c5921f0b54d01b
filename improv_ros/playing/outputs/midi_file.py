import os
from pathlib import Path
import struct

import mido

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing.outputs.file import FileOutput

TICKS_PER_QUARTER = 500  # at 120 beats a minute, one tick is a millisecond
TICK = 1_000_000  # nanoseconds
HEADER_BYTES = 22  # of the file and of its track
END_OF_TRACK = b'\x00\xff\x2f\x00'
SYSTEM_EXCLUSIVE = 0xF0


class MidiFileOutput(FileOutput):
    """
    A MIDI file of what was played, to the millisecond.

    The file is replaced as a whole, so it can be read however the process ends.
    """

    empty_size = HEADER_BYTES + len(END_OF_TRACK)

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._track = bytearray()
        self._start: int | None = None
        self._last_tick = 0

    def _begin(self) -> None:
        self._replace()

    def _append(self, events: list[TimedEvent], now: int) -> None:
        for event in events:
            if event.kind == 'sy':
                continue  # a clock tick or a reset has no place in a file
            if self._start is None:
                self._start = event.time
            tick = max(self._last_tick, round((event.time - self._start) / TICK))
            self._track += _variable_length(tick - self._last_tick)
            self._track += _file_bytes(message_of(event.kind, event.values))
            self._last_tick = tick
        if events:
            self._replace()

    def _replace(self) -> None:
        length = len(self._track) + len(END_OF_TRACK)
        header = struct.pack('>4sLHHH4sL', b'MThd', 6, 0, 1, TICKS_PER_QUARTER, b'MTrk', length)
        part = self.path.with_name(f'.{self.path.name}.part')
        try:
            part.write_bytes(header + self._track + END_OF_TRACK)
            os.replace(part, self.path)
        except OSError:
            part.unlink(missing_ok=True)  # a full disk has no room for it
            raise


def _variable_length(number: int) -> bytes:
    """Return a number as MIDI files have it: seven bits a byte, the highest first."""
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _file_bytes(message: mido.Message) -> bytes:
    data = bytes(message.bytes())
    if data[0] == SYSTEM_EXCLUSIVE:
        return data[:1] + _variable_length(len(data) - 1) + data[1:]
    return data
