# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Data sets of performances, read from folders of MIDI files and cached on disk.

A performance is a uint16 array (events, 3): milliseconds since the event before, event type of
the vocabulary, and MIDI velocity of a pressed key, otherwise 0. Quantisation and augmentation are
applied when it is used, so one cache serves all runs and representations.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
import csv
from dataclasses import dataclass, field
import hashlib
import json
from pathlib import Path
import re
import shutil
from typing import Any, NamedTuple
import zipfile
import zlib

import numpy as np

from improv_ros.event_text import (
    SECOND,
    EventTextError,
    TimedEvent,
    midi_to_text,
    note_on,
    read_midi,
    to_timed,
)
from improv_ros.improvising.network.vocabulary import (
    LOWEST_PITCH,
    RELEASE,
    VERSION,
    KeyboardState,
    event_of,
)
from improv_ros.training.engine.atomic_file import write_atomically

MILLISECOND = SECOND // 1000  # nanoseconds
FEWEST_NOTES = 20
VALIDATION_SHARE = 20  # one work in so many is held out for validation
PACKED = '.npz'
_CACHE_FORMAT = 2


class DatasetError(ValueError):
    """Data that cannot be used; the message says which and why."""


@dataclass
class Dataset:
    """Performances and their sources.

    events: all performances end to end, uint16 (events, 3); performance i is
    `events[ends[i - 1]:ends[i]]`. groups: the work of each performance. skipped: files that could
    not be used, with the reason.
    """

    folders: list[str]
    names: list[str]
    groups: list[str]
    composers: list[str]
    ends: np.ndarray
    events: np.ndarray
    checksum: str
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def performance(self, number: int) -> np.ndarray:
        """Return one performance, uint16 (events, 3)."""
        start = int(self.ends[number - 1]) if number else 0
        return self.events[start : int(self.ends[number])]

    @property
    def notes(self) -> int:
        """Number of notes in all performances."""
        return int(np.count_nonzero(self.events[:, 1] < RELEASE))

    @property
    def hours(self) -> float:
        """Duration of all performances in hours."""
        return float(self.events[:, 0].sum(dtype=np.int64)) / 3_600_000

    def split(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the performances of the training and of the validation set.

        The checksum of the name of a work decides, so all performances of one work are in the
        same set, in every run.
        """
        validation = [
            number
            for number, group in enumerate(self.groups)
            if zlib.crc32(group.encode()) % VALIDATION_SHARE == 0
        ]
        chosen = set(validation)
        return [number for number in range(len(self)) if number not in chosen], validation

    def halves(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the performances in two halves that share no composer.

        The half with fewer performances gets the next composer, in order of their number.
        Performances without a composer are divided by their works. With one composer or work in
        all, both halves are the whole.
        """
        names = [one or other for one, other in zip(self.composers, self.groups, strict=True)]
        counts = Counter(names)
        halves: tuple[set[str], set[str]] = (set(), set())
        for name in sorted(counts, key=lambda name: (-counts[name], name)):
            smaller = min(halves, key=lambda half: sum(counts[other] for other in half))
            smaller.add(name)
        if not halves[1]:
            return list(range(len(self))), list(range(len(self)))
        one, other = ([i for i, name in enumerate(names) if name in half] for half in halves)
        return one, other

    def sample(self, notes: int, numbers: Sequence[int] | None = None) -> list[int]:
        """Return the numbers of evenly spaced performances with about so many notes.

        numbers: of the performances to choose from; None: all.
        """
        among = list(range(len(self))) if numbers is None else list(numbers)
        share = min(1.0, notes / self.notes * len(self) / len(among))
        count = max(1, round(share * len(among)))
        return [among[int(place)] for place in np.linspace(0, len(among) - 1, count).round()]

    def by(self, composer: str) -> list[int]:
        """Return the numbers of the performances of a composer, given any part of the name.

        Raises DatasetError if there are none.
        """
        found = [i for i, name in enumerate(self.composers) if composer.lower() in name.lower()]
        if not found:
            raise DatasetError(
                f'no performance in {", ".join(self.folders)} is by {composer!r}; the '
                'index.csv of a folder names the composers'
            )
        return found

    def report(self) -> str:
        """Return the size of the data set, and the skipped files with the reasons, as text."""
        lines = [
            f'{len(self)} performances, {self.hours:.1f} h, {self.notes:,} notes '
            f'from {", ".join(self.folders)} (sha256 {self.checksum[:16]})'
        ]
        lines += [f'skipped {name}: {reason}' for name, reason in sorted(self.skipped.items())]
        return '\n'.join(lines)


def load_dataset(folders: Sequence[str | Path], cache: Path, progress: bool = True) -> Dataset:
    """Return the data set of all MIDI files under the folders, or of one file made by `pack`.

    The decoded files are kept in the folder `cache`. Their checksum covers names and contents;
    after a change the files are read again. Each file is kept as soon as it is read, so a call
    that was killed continues there. A packed file is not cached.

    Raises DatasetError if a folder is missing or none of its files can be used, and OSError if
    the cache cannot be written.
    """
    if any(Path(folder).suffix == PACKED for folder in folders):
        if len(folders) > 1:
            raise DatasetError(f'a packed data set ({PACKED}) must be the only one given')
        return unpack(Path(folders[0]))
    files = [_file(Path(folder), path) for folder in folders for path in midi_files(Path(folder))]
    checksum = _checksum(files)
    stem = cache / f'performances-{checksum[:16]}'
    names = [str(folder) for folder in folders]
    kept = _read_cache(stem, names, checksum)
    if kept is not None:
        return kept
    parts = cache / f'{stem.name}-parts'
    parts.mkdir(parents=True, exist_ok=True)
    dataset = _read_all(files, names, checksum, parts, progress)
    _write_cache(stem, dataset)
    shutil.rmtree(parts, ignore_errors=True)  # another process may have removed it
    return dataset


class _File(NamedTuple):
    folder: Path
    path: Path
    digest: bytes  # SHA-256 of its contents

    @property
    def name(self) -> str:
        return self.path.relative_to(self.folder).as_posix()


def _file(folder: Path, path: Path) -> _File:
    return _File(folder, path, hashlib.sha256(path.read_bytes()).digest())


def midi_files(folder: Path) -> list[Path]:
    """Return the MIDI files under a folder, sorted by name.

    Raises DatasetError if there is no folder or no file.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    found = sorted(
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in ('.mid', '.midi') and path.is_file()
    )
    if not found:
        raise DatasetError(f'the folder {folder} holds no .mid or .midi file')
    return found


def read_performance(path: Path) -> np.ndarray:
    """Return the performance in a MIDI file, with all its tracks, uint16 (events, 3).

    Raises ValueError if the file cannot be read or has fewer than `FEWEST_NOTES` notes.
    """
    performance = performance_of(to_timed(midi_to_text(read_midi(path))))
    notes = int(np.count_nonzero(performance[:, 1] < RELEASE))
    if notes < FEWEST_NOTES:
        raise ValueError(f'only {notes} piano notes, fewer than {FEWEST_NOTES}')
    return performance


def performance_of(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return events as a performance, uint16 (events, 3)."""
    keyboard = KeyboardState()
    before: int | None = None
    rows = []
    for event in sorted(events, key=lambda event: event.time):
        for event_type, velocity in keyboard.apply(event):
            now = (event.time + MILLISECOND // 2) // MILLISECOND
            wait = 0 if before is None else now - before
            rows.append((min(wait, 65535), event_type, velocity))
            before = now
    return np.array(rows, dtype=np.uint16).reshape(-1, 3)


def events_of(performance: np.ndarray) -> list[TimedEvent]:
    """Return a performance as events, the first one at time 0."""
    times = np.cumsum(performance[:, 0], dtype=np.int64) * MILLISECOND
    return [
        note_on(time, LOWEST_PITCH + event_type, velocity)
        if event_type < RELEASE
        else event_of(time, event_type, velocity)
        for time, (_, event_type, velocity) in zip(
            times.tolist(), performance.tolist(), strict=True
        )
    ]


def _checksum(files: Sequence[_File]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f'{file.name}\n'.encode())
        digest.update(file.digest)
    return digest.hexdigest()


def _read_all(
    files: Sequence[_File], folders: list[str], checksum: str, parts: Path, progress: bool
) -> Dataset:
    from tqdm import tqdm

    works = {folder: _works(folder) for folder in {file.folder for file in files}}
    performances, names, groups, composers, skipped = [], [], [], [], {}
    for file in tqdm(files, desc='reading MIDI', unit='file', disable=not progress):
        try:
            performances.append(_read_part(file, parts))
        except (EventTextError, ValueError) as error:
            skipped[str(file.path)] = str(error)
            continue
        work = works[file.folder].get(file.name, Work('', file.name))
        names.append(file.name)
        groups.append(f'{work.composer}: {work.name}' if work.composer else work.name)
        composers.append(work.composer)
    if not performances:
        reason = next(iter(skipped.values()))
        raise DatasetError(
            f'none of the {len(files)} MIDI files in {", ".join(folders)} can be used; '
            f'the first: {reason}'
        )
    ends = np.cumsum([len(performance) for performance in performances])
    events = np.concatenate(performances)
    return Dataset(folders, names, groups, composers, ends, events, checksum, skipped)


def _read_part(file: _File, parts: Path) -> np.ndarray:
    """Return the performance in a file, from the cache if an earlier call kept it."""
    part = parts / f'{file.digest.hex()}.npy'
    try:
        return np.load(part, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        performance = read_performance(file.path)
    parts.mkdir(parents=True, exist_ok=True)  # another process may have removed it
    write_atomically(part, lambda part_file: np.save(part_file, performance, allow_pickle=False))
    return performance


class Work(NamedTuple):
    """The work that a performance is of, from the index of the folder."""

    composer: str
    name: str


_MOVEMENT = re.compile(r'[-_ ]?\d+$')


def _works(folder: Path) -> dict[str, Work]:
    """Return the work of each file, from index.csv in the folder or in the one above it.

    If the index names no work, it is the name of the file without the number of a movement.
    """
    index = folder / 'index.csv'
    if not index.is_file():
        index = folder.parent / 'index.csv'  # of a split: its names begin with that of the folder
    if not index.is_file():
        return {}
    inside = '' if index.parent == folder else f'{folder.name}/'
    with index.open(newline='', encoding='utf-8') as rows:
        return {
            row['file'].removeprefix(inside): Work(
                row.get('composer') or '',
                row.get('work')
                or row.get('title')
                or _MOVEMENT.sub('', row['file'].rpartition('.')[0]),
            )
            for row in csv.DictReader(rows)
            if row.get('file', '').startswith(inside)
        }


def pack(dataset: Dataset, path: Path) -> None:
    """Write a data set as one compressed file, for `load_dataset` on another machine.

    Raises ValueError if the path does not end in `PACKED`, OSError if it cannot be written.
    """
    if path.suffix != PACKED:
        raise ValueError(f'{path} does not end in {PACKED}')
    about = np.array(json.dumps({**_about(dataset), 'folders': dataset.folders}))
    # Separate columns compress better.
    columns: dict[str, Any] = {f'column{i}': dataset.events[:, i] for i in range(3)}
    write_atomically(path, lambda file: np.savez_compressed(file, about=about, **columns))


def unpack(path: Path) -> Dataset:
    """Return the data set in a packed file. Raises DatasetError if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as packed:
            about = json.loads(str(packed['about']))
            events = np.stack([packed[f'column{i}'] for i in range(3)], axis=1)
        return _dataset(about, about['folders'], events)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f'{path} is not a packed data set: {error}') from error


def _read_cache(stem: Path, folders: list[str], checksum: str) -> Dataset | None:
    try:
        about = json.loads(stem.with_suffix('.json').read_text(encoding='utf-8'))
        events = np.load(stem.with_suffix('.npy'), mmap_mode='r', allow_pickle=False)
        dataset = _dataset(about, folders, events)
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return dataset if dataset.checksum == checksum else None


def _dataset(about: dict[str, Any], folders: list[str], events: np.ndarray) -> Dataset:
    """Return a stored data set; raise ValueError if it is incomplete or of another version."""
    if (about['format'], about['vocabulary']) != (_CACHE_FORMAT, VERSION):
        raise ValueError('it was made by another version')
    if events.shape != (about['ends'][-1], 3):
        raise ValueError('it is incomplete')
    names, groups, composers = (about[name] for name in ('names', 'groups', 'composers'))
    ends = np.array(about['ends'])
    checksum, skipped = about['checksum'], about['skipped']
    return Dataset(folders, names, groups, composers, ends, events, checksum, skipped)


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        'format': _CACHE_FORMAT,
        'vocabulary': VERSION,
        'checksum': dataset.checksum,
        'names': dataset.names,
        'groups': dataset.groups,
        'composers': dataset.composers,
        'ends': dataset.ends.tolist(),
        'skipped': dataset.skipped,
    }


def _write_cache(stem: Path, dataset: Dataset) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        stem.with_suffix('.npy'), lambda file: np.save(file, dataset.events, allow_pickle=False)
    )
    text = json.dumps(_about(dataset))
    write_atomically(stem.with_suffix('.json'), lambda file: file.write(text.encode()))
