# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether a microphone hears the piano well enough, told in plain words before time is spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.note_matching import Note

Samples = npt.NDArray[np.float32]

_FRAME = 0.05  # seconds
_QUIET = -50.0  # dBFS; a room below it is quiet, whatever it does
_UNEVEN = 15.0  # dB between quiet and loud moments of a room where somebody talks
_MIN_ABOVE_NOISE = 12.0  # dB of the notes above the noise
_FULL_SCALE = 0.9999
_MAX_CLIPPED = 20  # samples
_REACH = 1.0  # seconds after a note in which it must be heard


class Loudness(NamedTuple):
    """Levels of frames in dBFS (RMS): the quietest fifth, and the loudest twentieth."""

    floor: float
    loud: float


def loudness(samples: Samples, sample_rate: int) -> Loudness:
    """Return how loud a recording is in its quiet and in its loud moments."""
    size = round(_FRAME * sample_rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return Loudness(-120.0, -120.0)
    frames = frames - frames.mean(axis=1, keepdims=True)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    return Loudness(float(np.percentile(levels, 20)), float(np.percentile(levels, 95)))


def problem_of_silence(samples: Samples, sample_rate: int) -> str:
    """Return what is wrong with a moment in which nothing was played; empty: nothing."""
    if not len(samples):
        return 'no sound arrives from the microphone: is it plugged in?'
    heard = loudness(samples, sample_rate)
    if heard.loud > _QUIET and heard.loud - heard.floor > _UNEVEN:
        return (
            'the room is not quiet: somebody talks or plays, or something else sounds '
            f'({heard.loud:.0f} dBFS in between {heard.floor:.0f} dBFS). Wait until it is quiet'
        )
    return ''


def problem_of_notes(
    samples: Samples,
    sample_rate: int,
    silence: Samples,
    onsets: Sequence[float],
    output: str,
) -> str:
    """Return what is wrong with a recording of some notes; empty: nothing.

    silence: the recording before them. onsets: when they were sent, in seconds of `samples`.
    output: what they were played on.
    """
    if not onsets:
        return f'the player played nothing on {output}: the lines above say why'
    if not samples.any():
        return (
            'the microphone gives nothing but zeros, it is muted: unmute it (alsamixer, '
            'pavucontrol), or choose another device'
        )
    clipped = int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))
    if clipped > _MAX_CLIPPED:
        return (
            f'the microphone is overdriven ({clipped} samples are clipped): turn its gain down, '
            'or move it away from the piano'
        )
    noise = loudness(silence, sample_rate).loud
    rises = []
    for onset in onsets:
        begin = max(0, round(onset * sample_rate))
        rises.append(
            loudness(samples[begin : begin + round(_REACH * sample_rate)], sample_rate).loud
        )
    above = float(np.median(rises)) - noise
    if above < _MIN_ABOVE_NOISE:
        where = {
            'port': 'is the piano switched on, its volume up, and is it what is connected to the '
            'MIDI port?',
            'synth': 'is the loudspeaker on, and its volume up?',
        }.get(output, 'does it sound?')
        return (
            f'the microphone hears nothing of the piano (the notes are {above:.0f} dB above the '
            f'noise, {_MIN_ABOVE_NOISE:.0f} are needed): {where} Is the right microphone chosen?'
        )
    return ''


def problem_of_hearing(sent: Sequence[Note], heard: Sequence[Note], matched: int) -> str:
    """Return what is wrong with what was heard of known notes; empty: nothing."""
    if matched >= len(sent) / 2:
        return ''
    if len(heard) < len(sent) / 3:
        return (
            f'only {len(heard)} of {len(sent)} notes were heard as notes: turn the microphone up, '
            'or move it closer to the piano'
        )
    return (
        f'{len(sent)} notes were played, and others were heard ({matched} agree): is the piano '
        'transposed, or does somebody else play?'
    )
