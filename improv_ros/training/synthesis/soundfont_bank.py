# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The bank of an instrument in a soundfont, rendered by fluidsynth."""

from pathlib import Path

import numpy as np

from improv_ros.event_text import control_change, note_on
from improv_ros.event_text.events import TimedEvent
from improv_ros.playing import PlayingError
from improv_ros.playing.synth.fluidsynth_synth import Synth
from improv_ros.training.synthesis.bank import (
    LOWEST_PITCH,
    SAMPLE_RATE,
    Bank,
    build_bank,
    sample_seconds,
)
from improv_ros.training.synthesis.synthesis_error import SynthesisError

VELOCITIES = [8, 24, 40, 56, 72, 88, 104, 122]
_RATE = 48000  # three times SAMPLE_RATE, because at 16 kHz fluidsynth aliases
_BLOCK = 24000
_SILENT = 10 ** (-66 / 20)
_BANK_SELECT, _ALL_SOUND_OFF = 0, 120


def build_soundfont_bank(
    soundfont: Path,
    program: int = 0,
    bank: int = 0,
    mellow: bool = False,
    velocities: list[int] | None = None,
) -> Bank:
    """Return the bank of the instrument with a MIDI program and bank.

    mellow: low-pass filter soft notes, for instruments with one sample for all velocities;
    velocities: of the layers. Raises SynthesisError if the file cannot be played or lacks the
    instrument.
    """
    import soxr

    layers = velocities or VELOCITIES
    try:
        synth = Synth(str(soundfont), gain=0.5, sample_rate=_RATE, effects=False)
    except PlayingError as error:
        raise SynthesisError(str(error)) from error
    synth.play(control_change(0, _BANK_SELECT, bank))
    synth.play(TimedEvent(0, 'pc', (0, program)))

    def note(key: int, layer: int) -> np.ndarray:
        sound = _play(synth, key + LOWEST_PITCH, layers[layer], sample_seconds(key))
        if not sound.any():
            raise SynthesisError(
                f'{soundfont}: program {program} of bank {bank} is silent at pitch '
                f'{key + LOWEST_PITCH}: give another program'
            )
        sound = soxr.resample(sound, _RATE, SAMPLE_RATE)
        return _mellowed(sound, key, layers[layer]) if mellow else sound

    try:
        return build_bank(note, layers)
    finally:
        synth.close()


def _play(synth: Synth, pitch: int, velocity: int, seconds: float) -> np.ndarray:
    """Return a note held until it is inaudible, float32 mono at `_RATE`."""
    synth.play(note_on(0, pitch, velocity))
    blocks: list[np.ndarray] = []
    peak = 0.0
    while len(blocks) * _BLOCK < seconds * _RATE:
        stereo = np.array(synth.render(_BLOCK), dtype=np.float32).reshape(-1, 2)
        blocks.append(stereo.mean(axis=1))
        loudest = float(np.abs(blocks[-1]).max())
        peak = max(peak, loudest)
        if loudest <= peak * _SILENT:
            break
    synth.play(control_change(0, _ALL_SOUND_OFF, 0))
    synth.render(_BLOCK // 4)
    return np.concatenate(blocks)


def _mellowed(sound: np.ndarray, key: int, velocity: int) -> np.ndarray:
    from scipy.signal import butter, lfilter

    f0 = 440 * 2 ** ((key + LOWEST_PITCH - 69) / 12)
    edge = max(2.5 * f0, 350) * 2 ** (5.5 * velocity / 127)
    if edge > 0.45 * SAMPLE_RATE:
        return sound
    return lfilter(*butter(1, edge, fs=SAMPLE_RATE), sound).astype(np.float32)
