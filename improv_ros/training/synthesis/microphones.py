# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Microphones and recorders: frequency response, level, automatic gain, clipping, coding."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import fft, signal

from improv_ros.training.synthesis.bank import SAMPLE_RATE

_BLOCK = 160  # samples: 10 ms
_FRAME = 512  # samples, of the transform of the lossy coder


@dataclass
class Microphone:
    """A microphone and its recorder.

    low, high: cut-off frequencies in Hz, high 0: none; order: of the high-pass filter; peaks: of
    the frequency response, each (Hz, dB, Q); tilt: dB between low and high frequencies; turn: Hz
    in the middle of the tilt; peak: dBFS of the loudest sample; drift: standard deviation of the
    level in dB; compression: of the automatic gain control, 0 none, 1 constant level; clip:
    fraction of clipped samples; coder: quantisation steps of a lossy coder per peak of a band, 0
    none.
    """

    low: float
    high: float
    order: int
    peaks: list[tuple[float, float, float]]
    tilt: float
    turn: float
    peak: float
    drift: float
    compression: float
    clip: float
    coder: float

    def describe(self) -> dict[str, object]:
        """Return its parameters for the description of a recording."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if name != 'peaks'
        }


def draw_microphone(random: np.random.Generator) -> Microphone:
    """Return a random microphone."""

    def sometimes(chance: float, low: float, high: float) -> float:
        return float(random.uniform(low, high)) if random.random() < chance else 0.0

    small = random.random() < 0.15  # as in a laptop
    peaks = [
        (float(np.exp(random.uniform(np.log(80), np.log(7000)))), random.normal(0, 4), q)
        for q in random.uniform(0.5, 3, int(random.integers(0, 5)))
    ]
    return Microphone(
        low=float(random.uniform(120, 300) if small else np.exp(random.uniform(3.0, 4.7))),
        high=float(random.uniform(3500, 7500)) if small or random.random() < 0.1 else 0.0,
        order=int(random.integers(1, 3)),
        peaks=peaks,
        tilt=float(random.normal(-6, 6)),
        turn=float(np.exp(random.uniform(np.log(400), np.log(3000)))),
        peak=float(-3 - 42 * random.beta(1.2, 2.6)),
        drift=sometimes(0.15, 1, 6),
        compression=sometimes(0.12, 0.2, 0.8),
        clip=_share(sometimes(0.05, 2.5, 4.5)),
        coder=sometimes(0.08, 6, 30),
    )


def filtered(response: np.ndarray, microphone: Microphone) -> np.ndarray:
    """Return an impulse response convolved with that of a microphone, without delay, float32."""
    sound = np.pad(response, (0, SAMPLE_RATE // 20))
    sections = [
        signal.butter(microphone.order, microphone.low, 'high', fs=SAMPLE_RATE, output='sos')
    ]
    if microphone.high:
        sections.append(signal.butter(2, microphone.high, fs=SAMPLE_RATE, output='sos'))
    sections += [_peak(*peak) for peak in microphone.peaks]
    sections.append(_shelf(microphone.turn, microphone.tilt))
    return signal.sosfilt(np.concatenate(sections), sound).astype(np.float32)


def _peak(frequency: float, gain: float, q: float) -> np.ndarray:
    """Return a peaking filter as SOS (Bristow-Johnson, "Audio EQ cookbook")."""
    w, a = 2 * np.pi * frequency / SAMPLE_RATE, 10 ** (gain / 40)
    alpha = np.sin(w) / (2 * q)
    b = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a]
    return np.array([[*b, 1 + alpha / a, -2 * np.cos(w), 1 - alpha / a]]) / (1 + alpha / a)


def _shelf(frequency: float, gain: float) -> np.ndarray:
    """Return a first-order tilt filter around a frequency as SOS; gain: dB between both ends."""
    a = 10 ** (gain / 40)
    k = np.tan(np.pi * frequency / SAMPLE_RATE)
    b, c = np.array([a + k / a, k / a - a]), np.array([1 / a + k * a, k * a - 1 / a])
    return np.array([[*b, 0, *c, 0]]) / c[0]


def record(sound: np.ndarray, microphone: Microphone, random: np.random.Generator) -> np.ndarray:
    """Return a sound as the recorder of a microphone stores it, int16."""
    if microphone.compression:
        sound = _compressed(sound, microphone.compression)
    if microphone.drift:
        points = max(3, len(sound) // (8 * SAMPLE_RATE))
        wander = random.normal(0, microphone.drift, points)
        sound = sound * _curve(10 ** (wander / 20), len(sound))
    level = float(np.abs(sound).max())
    if level == 0:
        return np.zeros(len(sound), dtype=np.int16)
    sound = sound * np.float32(1 / level)
    if microphone.clip:
        limit = max(float(np.quantile(np.abs(sound), 1 - microphone.clip)), 0.05)
        sound = np.clip(sound / np.float32(limit), -1, 1)
    if microphone.coder:
        sound = _coded(sound, microphone.coder)
    scaled = sound * np.float32(32767 * 10 ** (microphone.peak / 20))
    dither = random.random(len(sound), dtype=np.float32) - np.float32(0.5)
    return np.clip(np.round(scaled + dither), -32768, 32767).astype(np.int16)


def _curve(values: np.ndarray, frames: int) -> np.ndarray:
    """Return equally spaced values interpolated linearly to a number of frames, float32."""
    places = np.linspace(0, frames - 1, len(values))
    return np.interp(np.arange(frames), places, values).astype(np.float32)


def _compressed(sound: np.ndarray, amount: float) -> np.ndarray:
    """Return a sound after an automatic gain control with fast attack and slow release."""
    blocks = np.abs(np.pad(sound, (0, -len(sound) % _BLOCK))).reshape(-1, _BLOCK).max(axis=1)
    level = np.maximum(blocks, 1e-3 * blocks.max() + 1e-9)
    decibels = 20 * np.log10(level)
    held = np.empty_like(decibels)
    state = decibels[0]
    for number, value in enumerate(decibels):
        state += (value - state) * (0.5 if value > state else 0.02)
        held[number] = state
    gain = 10 ** (-amount * (held - held.max()) / 20)
    return sound * _curve(np.minimum(gain, 30), len(sound))


def _coded(sound: np.ndarray, steps: float) -> np.ndarray:
    """Return a sound with the errors of a lossy coder, which quantises its short-time spectrum."""
    hop = _FRAME // 2
    window = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME).astype(np.float32)
    frames = 1 + (len(sound) + hop) // hop
    padded = np.pad(sound, (hop, (frames + 1) * hop - len(sound) - hop))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::hop] * window
    spectrum = fft.rfft(blocks.astype(np.float32), axis=1)
    edges = np.unique(np.round(np.geomspace(1, _FRAME // 2, 18)).astype(int))
    for low, high in zip(np.r_[0, edges[:-1]], np.r_[edges[:-1], _FRAME // 2 + 1], strict=True):
        band = spectrum[:, low:high]
        step = np.abs(band).max(axis=1, keepdims=True) / steps + 1e-9
        spectrum[:, low:high] = step * (
            np.round(band.real / step) + 1j * np.round(band.imag / step)
        )
    blocks = fft.irfft(spectrum, _FRAME, axis=1) * window
    out = np.zeros((len(blocks) + 1, hop), dtype=np.float32)
    out[:-1] += blocks[:, :hop]
    out[1:] += blocks[:, hop:]
    return out.reshape(-1)[hop : hop + len(sound)]


def _share(magnitude: float) -> float:
    return 10**-magnitude if magnitude else 0.0
