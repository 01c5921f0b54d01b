"""What is down at an instrument, by the MIDI messages that were sent to it."""

from __future__ import annotations

NOTE_OFF, NOTE_ON, CONTROL_CHANGE = 0x80, 0x90, 0xB0
HOLDING_PEDALS = frozenset({64, 66, 69})  # sustain, sostenuto, hold 2: they keep released notes


class Held:
    """The keys and pedals of all sixteen channels that are down."""

    def __init__(self) -> None:
        self._down: set[tuple[int, int]] = set()  # (status byte that pressed it, key or pedal)

    def take(self, data: bytes) -> None:
        """Take note of a message."""
        kind, channel = data[0] & 0xF0, data[0] & 0x0F
        if kind == NOTE_ON and data[2]:
            self._down.add((data[0], data[1]))
        elif kind in (NOTE_ON, NOTE_OFF):
            self._down.discard((NOTE_ON | channel, data[1]))
        elif kind == CONTROL_CHANGE and data[1] in HOLDING_PEDALS:
            (self._down.add if data[2] else self._down.discard)((data[0], data[1]))

    def releases(self) -> list[bytes]:
        """Return the messages that let go of all that is down: velocity 0, or value 0."""
        return [bytes((status, number, 0)) for status, number in sorted(self._down)]
