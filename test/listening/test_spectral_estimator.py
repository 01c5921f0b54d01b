# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The estimator without a network, on a sampled piano whose notes are known."""

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
import mido
import mir_eval
import numpy as np
import pytest
import soundfile
import soxr

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.streaming_transcriber import StreamingTranscriber

RATE = 16000
SOUNDFONT = '/usr/share/sounds/sf2/TimGM6mb.sf2'
LEAD_IN = 0.5  # seconds
Note = tuple[float, float, int, int]  # onset and offset in seconds, pitch, velocity


def phrase() -> list[Note]:
    """Für Elise, the first eight bars, in sixteenths of 135 ms."""
    tune = [(76, 1), (75, 1), (76, 1), (75, 1), (76, 1), (71, 1), (74, 1), (72, 1)]
    answers = [
        (69, [60, 64, 69], [45, 52, 57]),
        (71, [64, 68, 71], [40, 52, 56]),
        (72, [64], [45, 52, 57]),
        (69, [60, 64, 69], [45, 52, 57]),
        (71, [64, 72, 71], [40, 52, 56]),
        (69, [], [45, 52, 57]),
    ]
    notes, now = [], 0

    def play(begin: int, length: int, pitch: int, velocity: int) -> None:
        onset = LEAD_IN + begin * 0.135
        notes.append((onset, onset + length * 0.128, pitch, velocity))

    for number, (melody, upbeat, accompaniment) in enumerate(answers):
        if number in (0, 3):
            for pitch, length in tune:
                play(now, length, pitch, 70)
                now += length
        play(now, 2, melody, 74)
        for place, pitch in enumerate(accompaniment):
            play(now + place, 2 if place == 2 else 1, pitch, 54)
        for place, pitch in enumerate(upbeat):
            play(now + 3 + place, 1, pitch, 64)
        now += 3 + len(upbeat)
    return notes


def render(notes: list[Note], folder) -> np.ndarray:
    """What a sampled piano makes of the notes, mono at 16 kHz."""
    moments = [(on, pitch, velocity) for on, _, pitch, velocity in notes]
    moments += [(off, pitch, 0) for _, off, pitch, _ in notes]
    track, last = mido.MidiTrack(), 0
    for time, pitch, velocity in sorted(moments, key=lambda m: (round(m[0] * 1000), m[2] > 0)):
        tick = round(time * 1000)
        track.append(mido.Message('note_on', note=pitch, velocity=velocity, time=tick - last))
        last = tick
    mido.MidiFile(ticks_per_beat=500, tracks=[track]).save(folder / 'phrase.mid')
    command = ['fluidsynth', '-ni', '-g', '1', '-r', '44100', '-F', 'phrase.wav']
    subprocess.run(
        [*command, SOUNDFONT, 'phrase.mid'], cwd=folder, check=True, capture_output=True
    )
    sound, rate = soundfile.read(folder / 'phrase.wav', dtype='float32')
    return soxr.resample(sound.mean(axis=1), rate, RATE)


def hear(sound: np.ndarray) -> list[Note]:
    transcriber = StreamingTranscriber(SpectralEstimator())
    sounding, notes = {}, []
    for event in transcriber.process(sound) + transcriber.flush():
        pitch, velocity, _ = event.values
        if is_note_on(event):
            sounding[pitch] = event.time / 1e9, velocity
        else:
            onset, struck = sounding.pop(pitch)
            notes.append((onset, event.time / 1e9, pitch, struck))
    assert not sounding
    return notes


def matched(meant: list[Note], heard: list[Note]) -> list[tuple[Note, Note]]:
    intervals = [
        np.array([(on, max(off, on + 0.01)) for on, off, _, _ in notes])
        for notes in (meant, heard)
    ]
    hertz = [np.array([440 * 2 ** ((n[2] - 69) / 12) for n in notes]) for notes in (meant, heard)]
    pairs = mir_eval.transcription.match_notes(
        intervals[0], hertz[0], intervals[1], hertz[1], offset_ratio=None
    )
    return [(meant[i], heard[j]) for i, j in pairs]


@pytest.fixture(scope='module')
def elise(tmp_path_factory) -> np.ndarray:
    return render(phrase(), tmp_path_factory.mktemp('elise'))


@pytest.fixture(scope='module')
def scale(tmp_path_factory) -> list[tuple[Note, Note]]:
    """Four keys at four velocities, as they were meant and as they are heard."""
    notes = [
        (LEAD_IN + index * 0.6, LEAD_IN + index * 0.6 + 0.5, pitch, velocity)
        for index, (pitch, velocity) in enumerate(
            (pitch, velocity) for pitch in (48, 60, 72, 84) for velocity in (30, 60, 90, 120)
        )
    ]
    return matched(notes, hear(render(notes, tmp_path_factory.mktemp('scale'))))


def test_a_phrase_is_heard(elise):
    meant = phrase()
    heard = hear(elise)
    pairs = matched(meant, heard)
    assert 2 * len(pairs) / (len(meant) + len(heard)) >= 0.9
    errors = [one[0] - other[0] for other, one in pairs]
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.02


@pytest.mark.parametrize('gain_db', [-20, 6])
def test_a_phrase_is_heard_soft_or_loud(elise, gain_db):
    meant = phrase()
    heard = hear(elise * np.float32(10 ** (gain_db / 20)))
    assert 2 * len(matched(meant, heard)) / (len(meant) + len(heard)) >= 0.85


def test_a_phrase_is_heard_in_noise(elise):
    meant = phrase()
    noise = np.random.default_rng(0).standard_normal(len(elise)).astype(np.float32)
    heard = hear(elise + noise * np.float32(10 ** (-50 / 20)))
    assert 2 * len(matched(meant, heard)) / (len(meant) + len(heard)) >= 0.85


def test_velocity_follows_the_played_velocity(scale):
    assert len(scale) >= 12
    wanted, found = np.array([(m[3], h[3]) for m, h in scale], float).T
    assert np.corrcoef(wanted, found)[0, 1] > 0.8
    for pitch in (48, 60, 72, 84):
        touches = sorted((m[3], h[3]) for m, h in scale if m[2] == pitch)
        heard = [h for _, h in touches]
        assert heard == sorted(set(heard))
    assert np.abs(found - wanted).mean() < 15


def test_notes_end_about_when_they_are_released(scale):
    late = [heard[1] - note[1] for note, heard in scale]
    assert np.median(np.abs(late)) < 0.15


@pytest.mark.parametrize('colour', ['silence', 'white', 'brown', 'hum'])
def test_no_note_is_invented(colour):
    count = 4 * RATE
    noise = np.random.default_rng(4).standard_normal(count)
    sound = {
        'silence': np.zeros(count),
        'white': noise,
        'brown': np.convolve(noise, 0.99 ** np.arange(1000), 'same'),
        'hum': np.sin(2 * np.pi * 50 * np.arange(count) / RATE),
    }[colour]
    if sound.any():
        sound = sound / np.sqrt(np.mean(sound**2)) * 10 ** (-55 / 20)
    assert hear(sound.astype(np.float32)) == []


@pytest.fixture(scope='module')
def opening(elise) -> tuple[np.ndarray, list[TimedEvent]]:
    """The first two seconds, and what is heard of them when they come in one piece."""
    sound = elise[: 2 * RATE]
    whole = StreamingTranscriber(SpectralEstimator())
    return sound, whole.process(sound) + whole.flush()


@settings(max_examples=4)
@given(lengths=st.lists(st.integers(1, 5000), min_size=5, max_size=200))
def test_the_events_do_not_depend_on_the_chunks(opening, lengths):
    sound, expected = opening
    assert len(expected) > 10
    pieces = StreamingTranscriber(SpectralEstimator())
    cuts = np.cumsum(lengths)
    events = [e for part in np.split(sound, cuts[cuts < len(sound)]) for e in pieces.process(part)]
    assert events + pieces.flush() == expected
