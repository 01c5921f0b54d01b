"""A set of recordings on disk: made by several processes, whole after any interruption.

    manifest.json           what was asked for, the pianos, every recording made
    train/00000.wav         60 s, 16 kHz, mono, 16 bits
    train/00000.tsv         its notes: onset, offset, note, velocity
    train/00000.pedal.tsv   when the sustain pedal is down
    train/00000.json        how it was made; written last: without it the others do not count
    held-out/...            the same, on the piano and of pieces that are not in train

Recording number i depends on the seed, i, pianos and music alone.
"""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
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

from improv_ros.training.dataset import DatasetError, load_dataset
from improv_ros.training.whole_file import write_whole

from .bank import Bank, is_bank, load_bank
from .errors import SynthesisError
from .pianos import Piano
from .recording import SECONDS, Music, make_recording

FORMAT = 1
TRAIN, HELD_OUT = 'train', 'held-out'
_MANIFEST = 'manifest.json'
_MOST_HOURS = 1000  # names of recordings have five digits
_R = TypeVar('_R')
_EVERY = 30.0  # seconds between two versions of the manifest


@dataclass
class Order:
    """What set to make.

    music: folders of MIDI files, `terms` the licence of each; leave_out: names of MIDI files,
    without folder and suffix, that must not be used; cache: folder for what is kept between
    calls (banks and performances); nobody_plays: only noise and speech.
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

    def counts(self) -> dict[str, int]:
        """Return how many recordings each part is to have."""
        hours = {TRAIN: self.hours, HELD_OUT: self.held_out_hours}
        return {part: round(h * 3600 / SECONDS) for part, h in hours.items()}


@dataclass
class _Part:
    """What a process needs to make the recordings of one part.

    banks: the file of each piano; weights: how often each is played.
    """

    folder: Path
    number: int
    seed: int
    banks: dict[str, Path]
    weights: dict[str, float]
    music: Sequence[Music]
    nobody_plays: bool


def build_set(order: Order, progress: bool = True) -> dict[str, Any]:
    """Make what is missing of a set; return its manifest, which is also written.

    Raises SynthesisError where the order cannot be met, or the folder holds another set.
    """
    from tqdm import tqdm

    _check(order)
    about = _about(order)
    _same_set(order.out / _MANIFEST, about)
    music = {TRAIN: [], HELD_OUT: []} if not order.music else _load_music(order, progress)
    banks = _build_banks(order, progress)
    parts = [
        _part(order, number, name, banks, music[name])
        for number, name in enumerate(order.counts())
    ]
    missing = _missing(order, parts)
    _write_manifest(order, about)
    begun = last = time.monotonic()
    spent = 0.0
    with (
        _pool(order, parts) as pool,
        tqdm(total=len(missing), desc='recordings', unit='rec', disable=not progress) as bar,
    ):
        waiting: set[Future[float]] = set()
        try:
            for job in [*missing, None]:
                if job:
                    waiting.add(pool.submit(_make, *job))
                while waiting and (job is None or len(waiting) > 2 * order.processes):
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        spent += _result(future, 'a recording could not be written')
                        bar.update()
                    if time.monotonic() - last > _EVERY:
                        _write_manifest(order, about)
                        last = time.monotonic()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    manifest = _write_manifest(order, about)
    if progress and missing:
        sound = len(missing) * SECONDS
        print(
            f'{sound / 3600:.2f} h in {(time.monotonic() - begun) / 60:.1f} min: '
            f'{sound / spent:.0f} times real time per core'
        )
    return manifest


def _part(
    order: Order, number: int, name: str, banks: dict[str, Path], music: Sequence[Music]
) -> _Part:
    folder = order.out / name
    folder.mkdir(parents=True, exist_ok=True)
    pianos = [piano for piano in order.pianos if piano.held_out == (name == HELD_OUT)]
    return _Part(
        folder,
        number,
        order.seed,
        {piano.name: banks[piano.name] for piano in pianos},
        {piano.name: piano.weight for piano in pianos},
        music,
        order.nobody_plays,
    )


def _missing(order: Order, parts: Sequence[_Part]) -> list[tuple[int, int]]:
    """Return what is still to be made, (part, index), some of each part early."""
    counts = list(order.counts().values())
    missing = [
        (number, index)
        for number, part in enumerate(parts)
        for index in range(counts[number])
        if not _stem(part.folder, index, '.json').exists()
    ]
    return sorted(missing, key=lambda job: job[1] / counts[job[0]])


def _pool(order: Order, parts: Sequence[_Part]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(order.processes, context, _begin, (parts,))


def _result(future: 'Future[_R]', failed: str) -> _R:
    try:
        return future.result()
    except OSError as error:
        raise SynthesisError(
            f'{failed}: {error}; the same command goes on once that is mended'
        ) from error
    except BrokenProcessPool as error:
        raise SynthesisError(
            'one of the processes was killed, perhaps for lack of memory: the same command goes '
            'on, with fewer --processes where it happens again'
        ) from error


def _check(order: Order) -> None:
    if not (0 < order.hours < _MOST_HOURS and 0 <= order.held_out_hours < _MOST_HOURS):
        raise SynthesisError(f'the hours to make are more than 0 and below {_MOST_HOURS}')
    if order.processes < 1:
        raise SynthesisError('the recordings are made by 1 or more processes')
    if order.held_out_hours and not any(piano.held_out for piano in order.pianos):
        raise SynthesisError('held-out hours need a piano with held_out: true')
    if order.terms and len(order.terms) != len(order.music):
        raise SynthesisError(
            f'{len(order.terms)} terms are named for {len(order.music)} folders of music'
        )


def _about(order: Order) -> dict[str, Any]:
    """Return the head of the manifest."""
    return {
        'format': FORMAT,
        'command': order.command,
        'seed': order.seed,
        'hours': order.hours,
        'held_out_hours': order.held_out_hours,
        'music': [
            {'folder': folder.name, 'terms': terms}
            for folder, terms in zip(order.music, _terms(order), strict=True)
        ],
        'left_out': sorted(order.leave_out),
        'pianos': [piano.about() for piano in order.pianos],
        'nobody_plays': order.nobody_plays,
    }


def _terms(order: Order) -> Sequence[str]:
    return order.terms or ['not stated'] * len(order.music)


def _same_set(path: Path, about: dict[str, Any]) -> None:
    """Raise SynthesisError if a folder holds a set made otherwise; more hours may be asked for."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise SynthesisError(f'{path} cannot be read: {error}') from error
    for name in ('format', 'seed', 'music', 'left_out', 'pianos', 'nobody_plays'):
        if found.get(name) != about[name]:
            raise SynthesisError(
                f'{path.parent} holds a set made with other {name}: make the new one in another '
                'folder'
            )


def _load_music(order: Order, progress: bool) -> dict[str, list[Music]]:
    music: dict[str, list[Music]] = {TRAIN: [], HELD_OUT: []}
    for folder, terms in zip(order.music, _terms(order), strict=True):
        try:
            dataset = load_dataset([folder], order.cache, progress)
        except DatasetError as error:
            raise SynthesisError(str(error)) from error
        left_out = set(order.leave_out)
        for part, numbers in zip(music, dataset.split(), strict=True):
            chosen = [n for n in numbers if Path(dataset.names[n]).stem not in left_out]
            if chosen:
                music[part].append(Music(dataset, chosen, terms))
    for part in music:
        # A small collection may have no development pieces.
        music[part] = music[part] or music[TRAIN]
    return music


def _build_banks(order: Order, progress: bool) -> dict[str, Path]:
    from tqdm import tqdm

    folder = order.cache / 'banks'
    paths = {piano.name: piano.bank_path(folder) for piano in order.pianos}
    missing = [piano for piano in order.pianos if not is_bank(paths[piano.name])]
    if missing:
        with _pool(order, []) as pool:
            building = [pool.submit(_build_bank, piano, folder) for piano in missing]
            try:
                for future in tqdm(building, 'pianos', unit='piano', disable=not progress):
                    _result(future, 'a piano could not be kept')
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return paths


def _build_bank(piano: Piano, folder: Path) -> None:
    piano.build().save(piano.bank_path(folder))


_parts: Sequence[_Part] = ()
_loaded: dict[Path, Bank] = {}


def _begin(parts: Sequence[_Part]) -> None:
    """Prepare a process: one that ends with its parent, and leaves Ctrl-C to it."""
    global _parts
    _parts = parts
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _make(number: int, index: int) -> float:
    """Make one recording; return the processor seconds it took."""
    begun = time.process_time()
    part = _parts[number]
    banks = {}
    for name, path in part.banks.items():
        if path not in _loaded:
            _loaded[path] = load_bank(path)
        banks[name] = _loaded[path]
    random = np.random.default_rng([part.seed, part.number, index])
    recording = make_recording(random, banks, part.weights, part.music, part.nobody_plays)
    wav = recording.wav()
    stem = _stem(part.folder, index)
    recording.score.write(stem)
    stem.with_suffix('.wav').write_bytes(wav)
    about = {'name': stem.name, **recording.about, 'sha256': hashlib.sha256(wav).hexdigest()}
    _write_json(stem.with_suffix('.json'), about)
    return time.process_time() - begun


def _stem(folder: Path, index: int, suffix: str = '') -> Path:
    return folder / f'{index:05}{suffix}'


def _write_manifest(order: Order, about: dict[str, Any]) -> dict[str, Any]:
    recordings = {
        part: [
            json.loads(path.read_text(encoding='utf-8'))
            for path in sorted((order.out / part).glob('*.json'))
        ]
        for part in (TRAIN, HELD_OUT)
    }
    manifest = {**about, 'recordings': recordings}
    _write_json(order.out / _MANIFEST, manifest)
    return manifest


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1)
    write_whole(path, lambda file: file.write(text.encode()))
