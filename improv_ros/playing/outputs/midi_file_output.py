# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from io import FileIO
from pathlib import Path
import struct

import mido

from improv_ros.event_text import TimedEvent, message_of
from improv_ros.playing.outputs.file_output import FileOutput, write_all

TICKS_PER_QUARTER = 500  # at 120 beats a minute, one tick is a millisecond
TICK = 1_000_000  # nanoseconds
SYSTEM_EXCLUSIVE = 0xF0
HEADER_BYTES = 22  # header of the file (14) and of its track (8)
LENGTH_OFFSET = 18  # of the length of the track

DELTA_BYTES = 4  # the longest delta that the format allows
# As long as a note-on with the longest delta, so that a note-on can replace it.
END_OF_TRACK = b'\x80\x80\x80\x00\xff\x2f\x00'
EMPTY_TEXT = b'\xff\x01\x00'  # an empty text event, as long as a note-on


class MidiFileOutput(FileOutput):
    """
    A MIDI file of the events sent; one tick is a millisecond.

    The file grows in place and can be read even if the process is killed. New messages and a new
    end of track are first written behind the old end, where a reader does not look; then the
    length in the header includes them; then the first new message replaces the old end of track.
    """

    empty_size = HEADER_BYTES + len(END_OF_TRACK)

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._file: FileIO | None = None
        self._length = 0  # of the track in the file in bytes, with its end
        self._pending: list[tuple[int, bytes]] = []  # (delta, message) not yet in the file
        self._start: int | None = None
        self._last_tick = 0

    def _begin_file(self) -> None:
        if self._length and self.path.stat().st_size > self.empty_size:
            self._file = FileIO(self.path, 'r+')
        else:
            self._length = len(END_OF_TRACK)
            header = (b'MThd', 6, 0, 1, TICKS_PER_QUARTER, b'MTrk', self._length)
            self._file = FileIO(self.path, 'w')
            self._write_at(0, struct.pack('>4sLHHH4sL', *header) + END_OF_TRACK)
        if self._pending:
            self._write_pending()

    def _append(self, events: list[TimedEvent], now: int) -> None:
        for event in events:
            if event.kind == 'sy':
                continue  # a MIDI file holds no clock ticks and no resets
            if self._start is None:
                self._start = event.time
            tick = max(self._last_tick, round((event.time - self._start) / TICK))
            message = _file_bytes(message_of(event.kind, event.values))
            self._pending.append((tick - self._last_tick, message))
            self._last_tick = tick
        if self._pending:
            self._write_pending()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_pending(self) -> None:
        self.path.stat()  # raises if the file was removed
        if len(self._pending[0][1]) + DELTA_BYTES != len(END_OF_TRACK):
            self._pending.insert(0, (0, EMPTY_TEXT))
        (delta, message), *others = self._pending
        first = _variable_length(delta, DELTA_BYTES) + message
        rest = b''.join(_variable_length(delta) + message for delta, message in others)
        end = HEADER_BYTES + self._length
        self._write_at(end, rest + END_OF_TRACK)
        length = self._length + len(rest) + len(END_OF_TRACK)
        self._write_at(LENGTH_OFFSET, struct.pack('>L', length))
        self._write_at(end - len(END_OF_TRACK), first)
        self._length = length
        self._pending.clear()

    def _write_at(self, position: int, data: bytes) -> None:
        assert self._file is not None
        self._file.seek(position)
        write_all(self._file, data)


def _variable_length(number: int, size: int = 1) -> bytes:
    """Return a variable-length quantity (Standard MIDI Files 1.0), at least `size` bytes long."""
    digits = [number & 0x7F]
    while (number := number >> 7) or len(digits) < size:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _file_bytes(message: mido.Message) -> bytes:
    data = bytes(message.bytes())
    if data[0] == SYSTEM_EXCLUSIVE:
        return data[:1] + _variable_length(len(data) - 1) + data[1:]
    return data
