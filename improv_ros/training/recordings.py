"""Recordings of a piano whose notes are known, as a network learns from them.

A recording is an audio file of 16 kHz with a .tsv of the same name beside it: a line a note, onset
and end of sounding (s), MIDI pitch and velocity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
import hashlib
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.front_end import HOP, SAMPLE_RATE, FrontEnd

from .dataset import DatasetError

WIDTH = 2.5
"""Hops to either side of an onset or an end over which its target falls to nothing."""

_SUFFIXES = ('.wav', '.flac')


class Lesson(NamedTuple):
    """What a network is to learn from a recording, float16.

    spectra: (hops, BANDS, windows); targets: (hops, 88, 4), the BELIEFS as they should be at
    each hop, without delay.
    """

    spectra: np.ndarray
    targets: np.ndarray


class Passage(NamedTuple):
    """A window of several recordings side by side, float16.

    spectra: (streams, hops, BANDS, windows); fresh: (streams,), 1 where a recording begins;
    targets: (streams, hops, 88, delays, 4), delayed.
    """

    spectra: np.ndarray
    fresh: np.ndarray
    targets: np.ndarray


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings under a folder, in order of name.

    Raises DatasetError if it is missing or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    found = sorted(
        path
        for path in folder.rglob('*')
        if path.suffix in _SUFFIXES and path.with_suffix('.tsv').is_file()
    )
    if not found:
        raise DatasetError(f'{folder} holds no .wav or .flac with a .tsv of its notes beside it')
    return found


def checksum_of(paths: Sequence[Path]) -> str:
    """Return the SHA-256 over the names and notes of recordings, which tell them apart."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f'{path.name}\n'.encode())
        digest.update(path.with_suffix('.tsv').read_bytes())
    return digest.hexdigest()


def read_notes(path: Path) -> np.ndarray:
    """Return the notes in a recording's .tsv, (notes, 4): onset, end (s), pitch, velocity.

    Raises DatasetError for a file that is none.
    """
    try:
        notes = np.loadtxt(path.with_suffix('.tsv'), ndmin=2).reshape(-1, 4)
    except ValueError as error:
        raise DatasetError(
            f'{path.with_suffix(".tsv")} is no list of onset, offset, pitch, velocity: {error}'
        ) from error
    return notes


def read_lesson(path: Path, seconds: float | None = None) -> Lesson:
    """Return the spectra and targets of a recording, or of its first seconds."""
    frames = -1 if seconds is None else round(seconds * SAMPLE_RATE)
    samples, rate = soundfile.read(path, frames, dtype='float32', always_2d=True)
    if rate != SAMPLE_RATE:
        raise DatasetError(f'{path} has {rate} Hz; recordings to learn from have {SAMPLE_RATE}')
    spectra = FrontEnd().analyse(samples.mean(axis=1)).astype(np.float16)
    return Lesson(spectra, targets_of(read_notes(path), len(spectra)))


def targets_of(notes: np.ndarray, hops: int) -> np.ndarray:
    """Return what should be believed at each hop, float16 (hops, 88, 4).

    Hop k is k * HOP samples after the beginning. Onset and offset rise and fall over `WIDTH`
    hops around the moment itself, so that its place between hops can be told (Kong et al.,
    "High-resolution piano transcription with pedals by regressing onset and offset times",
    2021); frame is 1 while a note sounds; velocity is that of a note while its onset is not 0.
    """
    targets = np.zeros((hops, PITCHES, 4), np.float16)
    around = np.arange(-int(WIDTH), int(WIDTH) + 2)
    for onset, end, pitch, velocity in notes:
        key = round(pitch) - LOWEST_PITCH
        begin, finish = onset * SAMPLE_RATE / HOP, end * SAMPLE_RATE / HOP
        if not 0 <= key < PITCHES or begin >= hops:
            continue
        targets[round(begin) : max(round(finish), round(begin) + 1), key, 1] = 1
        for kind, moment in ((0, begin), (2, finish)):
            near = int(moment) + around
            near = near[(near >= 0) & (near < hops)]
            height = np.maximum(1 - np.abs(near - moment) / WIDTH, 0)
            targets[near, key, kind] = np.maximum(targets[near, key, kind], height)
            if kind == 0:
                targets[near[height > 0], key, 3] = velocity / 127
    return targets


def delayed(targets: np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """Return targets as a network of these delays (hops) meets them, (hops, 88, delays, 4)."""
    late = np.zeros((len(targets), PITCHES, len(delays), 4), targets.dtype)
    for number, delay in enumerate(delays):
        late[delay:, :, number] = targets[: len(targets) - delay]
    return late


class Passages:
    """An endless supply of passages, each stream reading one recording after another.

    Which passage comes as number n depends on the recordings and the seed alone. All recordings
    must have the same length. Analysis runs ahead, in processes of its own.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        delays: Sequence[int],
        streams: int,
        hops: int,
        seed: int,
        processes: int = 1,
    ) -> None:
        lengths = {soundfile.info(path).frames // HOP for path in (paths[0], paths[-1])}
        if len(lengths) > 1 or min(lengths) < hops:
            raise DatasetError(
                f'recordings to learn from are of one length, {hops} hops or more; '
                f'{paths[0].parent} has some of {sorted(lengths)}'
            )
        self._paths, self._delays, self._streams = list(paths), tuple(delays), streams
        self._hops, self._seed, self._processes = hops, seed, processes
        self._windows = lengths.pop() // hops

    def __len__(self) -> int:
        """How many passages it takes to hear every recording once."""
        return max(1, len(self._paths) * self._windows // self._streams)

    def passages(self, first: int = 0) -> Iterator[Passage]:
        """Yield passages, from the one of a number on."""
        with ProcessPoolExecutor(self._processes, get_context('spawn')) as pool:
            analysing: dict[int, Future[Lesson]] = {}
            lessons: dict[int, Lesson] = {}
            number = first
            while True:
                places = [self._place(number, stream) for stream in range(self._streams)]
                for slot, _ in places:
                    for ahead in (slot, slot + self._streams):
                        if ahead not in analysing and ahead not in lessons:
                            analysing[ahead] = pool.submit(read_lesson, self._path(ahead))
                for slot, _ in places:
                    if slot not in lessons:
                        spectra, targets = analysing.pop(slot).result()
                        lessons[slot] = Lesson(spectra, delayed(targets, self._delays))
                yield self._cut(places, lessons)
                number += 1
                needed = {self._place(number, stream)[0] for stream in range(self._streams)}
                lessons = {slot: lessons[slot] for slot in lessons.keys() & needed}

    def _place(self, number: int, stream: int) -> tuple[int, int]:
        """Which recording of the endless row, and which window of it, a stream reads."""
        # The streams begin apart, so that not all recordings begin in the same passage.
        window = number + stream * self._windows // self._streams
        return window // self._windows * self._streams + stream, window % self._windows

    def _path(self, slot: int) -> Path:
        epoch, place = divmod(slot, len(self._paths))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._paths))
        return self._paths[order[place]]

    def _cut(self, places: list[tuple[int, int]], lessons: dict[int, Lesson]) -> Passage:
        parts = [slice(window * self._hops, (window + 1) * self._hops) for _, window in places]
        return Passage(
            np.stack([lessons[slot].spectra[part] for (slot, _), part in zip(places, parts)]),
            np.array([window == 0 for _, window in places], np.float32),
            np.stack([lessons[slot].targets[part] for (slot, _), part in zip(places, parts)]),
        )
