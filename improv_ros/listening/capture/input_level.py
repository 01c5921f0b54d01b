# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The level of a microphone: only its samples tell a muted input from a working one."""

from __future__ import annotations

from collections import deque
import math

import numpy as np

from improv_ros.event_text import SECOND

FULL_SCALE = 32768
CLIPPED = 32767
AUDIBLE = -60.0  # dBFS; the peaks of room noise from a working microphone are seldom lower
RECENT = 10.0  # seconds
LOWEST_PEAK = -45.0  # dBFS; the lowest peak of the recordings that the transcriber is trained on
# From here on the meter warns:
ZEROS_SECONDS = 3.0  # of zeros only, which no analogue input delivers
INAUDIBLE_SECONDS = 60.0  # without an audible sample
CLIPPED_SHARE = 0.001  # of the samples of the last RECENT seconds


class LevelMeter:
    """Measures peak level, clipping and the time of the last sound of int16 audio.

    Times are nanoseconds of the clock of the audio. start: when capturing began.

    last_sound: time of the last audible chunk, None before the first.
    clipped: number of clipped samples so far.
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
        """Measure int16 samples of any shape that sounded at `time`."""
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
        """Return a warning with a remedy if the microphone seems muted or overdriven, else ''."""
        zeros = (self._latest - self._last_signal) / SECOND
        last_sound = self._start if self.last_sound is None else self.last_sound
        inaudible = (self._latest - last_sound) / SECOND
        clipped = self._recent_clipped / max(1, self._recent_samples)
        if zeros >= ZEROS_SECONDS:
            return (
                f'the microphone has given nothing but zeros for {zeros:.0f} s: it is muted, or '
                'nothing is connected; unmute it (alsamixer, pavucontrol), check the cable, or '
                'choose another device'
            )
        if inaudible >= INAUDIBLE_SECONDS:
            return (
                f'the microphone has heard nothing above {AUDIBLE:.0f} dBFS for {inaudible:.0f} '
                's: if somebody plays, turn its gain up, or choose another device'
            )
        if clipped >= CLIPPED_SHARE:
            return (
                f'the microphone is overdriven, {100 * clipped:.1f} % of its samples are '
                'clipped: turn its gain down, or move it away from the piano'
            )
        return ''

    def _count(self, time: int, samples: int, clipped: int) -> None:
        self._recent.append((time, samples, clipped))
        self._recent_samples += samples
        self._recent_clipped += clipped
        self.clipped += clipped
        while self._recent[0][0] < time - RECENT * SECOND:
            _, samples, clipped = self._recent.popleft()
            self._recent_samples -= samples
            self._recent_clipped -= clipped


def dbfs(amplitude: int) -> float:
    """Return an int16 amplitude in decibels below full scale."""
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude else -math.inf


class PeakLevel:
    """Measures the peak level of the last `RECENT` seconds, and warns of notes too quiet."""

    def __init__(self) -> None:
        self._now = 0  # ns of sound
        self._last_note: int | None = None
        self._peaks: deque[tuple[int, int]] = deque()  # (time, amplitude), decreasing

    @property
    def peak(self) -> float:
        """The peak level in dBFS, -inf for digital silence."""
        return dbfs(self._peaks[0][1]) if self._peaks else -math.inf

    def feed(self, samples: np.ndarray, duration: int) -> None:
        """Measure int16 samples of any shape that last `duration` ns."""
        if not samples.size:
            return
        self._now += duration
        amplitude = max(int(samples.max()), -int(samples.min()))
        while self._peaks and self._peaks[-1][1] <= amplitude:
            self._peaks.pop()
        self._peaks.append((self._now, amplitude))
        while self._peaks[0][0] < self._now - RECENT * SECOND:
            self._peaks.popleft()

    def note_transcribed(self) -> None:
        """Record that a note was transcribed just now."""
        self._last_note = self._now

    def warning(self) -> str:
        """Return a warning, with a remedy, if notes are too quiet to transcribe well, else ''."""
        if self._last_note is None or self._now - self._last_note > RECENT * SECOND:
            return ''
        if self.peak >= LOWEST_PEAK:
            return ''
        return (
            f'the playing peaks at {self.peak:.0f} dBFS; below {LOWEST_PEAK:.0f} dBFS notes '
            'are missed: turn the gain of the microphone up, or move it closer'
        )
