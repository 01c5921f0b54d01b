"""A score played on a bank of samples: the dry sound of a piano, before any room."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from .bank import KEYS, LEAD, LOWEST_PITCH, SAMPLE_RATE, UNDAMPED, Bank
from .score import OFFSET, ONSET, PITCH, VELOCITY, Score, sounding_ends

_FADED = 6.0  # time constants after which a damped note is silent
_RESTRUCK = 0.025  # seconds: how quickly what a key sounded fades when it is struck again
_TAIL = 2.0  # seconds of sympathetic resonance
_KNOCK = int(0.12 * SAMPLE_RATE)


@dataclass
class Touch:
    """How one piano is tuned, regulated and touched in one recording.

    cents: float (88,), what each key is out of tune; gains: (88,), its unevenness; dynamics:
    dB between the loudest and a tenth of its velocity; timbre: velocities by which another
    layer is taken; release: time constants of the dampers, seconds (88,); resonance, knock:
    loudness of the undamped strings and of keys and pedal.
    """

    cents: np.ndarray
    gains: np.ndarray
    dynamics: float
    timbre: float
    release: np.ndarray
    resonance: float
    knock: float


def draw_touch(random: np.random.Generator) -> Touch:
    """Return a touch by chance."""
    keys = np.arange(KEYS)
    # A sampling clock that is off by 0.3 % is 5 cents, and counted in here.
    whole = random.uniform(-40, 40) if random.random() < 0.12 else random.normal(0, 7)
    stretch = random.normal(0, 8) * ((keys - 39) / 48) ** 3
    cents = whole + stretch + random.normal(0, random.uniform(0, 5), KEYS)
    tilt = random.normal(0, 2.5) * (keys - 44) / 44
    gains = 10 ** ((tilt + random.normal(0, random.uniform(0, 2), KEYS)) / 20)
    slow = np.exp(random.normal(0, 0.4))
    return Touch(
        cents=cents,
        gains=gains,
        dynamics=random.uniform(20, 46),
        timbre=random.normal(-8, 14),
        release=slow * (0.05 + 0.15 * np.exp(-keys / 30)),
        resonance=10 ** (random.uniform(-36, -18) / 20) if random.random() < 0.7 else 0.0,
        knock=10 ** (random.uniform(-50, -26) / 20) if random.random() < 0.7 else 0.0,
    )


def play(
    score: Score, bank: Bank, touch: Touch, random: np.random.Generator, seconds: float
) -> np.ndarray:
    """Return the sound of the score, float32, mono, 16 kHz, the loudest notes about 1."""
    frames = round(seconds * SAMPLE_RATE)
    sound = np.zeros(frames + SAMPLE_RATE, dtype=np.float32)
    ends = sounding_ends(score)
    struck_again = _next_onsets(score)
    layers = _nearest(bank.velocities, score.notes[:, VELOCITY] + touch.timbre)
    for note, end, again, layer in zip(score.notes, ends, struck_again, layers, strict=True):
        key = int(note[PITCH]) - LOWEST_PITCH
        gain = touch.gains[key] * 10 ** (touch.dynamics * np.log10(note[VELOCITY] / 127) / 20)
        start = round(note[ONSET] * SAMPLE_RATE) - LEAD
        wave = _note(bank, int(layer), key, touch, end - note[ONSET], again - note[ONSET])
        wave = wave[max(0, -start) : len(sound) - max(0, start)]
        sound[max(0, start) :][: len(wave)] += np.float32(gain) * wave
    if touch.resonance and len(score.pedal):
        sound += np.float32(touch.resonance) * _sympathetic(sound, score.pedal, touch, random)
    if touch.knock:
        _add_knocks(sound, score, touch, random)
    return sound[:frames]


def _next_onsets(score: Score) -> np.ndarray:
    """Return for each note when its key is struck again, infinity where it is not."""
    again = np.full(len(score.notes), np.inf)
    for pitch in np.unique(score.notes[:, PITCH]):
        same = np.flatnonzero(score.notes[:, PITCH] == pitch)
        again[same[:-1]] = score.notes[same[1:], ONSET]
    return again


def _nearest(layers: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    return np.abs(velocities[:, None] - layers[None, :]).argmin(axis=1)


def _note(bank: Bank, layer: int, key: int, touch: Touch, held: float, again: float) -> np.ndarray:
    """Return a note: its sample at its pitch, damped at its end, float32."""
    sample = bank.sample(layer, key)
    ratio = 2 ** (touch.cents[key] / 1200)
    tau = float(touch.release[key])
    longest = again + _FADED * _RESTRUCK
    if key < UNDAMPED:
        longest = min(longest, held + _FADED * tau)
    wanted = (longest + 0.01) * SAMPLE_RATE + LEAD
    wave = _resampled(sample, ratio, int(min(wanted, len(sample) / ratio)))
    wave *= bank.gains[layer, key]
    if key < UNDAMPED:
        _damp(wave, held, tau)
    _damp(wave, again, _RESTRUCK)
    return wave


def _damp(wave: np.ndarray, begin: float, tau: float) -> None:
    """Let a note fade from `begin` seconds after its onset, in place."""
    if begin * SAMPLE_RATE + LEAD >= len(wave):
        return
    first = int(begin * SAMPLE_RATE) + LEAD
    since = np.arange(len(wave) - first, dtype=np.float32)
    wave[first:] *= np.exp(since / np.float32(-tau * SAMPLE_RATE))


def _resampled(sample: np.ndarray, ratio: float, length: int) -> np.ndarray:
    """Return a sample played `ratio` times as fast, by cubic interpolation, float32."""
    if abs(ratio - 1) < 2e-4:
        return sample[:length].astype(np.float32)
    last = min(int(length * ratio) + 3, len(sample))
    source = np.pad(sample[:last].astype(np.float32), (1, 3))
    place = np.arange(length) * ratio
    whole = place.astype(np.int64)
    t = (place - whole).astype(np.float32)
    np.minimum(whole, len(source) - 4, out=whole)
    before, here, after, next_ = (source[whole + shift] for shift in range(4))
    # Catmull and Rom's spline, in Horner's form.
    a = 0.5 * (next_ - before) + 1.5 * (here - after)
    b = before - 2.5 * here + 2 * after - 0.5 * next_
    return here + t * (0.5 * (after - before) + t * (b + t * a))


def _sympathetic(
    sound: np.ndarray, pedal: np.ndarray, touch: Touch, random: np.random.Generator
) -> np.ndarray:
    """Return what all the undamped strings answer while the pedal is down."""
    down = _pedal_curve(pedal, len(sound))
    strings = 27.5 * 2 ** ((np.arange(KEYS) + touch.cents / 100) / 12)
    partials = np.outer(np.arange(1, 7), strings)
    partials *= 1 + random.normal(0, 3e-4, partials.shape)
    # The response in frequency: narrow peaks at all partials over a thin diffuse floor.
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
    """Return how far the dampers are off the strings, 0 to 1, float32."""
    times = [0.0]
    values = [0.0]
    for down, up in pedal:
        times += [down, down + 0.03, max(up, down + 0.03), up + 0.15]
        values += [0, 1, 1, 0]
    places = np.maximum.accumulate(np.array(times)) * SAMPLE_RATE
    return np.interp(np.arange(frames), places, values).astype(np.float32)


def _add_knocks(
    sound: np.ndarray, score: Score, touch: Touch, random: np.random.Generator
) -> None:
    """Add the thumps of keys that reach the bottom and come up, and of the pedal."""
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
        sound[start : start + len(thump)] += np.float32(touch.knock * loud) * thump


def convolve(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the full convolution of two signals, float32."""
    length = len(sound) + len(response) - 1
    size = fft.next_fast_len(length, real=True)
    product = fft.rfft(sound.astype(np.float32), size) * fft.rfft(
        response.astype(np.float32), size
    )
    return fft.irfft(product, size)[:length]
