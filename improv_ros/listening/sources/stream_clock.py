"""When the frames of a stream sounded, from when its blocks happened to arrive."""

_NANOSECONDS = 1_000_000_000
_CLOCK_ERROR = 200e-6  # an audio clock may be this much slower than the computer's
_LOST = 0.25  # seconds; no block is that late unless sound is missing before it


class StreamClock:
    """Even times for blocks that arrive in bursts.

    A block can be handed over late but never early. So the truth is the earliest that any block
    arrived compared with its place in the stream; the estimate gives way upwards only as fast as
    a slow audio clock would make it, or at once where sound must have been lost.
    """

    def __init__(self, sample_rate: int, latency: float) -> None:
        """latency: seconds from the sound to the end of its block being handed over."""
        self._sample_rate = sample_rate
        self._latency = round(latency * _NANOSECONDS)
        self._next: int | None = None

    def time_of(self, arrival: int, frames: int, lost: bool = False) -> int:
        """ns of the first of `frames` frames whose block arrived at `arrival` ns.

        lost: frames are known to be missing before this block.
        """
        duration = frames * _NANOSECONDS // self._sample_rate
        time = arrival - self._latency - duration
        if self._next is not None and not lost and time - self._next < _LOST * _NANOSECONDS:
            time = min(time, self._next + round(duration * _CLOCK_ERROR))
        self._next = time + duration
        return time
