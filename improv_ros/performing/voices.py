"""Which notes are heard most: melody and bass before what lies between."""

from __future__ import annotations

from dataclasses import dataclass

from improv_ros.performing.body import SECOND

CHORD = SECOND // 20  # onsets this near to each other are one chord
MELODY, BASS, INNER = 2.0, 1.5, 1.0


@dataclass
class _Sound:
    pitch: int
    begin: int
    end: int | None


class Voices:
    """What sounds when, as far as it is known, and so which voice a note belongs to."""

    def __init__(self) -> None:
        self._sounds: list[_Sound] = []
        self._open: dict[tuple[int, int], _Sound] = {}  # by (channel, pitch)

    def begin(self, source: tuple[int, int], time: int) -> None:
        """Take in a note's beginning; source: (channel, pitch)."""
        sound = _Sound(source[1], time, None)
        self._sounds.append(sound)
        self._open[source] = sound

    def end(self, source: tuple[int, int], time: int) -> None:
        """Take in a note's end."""
        if source in self._open:
            self._open.pop(source).end = time

    def clear(self, time: int) -> None:
        """Take in that all ends at a time, and what was to come does not."""
        self._sounds = [sound for sound in self._sounds if sound.begin < time]
        for sound in self._sounds:
            sound.end = time if sound.end is None else min(sound.end, time)
        self._open.clear()

    def forget(self, before: int) -> None:
        """Drop what was over before a time."""
        self._sounds = [s for s in self._sounds if s.end is None or s.end > before]

    def weight(self, pitch: int, time: int) -> float:
        """Return what a note is worth: the highest of what sounds most, then the lowest."""
        together = [
            sound.pitch
            for sound in self._sounds
            if sound.begin <= time + CHORD and (sound.end is None or sound.end > time + CHORD)
        ]
        if all(pitch >= other for other in together):
            return MELODY
        return BASS if all(pitch <= other for other in together) else INNER
