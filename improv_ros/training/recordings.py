"""Recordings of a piano whose notes are known, as a network learns from them.

A recording is an audio file of 16 kHz with a .tsv of the same name beside it: a line a note, onset
and end of sounding (s), MIDI pitch and velocity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
import hashlib
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from improv_ros.listening.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.front_end import HOP, SAMPLE_RATE, FrontEnd

from .dataset import DatasetError
from .transcription.recordings import read_notes

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
    """A window of a group of recordings side by side, float16.

    group: which group of streams, int32 (streams,), the same for all of them; fresh: (streams,), 1
    where a recording begins;
    spectra: (streams, hops, BANDS, windows); targets: (streams, hops, 88, delays, 4), delayed.
    """

    group: np.ndarray
    fresh: np.ndarray
    spectra: np.ndarray
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


def read_lesson(path: Path, seconds: float | None = None) -> Lesson:
    """Return the spectra and targets of a recording, or of its first seconds."""
    frames = -1 if seconds is None else round(seconds * SAMPLE_RATE)
    samples, rate = soundfile.read(path, frames, dtype='float32', always_2d=True)
    if rate != SAMPLE_RATE:
        raise DatasetError(f'{path} has {rate} Hz; recordings to learn from have {SAMPLE_RATE}')
    spectra = FrontEnd().analyse(samples.mean(axis=1)).astype(np.float16)
    return Lesson(spectra, targets_of(read_notes(path.with_suffix('.tsv')), len(spectra)))


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

    Groups of streams take turns. Which passage comes as number n depends on the recordings and
    the seed alone. All recordings must have the same length. Analysis runs ahead, in processes
    of its own.

    delays: those of the network, in hops; groups, streams (in a group), hops: what there is of
    each in a passage.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        delays: Sequence[int],
        groups: int,
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
        self._paths, self._delays, self._seed = list(paths), tuple(delays), seed
        self._groups, self._streams, self._hops = groups, streams, hops
        self._processes = processes
        self._windows = lengths.pop() // hops

    def __len__(self) -> int:
        """How many passages it takes to hear every recording once."""
        return max(1, len(self._paths) * self._windows // self._streams)

    def passages(self, first: int = 0) -> Iterator[Passage]:
        """Yield passages, from the one of a number on."""
        with ProcessPoolExecutor(self._processes, get_context('spawn')) as pool:
            ahead: deque[tuple[int, list[tuple[int, int]]]] = deque()
            lessons: dict[int, Future[Lesson]] = {}
            for coming in count(first):
                ahead.append((coming, self._places(coming)))
                for slot, _ in ahead[-1][1]:
                    if slot not in lessons:
                        lessons[slot] = pool.submit(read_lesson, self._path(slot))
                if len(ahead) <= self._groups * self._windows // 2:
                    continue
                number, places = ahead.popleft()
                yield self._cut(number % self._groups, places, lessons)
                for slot, window in places:
                    if window == self._windows - 1:
                        del lessons[slot]

    def _places(self, number: int) -> list[tuple[int, int]]:
        """Which recordings of the endless row a passage reads, and which window of each."""
        turn, group = divmod(number, self._groups)
        in_all = self._groups * self._streams
        places = []
        for stream in range(group * self._streams, (group + 1) * self._streams):
            # The streams begin apart, so that not all recordings begin at once.
            window = turn + stream * self._windows // in_all
            lap, place = divmod(window, self._windows)
            places.append((lap * in_all + stream, place))
        return places

    def _path(self, slot: int) -> Path:
        epoch, place = divmod(slot, len(self._paths))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._paths))
        return self._paths[order[place]]

    def _cut(
        self, group: int, places: list[tuple[int, int]], lessons: dict[int, Future[Lesson]]
    ) -> Passage:
        spectra, targets = [], []
        for slot, window in places:
            lesson = lessons[slot].result()
            part = slice(window * self._hops, (window + 1) * self._hops)
            spectra.append(lesson.spectra[part])
            late = slice(max(0, part.start - max(self._delays)), part.stop)
            targets.append(delayed(lesson.targets[late], self._delays)[-self._hops :])
        fresh = np.array([window == 0 for _, window in places], np.float32)
        which = np.full(self._streams, group, np.int32)
        return Passage(which, fresh, np.stack(spectra), np.stack(targets))
