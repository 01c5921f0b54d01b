"""Folders of MIDI files as arrays: read once, kept on disk, split by piece, varied when used.

A performance is a uint16 array (moves, 3): milliseconds since the move before it, what moves
(as in the vocabulary) and the MIDI velocity of a pressed key, else 0. Quantisation and
augmentation happen when it is used, so one cache serves every training run.
"""

from collections.abc import Sequence
import csv
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path
import zlib

import numpy as np

from improv_ros.event_text import EventTextError, midi_to_text, read_midi, to_timed
from improv_ros.improvising.vocabulary import RELEASE, VERSION, Keyboard

MILLISECOND = 1_000_000  # nanoseconds
FEWEST_NOTES = 20
DEVELOPMENT_SHARE = 20  # one group of pieces in so many is for development
_CACHE_FORMAT = 1


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

    The checksum covers names and bytes of all files; a changed folder is read anew.

    Raises DatasetError if a folder is missing or no file in it can be used.
    """
    files = [(Path(folder), path) for folder in folders for path in midi_files(Path(folder))]
    checksum = _checksum(files)
    stem = cache / f'performances-{checksum[:16]}'
    names = [str(folder) for folder in folders]
    kept = _read_cache(stem, names, checksum)
    if kept is not None:
        return kept
    dataset = _read_all(files, names, checksum, progress)
    _write_cache(stem, dataset)
    return dataset


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
    events = to_timed(midi_to_text(read_midi(path)))
    keyboard = Keyboard()
    before = 0
    moves = []
    for event in sorted(events, key=lambda event: event.time):
        for what, velocity in keyboard.take(event):
            now = (event.time + MILLISECOND // 2) // MILLISECOND
            moves.append((min(now - before, 65535), what, velocity))
            before = now
    notes = sum(what < RELEASE for _, what, _ in moves)
    if notes < FEWEST_NOTES:
        raise ValueError(f'only {notes} notes of a piano, fewer than {FEWEST_NOTES}')
    moves[0] = (0, *moves[0][1:])
    return np.array(moves, dtype=np.uint16)


def _checksum(files: Sequence[tuple[Path, Path]]) -> str:
    digest = hashlib.sha256()
    for folder, path in files:
        digest.update(f'{path.relative_to(folder).as_posix()}\n'.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read_all(
    files: Sequence[tuple[Path, Path]], folders: list[str], checksum: str, progress: bool
) -> Dataset:
    from tqdm import tqdm

    works = {folder: _works(folder) for folder in {folder for folder, _ in files}}
    performances, names, groups, skipped = [], [], [], {}
    for folder, path in tqdm(files, desc='reading MIDI', unit='file', disable=not progress):
        name = path.relative_to(folder).as_posix()
        try:
            performances.append(read_performance(path))
        except (EventTextError, OSError, ValueError) as error:
            skipped[str(path)] = str(error)
            continue
        names.append(name)
        groups.append(works[folder].get(name, name))
    if not performances:
        reason = next(iter(skipped.values()))
        raise DatasetError(
            f'none of the {len(files)} MIDI files in {", ".join(folders)} can be used; '
            f'the first: {reason}'
        )
    ends = np.cumsum([len(performance) for performance in performances])
    return Dataset(folders, names, groups, ends, np.concatenate(performances), checksum, skipped)


def _works(folder: Path) -> dict[str, str]:
    """Return which work each file holds, by the folder's index.csv where there is one."""
    index = folder / 'index.csv'
    if not index.is_file():
        return {}
    with index.open(newline='', encoding='utf-8') as rows:
        return {
            row['file']: f'{row.get("composer", "")}: {row.get("work") or row.get("title")}'
            for row in csv.DictReader(rows)
            if 'file' in row
        }


def _read_cache(stem: Path, folders: list[str], checksum: str) -> Dataset | None:
    try:
        about = json.loads(stem.with_suffix('.json').read_text(encoding='utf-8'))
        moves = np.load(stem.with_suffix('.npy'), mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError):
        return None
    if (about['format'], about['vocabulary'], about['checksum']) != (
        _CACHE_FORMAT,
        VERSION,
        checksum,
    ) or moves.shape != (about['ends'][-1], 3):
        return None
    return Dataset(
        folders,
        about['names'],
        about['groups'],
        np.array(about['ends']),
        moves,
        checksum,
        about['skipped'],
    )


def _write_cache(stem: Path, dataset: Dataset) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    about = {
        'format': _CACHE_FORMAT,
        'vocabulary': VERSION,
        'checksum': dataset.checksum,
        'names': dataset.names,
        'groups': dataset.groups,
        'ends': dataset.ends.tolist(),
        'skipped': dataset.skipped,
    }
    unfinished = stem.with_name(stem.name + '.part.npy')
    np.save(unfinished, dataset.moves, allow_pickle=False)
    os.replace(unfinished, stem.with_suffix('.npy'))
    stem.with_suffix('.json').write_text(json.dumps(about), encoding='utf-8')
