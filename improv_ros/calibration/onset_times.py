# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""When a note that is known to be somewhere near begins to sound, measured in the samples.

The level of bands above the fundamental is followed millisecond by millisecond. The note begins
where the bands that rise cross a level a little below their peak. Unlike the transcriber, this
needs the pitch and the approximate time, and tells two causes of a late onset apart: a late
instrument and a late network.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_WINDOW = 0.008  # seconds; resolution in time
_STEP = 0.001  # seconds
_BANDS = 8
_BEFORE_PEAK = 12.0  # dB below the peak of a band, where the note begins
_MIN_RISE = 15.0  # dB, of a band that counts
_MIN_BANDS = 2
_LOWEST = 500.0  # Hz; in the bass only the hammer is quick
_HIGHEST = 0.47  # of the sample rate


def onset_time(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    pitch: int,
    expected: float,
    tolerance: float = 0.06,
) -> float | None:
    """Return when a note of this pitch begins, in seconds; None where its attack is not clear.

    samples: mono, (samples,). expected: in seconds; the onset is within `tolerance` of it.
    """
    margin = 0.05
    first = round((expected - tolerance - margin) * sample_rate)
    last = round((expected + tolerance + margin) * sample_rate)
    if first < 0 or last > len(samples):
        return None
    levels = _levels(samples[first:last], sample_rate, pitch)
    begin = first / sample_rate + _WINDOW / 2
    # The rise from the loudest of 15 ms before to the loudest of 15 ms after each moment.
    span = round(0.015 / _STEP)
    rises = np.full(levels.shape, -np.inf)
    for place in range(span, len(levels) - span):
        before, after = levels[place - span : place - 2], levels[place : place + span]
        rises[place] = after.max(axis=0) - before.max(axis=0)
    inside = np.abs(begin + np.arange(len(levels)) * _STEP - expected) <= tolerance
    rises[~inside] = -np.inf
    strength = np.where(rises > _MIN_RISE, rises, 0).sum(axis=1)
    place = int(np.argmax(strength))
    if not strength[place]:
        return None
    bands = np.flatnonzero(rises[place] > _MIN_RISE)
    if len(bands) < _MIN_BANDS:
        return None
    crossings = [_crossing(levels[:, band], place, span) for band in bands]
    return begin + float(np.median(crossings)) * _STEP


def _crossing(level: Floats, place: int, span: int) -> float:
    """Return where a level last crosses `_BEFORE_PEAK` below its peak, in steps."""
    peak = place + int(np.argmax(level[place : place + span]))
    threshold = level[peak] - _BEFORE_PEAK
    index = peak
    while index > 0 and level[index - 1] > threshold:
        index -= 1
    if not index:
        return 0.0
    below, above = level[index - 1], level[index]
    return index - 1 + float((threshold - below) / max(above - below, 1e-9))


def _levels(samples: npt.NDArray[np.float32], sample_rate: int, pitch: int) -> Floats:
    """Return the level of each band in dB, (steps, bands)."""
    width = round(_WINDOW * sample_rate)
    windows = np.lib.stride_tricks.sliding_window_view(samples, width)[
        :: round(_STEP * sample_rate)
    ]
    power = np.abs(np.fft.rfft(windows * np.hanning(width), 4 * width, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(4 * width, 1 / sample_rate)
    lowest = max(0.8 * 440 * 2 ** ((pitch - 69) / 12), _LOWEST)
    highest = _HIGHEST * sample_rate
    edges = np.geomspace(min(lowest, highest / 3), highest, _BANDS + 1)
    bands = [
        power[:, (frequencies >= low) & (frequencies < max(high, low + 1 / _WINDOW))].sum(axis=1)
        for low, high in pairwise(edges)
    ]
    levels: Floats = 10 * np.log10(np.array(bands).T + 1e-9)
    return levels
