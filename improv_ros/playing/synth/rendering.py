# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rendering events to audio in memory, faster than real time."""

from collections.abc import Sequence
from pathlib import Path
import wave

import numpy as np

from improv_ros.event_text import SECOND, TimedEvent
from improv_ros.playing import PlayingError
from improv_ros.playing.note_schedule import NoteSchedule
from improv_ros.playing.synth.fluidsynth_synth import Synth

GAIN = 2.0  # phrases of velocity 64 to 100 peak between -12 and -3 dBFS
MAX_PEAK = 10 ** (-1 / 20)  # -1 dBFS; louder audio is scaled down to this peak
MAX_DURATION = 4 * 3600  # seconds


def render(
    events: Sequence[TimedEvent],
    soundfont: str = '',
    sample_rate: int = 44100,
    tail: float = 2.0,
    start: int | None = None,
) -> np.ndarray:
    """
    Return the audio of events: int16, shape (frames, 2), never clipped.

    soundfont: path; '' is the best that is installed.
    sample_rate: in hertz.
    tail: seconds after the last event.
    start: time of the first frame in nanoseconds; None is the time of the first event.

    A `cl` withdraws and releases notes as in the player. Raises PlayingError for more than 4
    hours, or if the synthesiser or the soundfont is missing.
    """
    schedule = NoteSchedule(late_tolerance=0, limit=len(events) + 1)
    first = min((event.time for event in events), default=0)
    last = max((event.time for event in events), default=0)
    schedule.add(events, now=first)
    start = first if start is None else start
    if last - start > MAX_DURATION * SECOND:
        raise PlayingError(f'music of more than {MAX_DURATION // 3600} hours cannot be rendered')

    synth = Synth(soundfont, GAIN, sample_rate)
    try:
        chunks = []
        rendered = 0  # frames

        def render_until(time: int) -> None:
            nonlocal rendered
            frames = max(0, (time - start) * sample_rate // SECOND - rendered)
            chunks.append(np.frombuffer(synth.render(frames), np.float32))
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

    samples = np.concatenate(chunks).reshape(-1, 2)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > MAX_PEAK:
        samples *= MAX_PEAK / peak
    return np.round(samples * 32767).astype(np.int16)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write int16 samples of shape (frames, channels) as a WAV file."""
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples, '<i2').tobytes())
