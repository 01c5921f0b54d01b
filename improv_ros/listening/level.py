"""How loud a microphone is: a muted input looks exactly like a working one until you measure."""

from __future__ import annotations

from collections import deque
import math

import numpy as np

FULL_SCALE = 32768
CLIPPED = 32767
AUDIBLE = -60.0  # dBFS; room noise of a working microphone seldom peaks lower
NOTHING = 3.0  # seconds of zeros alone, which no analogue input gives, after which that is said
INAUDIBLE = 60.0  # seconds in which nothing was audible, after which that is said
OVERDRIVEN = 0.001  # share of clipped samples in the last RECENT seconds from which that is said
RECENT = 10.0
QUIETEST = -45.0  # dBFS; the transcriber is trained on recordings that peak from here up

_NANOSECONDS = 1_000_000_000


class LevelMeter:
    """Peak level, clipping and the time since the last sound, over int16 audio.

    Times are nanoseconds of whatever clock the audio has; `start` is when listening began.
    """

    def __init__(self, start: int = 0) -> None:
        self.last_sound: int | None = None
        self.clipped = 0
        self._start = start
        self._latest = start
        self._last_signal = start  # when a sample was last not zero
        self._peak = 0
        self._recent: deque[tuple[int, int, int]] = deque()  # (time, samples, of these clipped)
        self._recent_samples = 0
        self._recent_clipped = 0

    def feed(self, samples: np.ndarray, time: int) -> None:
        """Take in int16 samples of any shape that arrived at `time`."""
        if not samples.size:
            return
        peak = max(int(samples.max()), -int(samples.min()))
        self._latest = time
        self._peak = max(self._peak, peak)
        clipped = 0
        if peak >= CLIPPED:
            clipped = int(np.count_nonzero(np.abs(samples.astype(np.int32)) >= CLIPPED))
        self._count(time, samples.size, clipped)
        if peak:
            self._last_signal = time
        if dbfs(peak) > AUDIBLE:
            self.last_sound = time

    def take_peak(self) -> float:
        """Return the peak since the last call, in dBFS (-inf for digital silence)."""
        peak, self._peak = self._peak, 0
        return dbfs(peak)

    def warning(self) -> str:
        """Say what is suspicious about the audio so far, and what helps; empty: nothing."""
        nothing = (self._latest - self._last_signal) / _NANOSECONDS
        last_sound = self._start if self.last_sound is None else self.last_sound
        inaudible = (self._latest - last_sound) / _NANOSECONDS
        overdriven = self._recent_clipped / max(1, self._recent_samples)
        if nothing >= NOTHING:
            return (
                f'the microphone has given nothing but zeros for {nothing:.0f} s: it is muted, or '
                'nothing is connected; unmute it (alsamixer, pavucontrol), see to the cable, or '
                'choose another device'
            )
        if inaudible >= INAUDIBLE:
            return (
                f'the microphone has heard nothing above {AUDIBLE:.0f} dBFS for {inaudible:.0f} '
                's: if somebody plays, turn its gain up, or choose another device'
            )
        if overdriven >= OVERDRIVEN:
            return (
                f'the microphone is overdriven, {100 * overdriven:.1f} % of its samples are '
                'clipped: turn its gain down, or move it away'
            )
        return ''

    def _count(self, time: int, samples: int, clipped: int) -> None:
        self._recent.append((time, samples, clipped))
        self._recent_samples += samples
        self._recent_clipped += clipped
        self.clipped += clipped
        while self._recent[0][0] < time - RECENT * _NANOSECONDS:
            _, samples, clipped = self._recent.popleft()
            self._recent_samples -= samples
            self._recent_clipped -= clipped


def dbfs(amplitude: int) -> float:
    """Return an int16 amplitude in decibels below full scale."""
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude else -math.inf


class Loudness:
    """The peak level of the last `RECENT` seconds, and whether notes in it are too quiet."""

    def __init__(self) -> None:
        self._now = 0  # ns of sound
        self._last_note: int | None = None
        self._peaks: deque[tuple[int, int]] = deque()  # (time, amplitude), ever quieter

    @property
    def peak(self) -> float:
        """dBFS."""
        return dbfs(self._peaks[0][1]) if self._peaks else -math.inf

    def feed(self, samples: np.ndarray, duration: int) -> None:
        """Take in int16 samples of any shape that last `duration` ns."""
        if not samples.size:
            return
        self._now += duration
        amplitude = max(int(samples.max()), -int(samples.min()))
        while self._peaks and self._peaks[-1][1] <= amplitude:
            self._peaks.pop()
        self._peaks.append((self._now, amplitude))
        while self._peaks[0][0] < self._now - RECENT * _NANOSECONDS:
            self._peaks.popleft()

    def heard_note(self) -> None:
        """Take in that a note was heard just now."""
        self._last_note = self._now

    def warning(self) -> str:
        """Say that what is played is too quiet to be heard well; empty: it is not."""
        if self._last_note is None or self._now - self._last_note > RECENT * _NANOSECONDS:
            return ''
        if self.peak >= QUIETEST:
            return ''
        return (
            f'what is played peaks at {self.peak:.0f} dBFS, and below {QUIETEST:.0f} dBFS notes '
            'are missed: turn the gain of the microphone up, or move it closer'
        )
