"""Sound of one sample rate to sound of another, heard live: with hardly any delay.

Each output sample is the input seen through a windowed sinc about the moment of that sample, of
which one table holds every position between two input samples; see Smith and Gossett, "A flexible
sampling-rate conversion method", ICASSP 1984. The filter is symmetric, so it delays nothing but
its own half width, which must have been heard: 1.6 ms at 16 kHz.
"""

from functools import lru_cache
from math import ceil, gcd

import numpy as np
import numpy.typing as npt

_CROSSINGS = 24  # of zero, to either side
_CUTOFF = 0.94  # of half the lower rate, down by 6 dB; flat to 0.85 of it, gone at 1.03
_BETA = 6.8  # of the Kaiser window: 70 dB
_MOST_POSITIONS = 512  # in the table, at full band; where there are more, the nearest is taken

_Floats = npt.NDArray[np.float32]


class RateConverter:
    """A stream of samples at one rate in, the same at another out, mono.

    Output sample k lies at k / rate_out seconds after the first input sample, before which all
    was as that: a constant offset does not begin with a click. What comes out depends on the
    samples alone, not on how they were cut into pieces.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """Rates in Hz."""
        self._table, self._half = _filter(rate_in, rate_out)
        divisor = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // divisor, rate_in // divisor
        self._input: _Floats = np.zeros(0, np.float32)
        self._first = 0  # which input sample stands first in _input
        self._next = 0  # which output sample is due

    def process(self, samples: _Floats) -> _Floats:
        """Return what can be said after these samples, float32."""
        if self._first + len(self._input) == 0 and len(samples):
            self._first = 1 - self._half
            self._input = np.full(self._half - 1, samples[0], np.float32)
        self._input = np.concatenate((self._input, samples), dtype=np.float32)
        heard = self._first + len(self._input)
        # Output k needs the input up to `half` after the last sample that is not later than it.
        until = max(self._next, -(-(heard - self._half) * self._up // self._down))
        outputs = np.arange(self._next, until)
        self._next = until
        before = outputs * self._down // self._up
        between = outputs * self._down % self._up
        rows = self._table[np.rint(between * ((len(self._table) - 1) / self._up)).astype(int)]
        begins = before - (self._half - 1) - self._first
        windows = self._input[begins[:, np.newaxis] + np.arange(2 * self._half)]
        converted: _Floats = np.einsum('ij,ij->i', windows, rows)
        self._forget(until * self._down // self._up - (self._half - 1))
        return converted

    def flush(self) -> _Floats:
        """End the stream: what is still to be said of the sound until its last sample."""
        heard = self._first + len(self._input)
        owed = ceil(heard * self._up / self._down) - self._next
        return self.process(np.resize(self._input[-1:], self._half))[:owed]

    def _forget(self, needed: int) -> None:
        """Let go of the input before sample `needed`."""
        past = min(max(0, needed - self._first), len(self._input))
        self._input = self._input[past:]
        self._first += past


@lru_cache(maxsize=8)
def _filter(rate_in: int, rate_out: int) -> tuple[_Floats, int]:
    """Return the table, (positions + 1, 2 * half), and `half`, input samples to either side.

    Row i holds the weights of the input about a moment i / positions after its sample number
    `half - 1`.
    """
    cutoff = _CUTOFF * min(1, rate_out / rate_in)  # of half the input's rate
    positions = min(rate_out // gcd(rate_in, rate_out), ceil(_MOST_POSITIONS * cutoff))
    half = ceil(_CROSSINGS / cutoff)
    moments = np.arange(positions + 1)[:, np.newaxis] / positions
    distance = (np.arange(1 - half, half + 1) - moments) * cutoff
    window = np.i0(_BETA * np.sqrt(np.maximum(0, 1 - (distance / _CROSSINGS) ** 2)))
    table = np.sinc(distance) * window
    table /= table.sum(axis=1, keepdims=True)
    return table.astype(np.float32), half
