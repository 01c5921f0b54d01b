"""Folders of MIDI files as arrays: read once, kept on disk, split by piece, varied when used.

A performance is a uint16 array (moves, 3): milliseconds since the move before it, what moves
(as in the vocabulary) and the MIDI velocity of a pressed key, else 0. Quantisation and
augmentation happen when it is used, so one cache serves every training run and every
representation.
"""

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
    EventTextError,
    TimedEvent,
    midi_to_text,
    note_on,
    read_midi,
    to_timed,
)
from improv_ros.improvising.vocabulary import (
    LOWEST_PITCH,
    RELEASE,
    VERSION,
    Keyboard,
    event_of,
)

from .whole_file import write_whole

MILLISECOND = 1_000_000  # nanoseconds
FEWEST_NOTES = 20
DEVELOPMENT_SHARE = 20  # one group of pieces in so many is for development
PACKED = '.npz'
_CACHE_FORMAT = 2


class DatasetError(ValueError):
    """A folder that holds nothing to train on; the message says which and why."""


@dataclass
class Dataset:
    """Performances and where they came from.

    `moves` holds all performances end to end; performance i is `moves[ends[i-1]:ends[i]]`.
    """

    folders: list[str]
    names: list[str]
    groups: list[str]
    composers: list[str]
    ends: np.ndarray
    moves: np.ndarray
    checksum: str
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def performance(self, number: int) -> np.ndarray:
        """Return one performance, uint16 (moves, 3)."""
        start = int(self.ends[number - 1]) if number else 0
        return self.moves[start : int(self.ends[number])]

    @property
    def notes(self) -> int:
        """How many notes are played in all."""
        return int(np.count_nonzero(self.moves[:, 1] < RELEASE))

    @property
    def hours(self) -> float:
        """How long all performances take."""
        return float(self.moves[:, 0].sum(dtype=np.int64)) / 3_600_000

    def split(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the performances to train on and of those to develop on.

        All performances of one work fall on the same side, the same one every time.
        """
        development = [
            number
            for number, group in enumerate(self.groups)
            if zlib.crc32(group.encode()) % DEVELOPMENT_SHARE == 0
        ]
        chosen = set(development)
        return [number for number in range(len(self)) if number not in chosen], development

    def sample(self, notes: int) -> list[int]:
        """Return the numbers of performances, drawn evenly, that hold about so many notes."""
        share = min(1.0, notes / self.notes)
        count = max(1, round(share * len(self)))
        return [int(number) for number in np.linspace(0, len(self) - 1, count).round()]

    def by(self, composer: str) -> list[int]:
        """Return the numbers of the performances of one composer; any part of the name will do.

        Raises DatasetError if there are none.
        """
        found = [i for i, name in enumerate(self.composers) if composer.lower() in name.lower()]
        if not found:
            raise DatasetError(
                f'no performance in {", ".join(self.folders)} is by {composer!r}: their '
                'index.csv names the composers'
            )
        return found

    def report(self) -> str:
        """Return in words what was read and what was left out and why."""
        lines = [
            f'{len(self)} performances, {self.hours:.1f} h, {self.notes:,} notes '
            f'from {", ".join(self.folders)} (sha256 {self.checksum[:16]})'
        ]
        lines += [f'skipped {name}: {reason}' for name, reason in sorted(self.skipped.items())]
        return '\n'.join(lines)


def load_dataset(folders: Sequence[str | Path], cache: Path, progress: bool = True) -> Dataset:
    """Read every MIDI file under the folders, or what an earlier call kept under `cache`.

    The checksum covers names and bytes of all files; what has changed is read anew. Each file
    read is kept at once, so a call that is killed is gone on with by the next.

    Instead of folders, one file made by `pack` may be named; nothing is kept of it.

    Raises DatasetError if a folder is missing or no file in it can be used, and OSError if
    there is no room for the cache.
    """
    if any(Path(folder).suffix == PACKED for folder in folders):
        if len(folders) > 1:
            raise DatasetError(f'a packed data set ({PACKED}) must be the only one named')
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
    shutil.rmtree(parts, ignore_errors=True)  # another process may do the same
    return dataset


class _File(NamedTuple):
    folder: Path
    path: Path
    digest: bytes  # SHA-256 of what it holds

    @property
    def name(self) -> str:
        return self.path.relative_to(self.folder).as_posix()


def _file(folder: Path, path: Path) -> _File:
    return _File(folder, path, hashlib.sha256(path.read_bytes()).digest())


def midi_files(folder: Path) -> list[Path]:
    """Return the MIDI files under a folder, in order of name."""
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
    """Return the performance in a MIDI file, all its tracks together, uint16 (moves, 3).

    Raises ValueError with the reason if it cannot be read or holds no piano performance.
    """
    performance = performance_of(to_timed(midi_to_text(read_midi(path))))
    notes = int(np.count_nonzero(performance[:, 1] < RELEASE))
    if notes < FEWEST_NOTES:
        raise ValueError(f'only {notes} notes of a piano, fewer than {FEWEST_NOTES}')
    return performance


def performance_of(events: Iterable[TimedEvent]) -> np.ndarray:
    """Return events as a performance, uint16 (moves, 3)."""
    keyboard = Keyboard()
    before: int | None = None
    moves = []
    for event in sorted(events, key=lambda event: event.time):
        for what, velocity in keyboard.take(event):
            now = (event.time + MILLISECOND // 2) // MILLISECOND
            wait = 0 if before is None else now - before
            moves.append((min(wait, 65535), what, velocity))
            before = now
    return np.array(moves, dtype=np.uint16).reshape(-1, 3)


def events_of(performance: np.ndarray) -> list[TimedEvent]:
    """Return a performance as events, the first one at time 0."""
    times = np.cumsum(performance[:, 0], dtype=np.int64) * MILLISECOND
    return [
        note_on(time, LOWEST_PITCH + what, velocity)
        if what < RELEASE
        else event_of(time, what, velocity)
        for time, (_, what, velocity) in zip(times.tolist(), performance.tolist(), strict=True)
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
    moves = np.concatenate(performances)
    return Dataset(folders, names, groups, composers, ends, moves, checksum, skipped)


def _read_part(file: _File, parts: Path) -> np.ndarray:
    """Return the performance in a file, as an earlier call kept it if it did."""
    part = parts / f'{file.digest.hex()}.npy'
    try:
        return np.load(part, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        performance = read_performance(file.path)
    parts.mkdir(parents=True, exist_ok=True)  # another process may have just finished with it
    write_whole(part, lambda whole: np.save(whole, performance, allow_pickle=False))
    return performance


class Work(NamedTuple):
    """What a performance is of, as far as the folder's index tells."""

    composer: str
    name: str


_MOVEMENT = re.compile(r'[-_ ]?\d+$')


def _works(folder: Path) -> dict[str, Work]:
    """Return which work each file holds, by the folder's index.csv where there is one.

    Where it names no work the file's name is it, without the number of a movement.
    """
    index = folder / 'index.csv'
    if not index.is_file():
        index = folder.parent / 'index.csv'  # of a split: its names begin with the split's
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
    """Write a data set as one small file, to train where its folders are not.

    Raises ValueError if the file's name does not end in `PACKED`, OSError if it has no room.
    """
    if path.suffix != PACKED:
        raise ValueError(f'{path} does not end in {PACKED}')
    about = np.array(json.dumps({**_about(dataset), 'folders': dataset.folders}))
    columns = {f'column{i}': dataset.moves[:, i] for i in range(3)}  # alike compresses better
    write_whole(path, lambda file: np.savez_compressed(file, about=about, **columns))


def unpack(path: Path) -> Dataset:
    """Return the data set in a file. Raises DatasetError if it holds none."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            about = json.loads(str(kept['about']))
            moves = np.stack([kept[f'column{i}'] for i in range(3)], axis=1)
        return _dataset(about, about['folders'], moves)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f'{path} is no packed data set: {error}') from error


def _read_cache(stem: Path, folders: list[str], checksum: str) -> Dataset | None:
    try:
        about = json.loads(stem.with_suffix('.json').read_text(encoding='utf-8'))
        moves = np.load(stem.with_suffix('.npy'), mmap_mode='r', allow_pickle=False)
        dataset = _dataset(about, folders, moves)
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return dataset if dataset.checksum == checksum else None


def _dataset(about: dict[str, Any], folders: list[str], moves: np.ndarray) -> Dataset:
    """Return what was kept; ValueError if it is of another version, or not whole."""
    if (about['format'], about['vocabulary']) != (_CACHE_FORMAT, VERSION):
        raise ValueError('it was made by another version')
    if moves.shape != (about['ends'][-1], 3):
        raise ValueError('it is not whole')
    lists = (about[name] for name in ('names', 'groups', 'composers'))
    ends = np.array(about['ends'])
    return Dataset(folders, *lists, ends, moves, about['checksum'], about['skipped'])


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
    write_whole(
        stem.with_suffix('.npy'), lambda file: np.save(file, dataset.moves, allow_pickle=False)
    )
    text = json.dumps(_about(dataset))
    write_whole(stem.with_suffix('.json'), lambda file: file.write(text.encode()))
