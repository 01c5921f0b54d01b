# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rendering a score with a sample bank: the dry sound of a piano, without a room."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from improv_ros.training.synthesis.bank import (
    KEYS,
    LEAD,
    LOWEST_PITCH,
    SAMPLE_RATE,
    UNDAMPED,
    Bank,
)
from improv_ros.training.synthesis.score import (
    OFFSET,
    ONSET,
    PITCH,
    VELOCITY,
    Score,
    sounding_ends,
)

_SILENT_AFTER = 6.0  # time constants, of a damped note
_RESTRIKE_SECONDS = 0.025  # time constant of a note whose key is pressed again
_TAIL = 2.0  # seconds, of the sympathetic resonance
_KNOCK = int(0.12 * SAMPLE_RATE)


@dataclass
class PianoRegulation:
    """The tuning, regulation and response of a piano in one recording.

    cents: float (88,), deviation of each key from its pitch; gains: float (88,), factor on each
    key; dynamics: dB between velocity 127 and a tenth of it; timbre: offset in velocity for the
    choice of the layer; release: float (88,), time constants of the dampers in seconds;
    resonance, knock: levels of the undamped strings, and of the knocks of keys and pedal.
    """

    cents: np.ndarray
    gains: np.ndarray
    dynamics: float
    timbre: float
    release: np.ndarray
    resonance: float
    knock: float


def draw_regulation(random: np.random.Generator) -> PianoRegulation:
    """Return a random regulation."""
    keys = np.arange(KEYS)
    # This includes the error of a sampling clock: 0.3 % is 5 cents.
    whole = random.uniform(-50, 50) if random.random() < 0.2 else random.normal(0, 7)
    stretch = random.normal(0, 8) * ((keys - 39) / 48) ** 3
    cents = whole + stretch + random.normal(0, random.uniform(0, 5), KEYS)
    tilt = random.normal(0, 2.5) * (keys - 44) / 44
    gains = 10 ** ((tilt + random.normal(0, random.uniform(0, 2), KEYS)) / 20)
    slow = np.exp(random.normal(0, 0.4))
    return PianoRegulation(
        cents=cents,
        gains=gains,
        dynamics=random.uniform(20, 46),
        timbre=random.normal(-8, 14),
        release=slow * (0.05 + 0.15 * np.exp(-keys / 30)),
        resonance=10 ** (random.uniform(-36, -18) / 20) if random.random() < 0.7 else 0.0,
        knock=10 ** (random.uniform(-50, -26) / 20) if random.random() < 0.7 else 0.0,
    )


def render(
    score: Score,
    bank: Bank,
    regulation: PianoRegulation,
    random: np.random.Generator,
    seconds: float,
) -> np.ndarray:
    """Return the sound of a score, float32, mono, 16 kHz; the peak of a loud note is about 1."""
    frames = round(seconds * SAMPLE_RATE)
    sound = np.zeros(frames + SAMPLE_RATE, dtype=np.float32)
    ends = sounding_ends(score)
    struck_again = _next_onsets(score)
    layers = _nearest(bank.velocities, score.notes[:, VELOCITY] + regulation.timbre)
    for note, end, again, layer in zip(score.notes, ends, struck_again, layers, strict=True):
        key = int(note[PITCH]) - LOWEST_PITCH
        gain = regulation.gains[key] * 10 ** (
            regulation.dynamics * np.log10(note[VELOCITY] / 127) / 20
        )
        start = round(note[ONSET] * SAMPLE_RATE) - LEAD
        wave = _note(bank, int(layer), key, regulation, end - note[ONSET], again - note[ONSET])
        wave = wave[max(0, -start) : len(sound) - max(0, start)]
        sound[max(0, start) :][: len(wave)] += np.float32(gain) * wave
    if regulation.resonance and len(score.pedal):
        sound += np.float32(regulation.resonance) * _sympathetic(
            sound, score.pedal, regulation, random
        )
    if regulation.knock:
        _add_knocks(sound, score, regulation, random)
    return sound[:frames]


def _next_onsets(score: Score) -> np.ndarray:
    """Return when the key of each note is pressed again, or infinity."""
    again = np.full(len(score.notes), np.inf)
    for pitch in np.unique(score.notes[:, PITCH]):
        same = np.flatnonzero(score.notes[:, PITCH] == pitch)
        again[same[:-1]] = score.notes[same[1:], ONSET]
    return again


def _nearest(layers: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    return np.abs(velocities[:, None] - layers[None, :]).argmin(axis=1)


def _note(
    bank: Bank, layer: int, key: int, regulation: PianoRegulation, held: float, again: float
) -> np.ndarray:
    """Return a note, float32: its sample, tuned, and damped at its end.

    held, again: seconds from the onset to the end, and to the next onset of the key.
    """
    sample = bank.sample(layer, key)
    ratio = 2 ** (regulation.cents[key] / 1200)
    tau = float(regulation.release[key])
    longest = again + _SILENT_AFTER * _RESTRIKE_SECONDS
    if key < UNDAMPED:
        longest = min(longest, held + _SILENT_AFTER * tau)
    wanted = (longest + 0.01) * SAMPLE_RATE + LEAD
    wave = _resampled(sample, ratio, int(min(wanted, len(sample) / ratio)))
    wave *= bank.gains[layer, key]
    if key < UNDAMPED:
        _damp(wave, held, tau)
    _damp(wave, again, _RESTRIKE_SECONDS)
    return wave


def _damp(wave: np.ndarray, begin: float, tau: float) -> None:
    """Damp a note in place, from `begin` seconds after its onset, with time constant `tau`."""
    if begin * SAMPLE_RATE + LEAD >= len(wave):
        return
    first = int(begin * SAMPLE_RATE) + LEAD
    since = np.arange(len(wave) - first, dtype=np.float32)
    wave[first:] *= np.exp(since / np.float32(-tau * SAMPLE_RATE))


def _resampled(sample: np.ndarray, ratio: float, length: int) -> np.ndarray:
    """Return a sample at `ratio` times its speed, by cubic interpolation, float32."""
    if abs(ratio - 1) < 2e-4:
        return sample[:length].astype(np.float32)
    last = min(int(length * ratio) + 3, len(sample))
    source = np.pad(sample[:last].astype(np.float32), (1, 3))
    place = np.arange(length) * ratio
    whole = place.astype(np.int64)
    t = (place - whole).astype(np.float32)
    np.minimum(whole, len(source) - 4, out=whole)
    before, here, after, next_ = (source[whole + shift] for shift in range(4))
    # Catmull-Rom spline, in Horner's form.
    a = 0.5 * (next_ - before) + 1.5 * (here - after)
    b = before - 2.5 * here + 2 * after - 0.5 * next_
    return here + t * (0.5 * (after - before) + t * (b + t * a))


def _sympathetic(
    sound: np.ndarray, pedal: np.ndarray, regulation: PianoRegulation, random: np.random.Generator
) -> np.ndarray:
    """Return the sympathetic resonance of the strings while the pedal is down."""
    down = _pedal_curve(pedal, len(sound))
    strings = 27.5 * 2 ** ((np.arange(KEYS) + regulation.cents / 100) / 12)
    partials = np.outer(np.arange(1, 7), strings)
    partials *= 1 + random.normal(0, 3e-4, partials.shape)
    # The frequency response: narrow peaks at all partials, smoothed by the decay.
    length = int(_TAIL * SAMPLE_RATE)
    spectrum = np.zeros(length // 2 + 1, dtype=np.complex64)
    heard = partials[partials < 0.9 * SAMPLE_RATE / 2]
    phases = np.exp(2j * np.pi * random.random(len(heard)))
    np.add.at(spectrum, np.round(heard * _TAIL).astype(int), phases / np.sqrt(1 + heard / 400))
    tail = fft.irfft(spectrum, length) * np.exp(-np.arange(length) / (0.5 * SAMPLE_RATE))
    tail[: int(0.02 * SAMPLE_RATE)] *= np.linspace(0, 1, int(0.02 * SAMPLE_RATE))
    tail /= np.sqrt((tail**2).sum())
    answer = convolve(sound * down, tail.astype(np.float32))[: len(sound)]
    return answer * down


def _pedal_curve(pedal: np.ndarray, frames: int) -> np.ndarray:
    """Return the position of the dampers, 0 on the strings to 1 lifted, float32."""
    times = [0.0]
    values = [0.0]
    for down, up in pedal:
        times += [down, down + 0.03, max(up, down + 0.03), up + 0.15]
        values += [0, 1, 1, 0]
    places = np.maximum.accumulate(np.array(times)) * SAMPLE_RATE
    return np.interp(np.arange(frames), places, values).astype(np.float32)


def _add_knocks(
    sound: np.ndarray, score: Score, regulation: PianoRegulation, random: np.random.Generator
) -> None:
    """Add the knocks of pressed and released keys and of the pedal, in place."""
    t = np.arange(_KNOCK) / SAMPLE_RATE
    thumps = []
    for _ in range(6):
        modes = random.uniform(50, 500, 5)
        thump = (random.normal(size=5) @ np.sin(2 * np.pi * modes[:, None] * t)) * np.exp(
            -t / 0.02
        )
        thump += 0.4 * random.normal(size=_KNOCK) * np.exp(-t / 0.006)
        thump *= np.minimum(t / 0.004, 1)
        thumps.append((thump / np.abs(thump).max()).astype(np.float32))
    strengths = score.notes[:, VELOCITY] / 127
    moments = np.concatenate(
        [score.notes[:, ONSET], score.notes[:, OFFSET], score.pedal[:, 0], score.pedal[:, 1]]
    )
    loudness = np.concatenate(
        [strengths, 0.3 * np.ones(len(strengths)), 1.5 * random.random(2 * len(score.pedal))]
    )
    for moment, loud in zip(moments, loudness, strict=True):
        start = int(moment * SAMPLE_RATE)
        thump = thumps[int(random.integers(6))][: max(0, len(sound) - start)]
        sound[start : start + len(thump)] += np.float32(regulation.knock * loud) * thump


def convolve(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the full convolution of two signals, float32."""
    length = len(sound) + len(response) - 1
    size = fft.next_fast_len(length, real=True)
    product = fft.rfft(sound.astype(np.float32), size) * fft.rfft(
        response.astype(np.float32), size
    )
    return fft.irfft(product, size)[:length]
