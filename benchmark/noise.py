# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Counts the notes that are invented in noise. Six kinds of noise are synthesized as a microphone
in a room would record them: the room itself, mains hum, speech (espeak-ng), footsteps and knocks,
the motors of a robot, applause. They are made once and stored in FOLDER. `--recorded` adds
recorded noise. No network was trained on any of them. Every transcribed note counts as invented.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import subprocess
import tempfile

import numpy as np
import soundfile

from benchmark.harness import Column, Result, option

RATE = 16000
TEXTS = (
    'Shall we take the second theme a little slower? I find that it wants to breathe.',
    'No, leave the lid open. The microphone stands by the window, and we hear the street.',
    'One, two, three, four. Once more from the double bar, please, and softer in the left hand.',
    'The robot waits until you have finished. Then it answers, for about as long as you played.',
    'I once heard a pianist in a station hall; trains came and went, and nobody moved.',
)
VOICES = ('en', 'en-us+f3', 'en-gb+m4', 'de', 'fr+f2')

Sound = np.ndarray  # mono, full scale 1.0
Generator = np.random.Generator


def spectrum(length: int, shape: Callable[[Sound], Sound], random: Generator) -> Sound:
    """Return noise whose amplitude over frequency (Hz) is `shape`, with an RMS of 1."""
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    phases = np.exp(2j * np.pi * random.random(len(frequencies)))
    sound = np.fft.irfft(shape(np.maximum(frequencies, 20)) * phases, length)
    return sound / np.sqrt(np.mean(sound**2))


def low_pass(corner: float) -> Callable[[Sound], Sound]:
    """Return the shape of a low-pass filter; corner: Hz."""
    return lambda hertz: 1 / (1 + (hertz / corner) ** 2)


def band_pass(middle: float) -> Callable[[Sound], Sound]:
    """Return the shape of a band of two octaves; middle: Hz."""
    return lambda hertz: np.exp(-(np.log(hertz / middle) ** 2) * 2)


def in_a_room(sound: Sound, random: Generator, seconds: float = 0.4) -> Sound:
    """Return the sound with reverberation, which decays by 60 dB in `seconds`."""
    time = np.arange(round(seconds * RATE)) / RATE
    answer = random.normal(size=len(time)) * 10 ** (-3 * time / seconds) * 0.05
    answer[0] = 1
    length = 2 ** int(np.ceil(np.log2(len(sound) + len(answer))))
    return np.fft.irfft(np.fft.rfft(sound, length) * np.fft.rfft(answer, length), length)[
        : len(sound)
    ]


def room(length: int, random: Generator) -> Sound:
    """Return the noise of a room with a ticking clock."""
    sound = spectrum(length, lambda hertz: hertz**-0.7, random) * 10 ** (-50 / 20)
    tick = spectrum(160, lambda hertz: (hertz > 2000) * 1.0, random) * np.hanning(160) * 0.02
    for start in range(0, length - RATE, RATE):
        sound[start : start + 160] += tick
    return sound


def hum(length: int, random: Generator) -> Sound:
    """Return mains hum, whose harmonics swell and fade, and the noise of a fan."""
    time = np.arange(length) / RATE
    sound = spectrum(length, low_pass(400), random) * 0.004
    for partial in range(1, 13):
        swell = 1 + 0.5 * np.sin(2 * np.pi * random.uniform(0.01, 0.2) * time)
        sound += 0.02 / partial**1.3 * swell * np.sin(2 * np.pi * 50 * partial * time)
    return sound


def speech(length: int, random: Generator) -> Sound:
    """Return sentences of several voices at several distances, with pauses."""
    sound = spectrum(length, lambda hertz: hertz**-0.7, random) * 10 ** (-55 / 20)
    at = RATE // 2
    while at < length:
        said = say(
            str(random.choice(TEXTS)),
            str(random.choice(VOICES)),
            int(random.integers(120, 200)),
            int(random.integers(20, 80)),
        )[: length - at]
        sound[at : at + len(said)] += said * 10 ** (random.uniform(-24, -6) / 20)
        at += len(said) + int(RATE * random.uniform(0.3, 2))
    return in_a_room(sound, random)


def say(text: str, voice: str, words_a_minute: int, pitch: int) -> Sound:
    """Return a text spoken by espeak-ng, with a peak of 1."""
    with tempfile.NamedTemporaryFile(suffix='.wav') as file:
        command = ['espeak-ng', '-v', voice, '-s', str(words_a_minute), '-p', str(pitch)]
        subprocess.run([*command, '-w', file.name, text], check=True)
        sound, rate = soundfile.read(file.name)
    times = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    said = np.interp(times, np.arange(len(sound)), sound)
    return said / np.abs(said).max()


def footsteps(length: int, random: Generator) -> Sound:
    """Return footsteps and knocks."""
    sound = spectrum(length, lambda hertz: hertz**-0.7, random) * 10 ** (-55 / 20)
    at = 0
    while (at := at + int(RATE * random.choice([0.5, 0.55, 0.6, 2.5]))) < length - RATE:
        size = int(RATE * random.uniform(0.05, 0.25))
        low = random.uniform(60, 400)
        step = spectrum(size, low_pass(low), random)
        fall = np.exp(-np.arange(size) / RATE * random.uniform(20, 60))
        sound[at : at + size] += step * fall * 10 ** (random.uniform(-40, -20) / 20)
    return in_a_room(sound, random)


def motors(length: int, random: Generator) -> Sound:
    """Return geared motors that change speed: a whine of gliding pitch, and a switching tone."""
    turns = np.interp(
        np.arange(length),
        np.arange(0, length + RATE, RATE // 2),
        random.choice([0.0, 20, 35, 50, 80], size=len(range(0, length + RATE, RATE // 2))),
    )
    phase = 2 * np.pi * np.cumsum(turns) / RATE
    whine = sum(np.sin(phase * order) / order**0.5 for order in (1, 8, 16, 23, 46))
    rush = spectrum(length, lambda hertz: hertz / (1000 + hertz**1.5), random)
    time = np.arange(length) / RATE
    sound = (0.01 * whine + 0.006 * rush) * np.sqrt(turns / 80)
    return in_a_room(sound + 0.001 * np.sin(2 * np.pi * 7800 * time), random)


def applause(length: int, random: Generator) -> Sound:
    """Return applause that swells and fades."""
    sound = spectrum(length, lambda hertz: hertz**-0.7, random) * 10 ** (-55 / 20)
    claps = [
        spectrum(320, band_pass(at), random) * np.exp(-np.arange(320) / 60)
        for at in (800, 1000, 1300, 1700)
    ]
    time = np.arange(length) / RATE
    chance = 60 / RATE * np.clip(np.sin(2 * np.pi * time / 30) + 0.3, 0, 1)
    for start in np.flatnonzero(random.random(length) < chance):
        clap = claps[random.integers(len(claps))][: length - start]
        sound[start : start + len(clap)] += clap * 10 ** (random.uniform(-45, -25) / 20)
    return in_a_room(sound, random, 0.8)


KINDS = {kind.__name__: kind for kind in (room, hum, speech, footsteps, motors, applause)}


def make(folder: Path, seconds: float) -> None:
    """Write `seconds` of each kind of noise that is not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, kind) in enumerate(KINDS.items()):
        path = folder / f'{name}.flac'
        if not path.is_file():
            sound = kind(round(seconds * RATE), np.random.default_rng(number))
            soundfile.write(path, np.clip(sound, -1, 1), RATE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'folder', type=Path, metavar='FOLDER', help='folder that keeps the noise as FLAC files'
    )
    option(parser, '--minutes', 60.0, 'length of all synthesized noise, in minutes')
    parser.add_argument(
        '--recorded',
        type=Path,
        nargs='+',
        default=[],
        metavar='FOLDER',
        help='folders of recordings in which nobody plays, to transcribe too (default: none)',
    )
    parser.add_argument(
        '--model-file',
        default='',
        metavar='FILE',
        help='.tflite or .keras file of the transcriber, or spectral (default: the shipped one)',
    )
    option(parser, '--processes', 1, 'files transcribed at a time')


def run(arguments: argparse.Namespace, result: Result) -> None:
    from benchmark.transcription import transcribe_all
    from improv_ros.training.transcriber.recordings import find

    make(arguments.folder, arguments.minutes * 60 / len(KINDS))
    table = result.table(
        'Invented notes',
        Column('noise', width=12),
        Column('minutes', '.1f'),
        Column('notes', 'd'),
        Column('notes per minute', '.2f'),
    )
    for folder in (arguments.folder, *arguments.recorded):
        minutes, invented = 0.0, 0
        recordings = find(folder, None)
        transcriptions = transcribe_all(arguments.model_file, recordings, arguments.processes)
        for recording, transcription in zip(recordings, transcriptions, strict=True):
            length, notes = recording.seconds / 60, len(transcription.notes)
            table.add(recording.name, length, notes, notes / length)
            minutes, invented = minutes + length, invented + notes
        table.add(f'all of {folder.name}', minutes, invented, invented / minutes)
