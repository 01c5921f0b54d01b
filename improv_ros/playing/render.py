"""Events to audio in memory, faster than real time."""

from collections.abc import Sequence
from pathlib import Path
import wave

import numpy as np

from improv_ros.event_text import TimedEvent
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.schedule import Schedule
from improv_ros.playing.synth import Synth

SECOND = 1_000_000_000  # nanoseconds
GAIN = 2.0  # phrases of velocity 64 to 100 peak between -12 and -3 dBFS
LARGEST_PEAK = 10 ** (-1 / 20)  # louder is scaled down to this, -1 dBFS
LONGEST = 4 * 3600  # seconds


def render(
    events: Sequence[TimedEvent],
    soundfont: str = '',
    sample_rate: int = 44100,
    tail: float = 2.0,
    start: int | None = None,
) -> np.ndarray:
    """
    Return what the events sound like: int16 of shape (frames, 2), never clipped.

    The first frame is at time `start` (ns), by default that of the first event; `tail` seconds
    follow the last. A `cl` withdraws and releases as it does in the player.
    """
    schedule = Schedule(late_tolerance=0, limit=len(events) + 1)
    first = min((event.time for event in events), default=0)
    last = max((event.time for event in events), default=0)
    schedule.add(events, now=first)
    start = first if start is None else start
    if last - start > LONGEST * SECOND:
        raise PlayingError(f'more than {LONGEST // 3600} hours are too long to be rendered')

    synth = Synth(soundfont, GAIN, sample_rate)
    try:
        pieces = []
        rendered = 0

        def render_until(time: int) -> None:
            nonlocal rendered
            frames = max(0, (time - start) * sample_rate // SECOND - rendered)
            pieces.append(np.frombuffer(synth.render(frames), np.float32))
            rendered += frames

        while (time := schedule.next_time()) is not None:
            render_until(time)
            for event in schedule.pop_due(time):
                synth.play(event)
        for event in schedule.release_all(last):
            synth.play(event)
        render_until(last + round(tail * SECOND))
    finally:
        synth.close()

    samples = np.concatenate(pieces).reshape(-1, 2)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > LARGEST_PEAK:
        samples *= LARGEST_PEAK / peak
    return np.round(samples * 32767).astype(np.int16)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write int16 samples of shape (frames, channels) as a WAV file."""
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples, '<i2').tobytes())
