# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training examples of the transcriber: log spectra and target posteriors of recordings.

Recordings to train on have 16 kHz, one length, and their notes in a .tsv file beside each; see
`recordings`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
import hashlib
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from improv_ros.listening.transcription.estimator import LOWEST_PITCH, PITCHES
from improv_ros.listening.transcription.spectra import HOP, SAMPLE_RATE, FrontEnd
from improv_ros.training.transcriber.recordings import (
    Notes,
    RecordingError,
    audio_files,
    audio_info,
    notes_file,
    read_notes,
)

WIDTH = 2.5
"""Half the width, in hops, of the triangle that the target of an onset or offset is."""


class Example(NamedTuple):
    """The input and the target outputs of the network for a recording, float16.

    spectra: (hops, BANDS, windows). targets: (hops, 88, 4), in the order of OUTPUTS, 0 to 1,
    without delay.
    """

    spectra: np.ndarray
    targets: np.ndarray


class RecordingWindow(NamedTuple):
    """A window of a group of recordings side by side: one training batch.

    group: the number of the group, int32 (streams,), the same for all of its streams.
    fresh: float32 (streams,), 1 where a recording begins, else 0.
    spectra: float16 (streams, hops, BANDS, windows).
    targets: float16 (streams, hops, 88, delays, 4), delayed.
    """

    group: np.ndarray
    fresh: np.ndarray
    spectra: np.ndarray
    targets: np.ndarray


def labelled_recordings(folder: Path) -> list[Path]:
    """Return the audio files under a folder that have a .tsv file, sorted.

    Raises RecordingError if the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise RecordingError(f'there is no folder {folder}')
    found = [path for path in audio_files(folder) if notes_file(path).is_file()]
    if not found:
        raise RecordingError(f'{folder} holds no audio file with a .tsv of its notes beside it')
    return found


def checksum_of(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the names and notes of recordings."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f'{path.name}\n'.encode())
        digest.update(notes_file(path).read_bytes())
    return digest.hexdigest()


def common_length(paths: Sequence[Path], least: int) -> int:
    """Return the length in hops that all recordings have, from their headers.

    Raises RecordingError with the name of the first one that has another length than most, is
    shorter than `least` hops, has another sample rate, or cannot be read.
    """
    lengths = {}
    for path in paths:
        info = audio_info(path)
        if info.samplerate != SAMPLE_RATE:
            raise _wrong_rate(path, info.samplerate)
        lengths[path] = info.frames // HOP
    ((usual, _),) = Counter(lengths.values()).most_common(1)
    for path, length in lengths.items():
        if length != usual or length < least:
            raise RecordingError(
                f'{path} has {length} hops of {1000 * HOP / SAMPLE_RATE:g} ms; recordings to '
                f'train on have one length ({usual} in this set), {least} hops or more'
            )
    return usual


def _wrong_rate(path: Path, rate: int) -> RecordingError:
    return RecordingError(f'{path} has {rate} Hz; recordings to train on have {SAMPLE_RATE} Hz')


def read_example(path: Path, seconds: float | None = None) -> Example:
    """Return the example of a recording, or of its first `seconds`. Raises RecordingError."""
    frames = -1 if seconds is None else round(seconds * SAMPLE_RATE)
    samples, rate = soundfile.read(path, frames, dtype='float32', always_2d=True)
    if rate != SAMPLE_RATE:
        raise _wrong_rate(path, rate)
    spectra = FrontEnd().analyse(samples.mean(axis=1)).astype(np.float16)
    return Example(spectra, targets_of(read_notes(notes_file(path)), len(spectra)))


def targets_of(notes: Notes, hops: int) -> np.ndarray:
    """Return the target outputs at each hop, float16 (hops, 88, 4), in the order of OUTPUTS.

    Hop k is at sample k * HOP. The targets of onset and offset are triangles of half width
    `WIDTH` hops around their times, so that the network can learn times between hops (Kong et
    al., "High-resolution piano transcription with pedals by regressing onset and offset times",
    TASLP 2021). The frame target is 1 while a note sounds. The velocity target is that of a note
    where its onset target is above 0.
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
            hop = int(moment) + around
            near = hop[(hop >= 0) & (hop < hops)]
            height = np.maximum(1 - np.abs(near - moment) / WIDTH, 0)
            targets[near, key, kind] = np.maximum(targets[near, key, kind], height)
            if kind == 0:
                targets[near[height > 0], key, 3] = velocity / 127
    return targets


def delayed(targets: np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """Return targets shifted by each of these delays (hops), (hops, 88, delays, 4)."""
    late = np.zeros((len(targets), PITCHES, len(delays), 4), targets.dtype)
    for number, delay in enumerate(delays):
        late[delay:, :, number] = targets[: max(0, len(targets) - delay)]
    return late


class RecordingWindows:
    """An endless sequence of windows; each stream reads one recording after another.

    Groups of streams take turns. Window number n depends on the recordings and the seed alone.
    All recordings must have the same length (`common_length`). Spectra are computed ahead, in
    `processes` processes.

    delays: those of the network, in hops. groups: number of groups. streams: recordings side by
    side in a group. hops: length of a window.
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
        length = common_length(paths, hops)
        self._paths, self._delays, self._seed = list(paths), tuple(delays), seed
        self._groups, self._streams, self._hops = groups, streams, hops
        self._processes = processes
        self._windows_each = length // hops

    def __len__(self) -> int:
        """Number of windows of an epoch, in which every recording is read once."""
        return max(1, len(self._paths) * self._windows_each // self._streams)

    def windows(self, first: int = 0) -> Iterator[RecordingWindow]:
        """Yield windows from number `first` on."""
        with ProcessPoolExecutor(self._processes, get_context('spawn')) as pool:
            ahead: deque[tuple[int, list[tuple[int, int]]]] = deque()
            examples: dict[int, Future[Example]] = {}
            for upcoming in count(first):
                ahead.append((upcoming, self._places(upcoming)))
                for slot, _ in ahead[-1][1]:
                    if slot not in examples:
                        examples[slot] = pool.submit(read_example, self._path(slot))
                if len(ahead) <= self._groups * self._windows_each // 2:
                    continue
                number, places = ahead.popleft()
                yield self._cut(number % self._groups, places, examples)
                for slot, window in places:
                    if window == self._windows_each - 1:
                        del examples[slot]

    def _places(self, number: int) -> list[tuple[int, int]]:
        """Return the slots, in the endless order of recordings, that a window reads, and where."""
        turn, group = divmod(number, self._groups)
        in_all = self._groups * self._streams
        places = []
        for stream in range(group * self._streams, (group + 1) * self._streams):
            # The streams are offset, so that not all recordings begin in the same window.
            window = turn + stream * self._windows_each // in_all
            lap, place = divmod(window, self._windows_each)
            places.append((lap * in_all + stream, place))
        return places

    def _path(self, slot: int) -> Path:
        epoch, place = divmod(slot, len(self._paths))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._paths))
        return self._paths[order[place]]

    def _cut(
        self, group: int, places: list[tuple[int, int]], examples: dict[int, Future[Example]]
    ) -> RecordingWindow:
        spectra, targets = [], []
        for slot, window in places:
            example = examples[slot].result()
            part = slice(window * self._hops, (window + 1) * self._hops)
            spectra.append(example.spectra[part])
            late = slice(max(0, part.start - max(self._delays)), part.stop)
            targets.append(delayed(example.targets[late], self._delays)[-self._hops :])
        fresh = np.array([window == 0 for _, window in places], np.float32)
        which = np.full(self._streams, group, np.int32)
        return RecordingWindow(which, fresh, np.stack(spectra), np.stack(targets))
