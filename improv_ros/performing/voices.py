# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The weights of notes: melody and bass are heard more than inner voices."""

from __future__ import annotations

from dataclasses import dataclass

from improv_ros.event_text import SECOND

CHORD = SECOND // 20  # onsets within this time are one chord
MELODY, BASS, INNER = 2.0, 1.5, 1.0  # weights


@dataclass
class _Sound:
    pitch: int
    begin: int
    end: int | None


class VoiceTracker:
    """Tracks which notes sound when, as far as is known, and so the voice of each note."""

    def __init__(self) -> None:
        self._sounds: list[_Sound] = []
        self._open: dict[tuple[int, int], _Sound] = {}  # by (channel, pitch)

    def begin(self, source: tuple[int, int], time: int) -> None:
        """Add the beginning of a note; source: (channel, pitch)."""
        sound = _Sound(source[1], time, None)
        self._sounds.append(sound)
        self._open[source] = sound

    def end(self, source: tuple[int, int], time: int) -> None:
        """Add the end of a note."""
        if source in self._open:
            self._open.pop(source).end = time

    def clear(self, time: int) -> None:
        """End all notes at a time, and remove those that begin later."""
        self._sounds = [sound for sound in self._sounds if sound.begin < time]
        for sound in self._sounds:
            sound.end = time if sound.end is None else min(sound.end, time)
        self._open.clear()

    def forget(self, before: int) -> None:
        """Forget the notes that ended before a time."""
        self._sounds = [s for s in self._sounds if s.end is None or s.end > before]

    def weight(self, pitch: int, time: int) -> float:
        """Return MELODY for the highest note that sounds, BASS for the lowest, else INNER."""
        together = [
            sound.pitch
            for sound in self._sounds
            if sound.begin <= time + CHORD and (sound.end is None or sound.end > time + CHORD)
        ]
        if all(pitch >= other for other in together):
            return MELODY
        return BASS if all(pitch <= other for other in together) else INNER
