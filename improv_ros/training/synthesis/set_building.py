# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sets of recordings on disk, made by several processes; an interrupted set can be resumed.

    manifest.json           options, pianos and all recordings
    train/00000.wav         60 s, 16 kHz, mono, 16 bits
    train/00000.tsv         its notes: onset, offset, note, velocity
    train/00000.pedal.tsv   when the sustain pedal is down
    train/00000.json        its description, written last: without it a recording is incomplete
    held-out/...            the same, with pianos and pieces that are not in train

Recording i depends on the seed, i, the pianos, the music, the rooms and the noise alone.
"""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
import hashlib
import json
import multiprocessing
import os
from pathlib import Path
import signal
from threading import Thread
import time
from typing import Any, TypeVar

import numpy as np

from improv_ros.training.engine.atomic_file import write_atomically
from improv_ros.training.improviser.dataset import DatasetError, load_dataset
from improv_ros.training.synthesis.bank import Bank, bank_exists, load_bank
from improv_ros.training.synthesis.measured import Measured
from improv_ros.training.synthesis.pianos import Piano
from improv_ros.training.synthesis.recording import SECONDS, Music, make_recording
from improv_ros.training.synthesis.synthesis_error import SynthesisError

FORMAT = 2
TRAIN, HELD_OUT = 'train', 'held-out'
_MANIFEST = 'manifest.json'
_MAX_HOURS = 1000  # the names of recordings have five digits
_R = TypeVar('_R')
_MANIFEST_SECONDS = 30.0  # between two updates of the manifest


@dataclass
class SetOptions:
    """The options of a set.

    music: folders of MIDI files; terms: licence terms of each; leave_out: names of MIDI files
    that are not used, without folder and suffix; cache: folder for banks and decoded MIDI files;
    nobody_plays: noise and speech without any note; measured: measured rooms and recorded noise
    to use beside the computed ones.
    """

    out: Path
    hours: float
    held_out_hours: float
    pianos: Sequence[Piano]
    music: Sequence[Path]
    terms: Sequence[str]
    leave_out: Sequence[str]
    seed: int
    processes: int
    cache: Path
    command: str = ''
    nobody_plays: bool = False
    measured: Measured = field(default_factory=Measured)

    def counts(self) -> dict[str, int]:
        """Return the number of recordings of each part."""
        hours = {TRAIN: self.hours, HELD_OUT: self.held_out_hours}
        return {part: round(h * 3600 / SECONDS) for part, h in hours.items()}


@dataclass
class _Part:
    """What a worker process needs to make the recordings of one part.

    banks, weights: bank file and relative probability of each piano.
    """

    folder: Path
    number: int
    seed: int
    banks: dict[str, Path]
    weights: dict[str, float]
    music: Sequence[Music]
    nobody_plays: bool
    measured: Measured


def build_set(options: SetOptions, progress: bool = True) -> dict[str, Any]:
    """Make the missing recordings of a set; write and return its manifest.

    Raises SynthesisError if the options are not valid, or if the folder holds another set.
    """
    from tqdm import tqdm

    _check_options(options)
    description = _manifest_head(options)
    _check_same_set(options.out / _MANIFEST, description)
    music = {TRAIN: [], HELD_OUT: []} if not options.music else _load_music(options, progress)
    banks = _build_banks(options, progress)
    parts = [
        _part(options, number, name, banks, music[name])
        for number, name in enumerate(options.counts())
    ]
    missing = _missing(options, parts)
    _write_manifest(options, description)
    began = last = time.monotonic()
    cpu_seconds = 0.0
    with (
        _pool(options, parts) as pool,
        tqdm(total=len(missing), desc='recordings', unit='rec', disable=not progress) as bar,
    ):
        waiting: set[Future[float]] = set()
        try:
            for job in [*missing, None]:
                if job:
                    waiting.add(pool.submit(_make_one, *job))
                while waiting and (job is None or len(waiting) > 2 * options.processes):
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        cpu_seconds += _result(future, 'a recording could not be written')
                        bar.update()
                    if time.monotonic() - last > _MANIFEST_SECONDS:
                        _write_manifest(options, description)
                        last = time.monotonic()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    manifest = _write_manifest(options, description)
    if progress and missing:
        sound = len(missing) * SECONDS
        print(
            f'{sound / 3600:.2f} h in {(time.monotonic() - began) / 60:.1f} min: '
            f'{sound / cpu_seconds:.0f} times real time per core'
        )
    return manifest


def _part(
    options: SetOptions, number: int, name: str, banks: dict[str, Path], music: Sequence[Music]
) -> _Part:
    folder = options.out / name
    folder.mkdir(parents=True, exist_ok=True)
    pianos = [piano for piano in options.pianos if piano.held_out == (name == HELD_OUT)]
    return _Part(
        folder,
        number,
        options.seed,
        {piano.name: banks[piano.name] for piano in pianos},
        {piano.name: piano.weight for piano in pianos},
        music,
        options.nobody_plays,
        options.measured,
    )


def _missing(options: SetOptions, parts: Sequence[_Part]) -> list[tuple[int, int]]:
    """Return the missing recordings as (part, index), the parts interleaved."""
    counts = list(options.counts().values())
    missing = [
        (number, index)
        for number, part in enumerate(parts)
        for index in range(counts[number])
        if not _path(part.folder, index, '.json').exists()
    ]
    return sorted(missing, key=lambda job: job[1] / counts[job[0]])


def _pool(options: SetOptions, parts: Sequence[_Part]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(options.processes, context, _initialise_worker, (parts,))


def _result(future: 'Future[_R]', failed: str) -> _R:
    try:
        return future.result()
    except OSError as error:
        raise SynthesisError(
            f'{failed}: {error}; correct this and run the same command again to resume'
        ) from error
    except BrokenProcessPool as error:
        raise SynthesisError(
            'one of the processes was killed, perhaps for lack of memory: run the same command '
            'again to resume, with fewer --processes if it happens again'
        ) from error


def _check_options(options: SetOptions) -> None:
    if not (0 < options.hours < _MAX_HOURS and 0 <= options.held_out_hours < _MAX_HOURS):
        raise SynthesisError(f'--hours must be above 0 and below {_MAX_HOURS}')
    if options.processes < 1:
        raise SynthesisError('--processes must be 1 or more')
    if options.held_out_hours and not any(piano.held_out for piano in options.pianos):
        raise SynthesisError('--held-out-hours needs a piano with held_out: true')
    if options.terms and len(options.terms) != len(options.music):
        raise SynthesisError(
            f'{len(options.terms)} terms are named for {len(options.music)} folders of music'
        )


def _manifest_head(options: SetOptions) -> dict[str, Any]:
    """Return the manifest without the recordings."""
    return {
        'format': FORMAT,
        'command': options.command,
        'seed': options.seed,
        'hours': options.hours,
        'held_out_hours': options.held_out_hours,
        'music': [
            {'folder': folder.name, 'terms': terms}
            for folder, terms in zip(options.music, _terms(options), strict=True)
        ],
        'left_out': sorted(options.leave_out),
        'pianos': [piano.describe() for piano in options.pianos],
        'nobody_plays': options.nobody_plays,
        'rooms': sorted(options.measured.rooms),
        'noise': sorted(options.measured.noises),
    }


def _terms(options: SetOptions) -> Sequence[str]:
    return options.terms or ['not stated'] * len(options.music)


def _check_same_set(path: Path, description: dict[str, Any]) -> None:
    """Raise SynthesisError if a folder holds a set with other options; the hours may differ."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise SynthesisError(f'{path} cannot be read: {error}') from error
    for name in description.keys() - {'command', 'hours', 'held_out_hours'}:
        if found.get(name) != description[name]:
            raise SynthesisError(
                f'{path.parent} holds a set with another value of {name}; use another folder'
            )


def _load_music(options: SetOptions, progress: bool) -> dict[str, list[Music]]:
    music: dict[str, list[Music]] = {TRAIN: [], HELD_OUT: []}
    for folder, terms in zip(options.music, _terms(options), strict=True):
        try:
            dataset = load_dataset([folder], options.cache, progress)
        except DatasetError as error:
            raise SynthesisError(str(error)) from error
        left_out = set(options.leave_out)
        for part, numbers in zip(music, dataset.split(), strict=True):
            chosen = [n for n in numbers if Path(dataset.names[n]).stem not in left_out]
            if chosen:
                music[part].append(Music(dataset, chosen, terms))
    for part in music:
        # A small collection may have no pieces that are held out.
        music[part] = music[part] or music[TRAIN]
    return music


def _build_banks(options: SetOptions, progress: bool) -> dict[str, Path]:
    from tqdm import tqdm

    folder = options.cache / 'banks'
    paths = {piano.name: piano.bank_path(folder) for piano in options.pianos}
    missing = [piano for piano in options.pianos if not bank_exists(paths[piano.name])]
    if missing:
        with _pool(options, []) as pool:
            building = [pool.submit(_build_bank, piano, folder) for piano in missing]
            try:
                for future in tqdm(building, 'pianos', unit='piano', disable=not progress):
                    _result(future, 'a bank could not be written')
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return paths


def _build_bank(piano: Piano, folder: Path) -> None:
    piano.build().save(piano.bank_path(folder))


_parts: Sequence[_Part] = ()
_loaded: dict[Path, Bank] = {}


def _initialise_worker(parts: Sequence[_Part]) -> None:
    """Prepare a worker: it ends with its parent and ignores Ctrl-C."""
    global _parts
    _parts = parts
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _make_one(number: int, index: int) -> float:
    """Make one recording; return the CPU seconds that it took."""
    began = time.process_time()
    part = _parts[number]
    banks = {}
    for name, path in part.banks.items():
        if path not in _loaded:
            _loaded[path] = load_bank(path)
        banks[name] = _loaded[path]
    random = np.random.default_rng([part.seed, part.number, index])
    recording = make_recording(
        random, banks, part.weights, part.music, part.nobody_plays, part.measured
    )
    wav = recording.wav()
    stem = _path(part.folder, index)
    recording.score.write(stem)
    stem.with_suffix('.wav').write_bytes(wav)
    description = {
        'name': stem.name,
        **recording.description,
        'sha256': hashlib.sha256(wav).hexdigest(),
    }
    _write_json(stem.with_suffix('.json'), description)
    return time.process_time() - began


def _path(folder: Path, index: int, suffix: str = '') -> Path:
    return folder / f'{index:05}{suffix}'


def _write_manifest(options: SetOptions, description: dict[str, Any]) -> dict[str, Any]:
    recordings = {
        part: [
            json.loads(path.read_text(encoding='utf-8'))
            for path in sorted((options.out / part).glob('[0-9]*.json'))  # only complete files
        ]
        for part in (TRAIN, HELD_OUT)
    }
    manifest = {**description, 'recordings': recordings}
    _write_json(options.out / _MANIFEST, manifest)
    return manifest


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1)
    write_atomically(path, lambda file: file.write(text.encode()))
