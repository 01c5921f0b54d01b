"""Repetition control: what was played again and again becomes less likely to come once more."""

from collections import Counter, deque

import numpy as np

from .vocabulary import KEYS, LOWEST_PITCH, PRESS, WHATS

CONTEXT = 3  # keys in a row that make a place recognisable
REMEMBERED = 300  # notes
MOST = 4.0  # nats, however often it came


class Repetition:
    """Which keys followed the latest ones before.

    Music repeats itself, so the first return is free: a key is made unlikelier for each
    further time that it followed the same three keys within the last notes.
    """

    def __init__(self) -> None:
        self._pitches: deque[int] = deque(maxlen=REMEMBERED)
        self._followers: dict[tuple[int, ...], Counter[int]] = {}

    def press(self, pitch: int) -> None:
        """Take in a note that is played."""
        if len(self._pitches) == REMEMBERED:
            oldest = tuple(self._pitches[i] for i in range(CONTEXT + 1))
            self._forget(oldest[:-1], oldest[-1])
        if len(self._pitches) >= CONTEXT:
            self._followers.setdefault(self._context(), Counter())[pitch] += 1
        self._pitches.append(pitch)

    def bias(self, strength: float) -> np.ndarray:
        """Return nats to add to the logits of what comes next, (WHATS,).

        strength: nats taken from a key for each further time.
        """
        bias = np.zeros(WHATS)
        if not strength or len(self._pitches) < CONTEXT:
            return bias
        presses = bias[PRESS : PRESS + KEYS]
        for pitch, times in self._followers.get(self._context(), Counter()).items():
            presses[pitch - LOWEST_PITCH] -= strength * (times - 1)
        return np.maximum(bias, -MOST)

    def _context(self) -> tuple[int, ...]:
        return tuple(self._pitches[i] for i in range(-CONTEXT, 0))

    def _forget(self, context: tuple[int, ...], pitch: int) -> None:
        followers = self._followers[context]
        followers[pitch] -= 1
        if not followers[pitch]:
            del followers[pitch]
        if not followers:
            del self._followers[context]
