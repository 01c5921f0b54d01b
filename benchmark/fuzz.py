"""Damaged input for the four readers of whatever comes from outside: does any of it escape?

    python benchmark/fuzz.py [--inputs 10000000] [--processes 1] [--readers midi live]

The readers are the parser of event text, the reader of MIDI files, the reader of live messages
and the reader of audio chunks. Each may return a result or raise its own error. Anything else, a
hang or a crash is an escape: the input is saved, and the run ends with exit code 1.

Where atheris is installed (`pip install atheris`), libFuzzer guides the damage by what code it
reaches. Without it, or with --blind, valid inputs are damaged at random, and what the reader took
is damaged further.
"""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
import hashlib
import io
from pathlib import Path
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from typing import NamedTuple

import numpy as np

try:
    import atheris
except ImportError:
    atheris = None

MUSIC = ('improv_ros.event_text', 'improv_ros.listening.audio_chunk', 'mido')
with atheris.instrument_imports(include=MUSIC) if atheris else nullcontext():
    from improv_ros.event_text import (
        Event,
        EventTextError,
        MidiFileError,
        StreamReader,
        StreamWriter,
        Text,
        clear,
        control_change,
        format_text,
        midi_to_text,
        note_off,
        note_on,
        parse,
        read_midi,
        text_to_midi,
        write_midi,
    )
    from improv_ros.listening.audio_chunk import (
        LABELS,
        AudioChunk,
        AudioChunkError,
        from_layout,
        to_layout,
    )

SECOND = 10**9
BATCH = 20_000
LONGEST = 4096  # bytes of an input
MOST_TAKEN = 500  # inputs that a reader took, kept to be damaged further
TOKENS = (
    *(
        b'_',
        b'\n',
        b'\r\n',
        b'-',
        b'0',
        b'00',
        b'1',
        b'127',
        b'128',
        b'-1',
        b'9' * 19,
        b'9' * 5000,
    ),
    *(b'rs_', b'at_', b'sq_', b'tr_0\n', b'st_', b'no_', b'mt_', b'cl', b'nan', b'inf', b'1e9'),
    *(b'MThd', b'MTrk', b'\xff\x51\x03', b'\xff\x2f\x00', b'\xf0', b'\xf7', b'\x80' * 5),
    *(b'\x00', b'\x00' * 4, b'\xff' * 4, b'\x7f\xff\xff\xff', b'\xc3\xa9', b'\xed\xa0\x80'),
)

_DIMENSION = struct.Struct('<BII')  # the label's number, size, stride
_OFFSET = struct.Struct('<I')


class Reader(NamedTuple):
    """What is tried: bytes in, whether they were taken out."""

    takes: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]


class Tally(NamedTuple):
    """What became of some inputs; escape: (input, why), if one was."""

    reader: str
    tried: int
    taken: int
    slowest: float  # seconds of processor time; whole ones where libFuzzer counts them
    escape: tuple[bytes, str] | None = None


def takes_text(data: bytes) -> bool:
    try:
        parse(data)
    except EventTextError:
        return False
    return True


def takes_midi(data: bytes) -> bool:
    try:
        midi_to_text(read_midi(io.BytesIO(data)))
    except MidiFileError:
        return False
    return True


def takes_messages(data: bytes) -> bool:
    """Read the messages of one topic, a zero byte between each and the next."""
    reader = StreamReader()
    taken = False
    for message in data.split(b'\0'):
        try:
            reader.read(message)
            taken = True
        except EventTextError:
            pass
    reader.close(0)
    return taken


def takes_chunk(data: bytes) -> bool:
    """Read a chunk: how many dimensions, these, the offset, and the samples."""
    end = 1 + (data[0] % 16 if data else 0) * _DIMENSION.size
    head = data[1:end]
    dimensions = [
        (LABELS[label] if label < len(LABELS) else chr(label), size, stride)
        for label, size, stride in _DIMENSION.iter_unpack(
            head[: len(head) - len(head) % _DIMENSION.size]
        )
    ]
    offset = data[end : end + _OFFSET.size]
    samples = data[end + _OFFSET.size :]
    try:
        chunk = from_layout(
            dimensions,
            array('h', samples[: len(samples) & ~1]),
            _OFFSET.unpack(offset)[0] if len(offset) == _OFFSET.size else 0,
        )
    except AudioChunkError:
        return False
    chunk.mono()
    return True


def texts() -> list[bytes]:
    kinds = [
        Event(0, 'st', (120, 500_000)),
        Event(480, 'no', (60, 64, 0)),
        Event(240, 'nf', (60, 64, 3)),
        Event(0, 'cc', (0, 64, 127)),
        Event(1, 'pc', (9, 5)),
        Event(0, 'pw', (0, -8192)),
        Event(0, 'ca', (1, 127)),
        Event(0, 'ka', (15, 127, 0)),
        Event(7, 'sx', (bytes(range(9)),)),
        Event(0, 'sy', (b'\xf2\x01\x02',)),
        Event(0, 'mt', (3, b'name')),
    ]
    some = [Text(480, [kinds]), Text(-(25 << 8) + 40, [kinds[:5], kinds[5:]]), Text(1)]
    return [format_text(text).encode() for text in some]


def midi_files() -> list[bytes]:
    files = []
    for text in texts():
        file = io.BytesIO()
        write_midi(text_to_midi(parse(text)), file)
        files.append(file.getvalue())
    return files


def messages() -> list[bytes]:
    writer = StreamWriter()
    written = []
    for start in range(0, 5 * SECOND, SECOND):
        notes = [note_on(start, 60, 64), note_off(start + SECOND // 2, 60), note_on(start, 64, 1)]
        pedal = [control_change(start, 64, 127), clear(start + SECOND)]
        written += writer.write([*notes, *pedal])
    streams = [written, [*written[3:], written[0], *written[1:]], written[:1] * 3, written[1:2]]
    return ['\0'.join(stream).encode() for stream in streams]


def chunks() -> list[bytes]:
    written = []
    for frames, channels in ((0, 1), (16, 1), (10, 2)):
        samples = np.arange(frames * channels, dtype=np.int16).reshape(frames, channels)
        chunk = AudioChunk(samples, 16000, SECOND, 9)
        layout = to_layout(chunk)
        dimensions = [
            _DIMENSION.pack(LABELS.index(label), size, stride) for label, size, stride in layout
        ]
        head = bytes([len(layout)]) + b''.join(dimensions)
        written.append(head + _OFFSET.pack(0) + chunk.data.tobytes())
    return written


READERS = {
    'parser': Reader(takes_text, texts),
    'midi': Reader(takes_midi, midi_files),
    'live': Reader(takes_messages, messages),
    'audio': Reader(takes_chunk, chunks),
}


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the data changed in one to four places."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = int(chance.random() * (len(damaged) + 1))
        match int(chance.random() * 8):
            case 0 | 1:
                damaged[place : place + 1] = bytes([int(chance.random() * 256)])
            case 2:
                del damaged[place : place + 1 + int(chance.random() * 16)]
            case 3 | 4:
                damaged[place:place] = chance.choice(TOKENS)
            case 5:
                damaged[place : place + 4] = chance.choice(TOKENS)
            case 6:
                begin = int(chance.random() * len(other))
                damaged[place:place] = other[begin : begin + int(chance.random() * 64)]
            case _:
                del damaged[place:]
                damaged += other[int(chance.random() * (len(other) + 1)) :]
    return bytes(damaged[:LONGEST])


def try_blindly(name: str, count: int, seed: int) -> Tally:
    """Try inputs damaged at random."""
    chance = random.Random(f'{name} {seed}')
    reader = READERS[name]
    seeds = reader.seeds()
    pool = list(seeds)
    taken, slowest = 0, 0.0
    for number in range(count):
        # Half from the seeds, or else what is taken would soon be of the shortest.
        whole = chance.choice(seeds if number % 2 else pool)
        data = damaged(whole, chance.choice(pool), chance)
        began = time.process_time()
        try:
            if reader.takes(data):
                taken += 1
                if len(pool) < MOST_TAKEN:
                    pool.append(data)
                else:
                    pool[int(chance.random() * MOST_TAKEN)] = data
        except Exception:
            return Tally(name, number + 1, taken, slowest, (data, traceback.format_exc()))
        slowest = max(slowest, time.process_time() - began)
    return Tally(name, count, taken, slowest)


def try_guided(name: str, count: int, seed: int) -> Tally:
    """Try inputs that libFuzzer makes up, in a process of its own: it ends the one it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(READERS[name].seeds()):
            Path(folder, f'seed-{number}').write_bytes(data)
        command = [sys.executable, __file__, '--guide', name, folder, f'-runs={count}']
        command += [f'-seed={seed + 1}', f'-artifact_prefix={folder}/escape-', '-timeout=20']
        command += [f'-max_len={LONGEST}', '-rss_limit_mb=2048', '-print_final_stats=1']
        done = subprocess.run(command, capture_output=True, text=True, errors='replace')
        escapes = list(Path(folder).glob('escape-*'))
        said = done.stdout + done.stderr
        if done.returncode or escapes:
            data = escapes[0].read_bytes() if escapes else b''
            return Tally(name, 0, 0, 0.0, (data, said[-4000:]))
    (tried,) = re.findall(r'number_of_executed_units: *(\d+)', said)
    *_, taken = ['0', *re.findall(r'^taken (\d+)', said, re.MULTILINE)]
    (slowest,) = re.findall(r'slowest_unit_time_sec: *(\d+)', said)
    return Tally(name, int(tried), int(taken), float(slowest))


def guide(name: str, arguments: list[str]) -> None:
    """Let libFuzzer try a reader in this process; it does not return."""
    takes = READERS[name].takes
    tried = taken = 0

    def attempt(data: bytes) -> None:
        nonlocal tried, taken
        tried += 1
        taken += takes(data)
        if tried % 1000 == 0:  # nobody is asked at the end
            print(f'taken {taken}', flush=True)

    atheris.Setup([sys.argv[0], *arguments], attempt)
    atheris.Fuzz()


def tallies(names: list[str], inputs: int, processes: int, seed: int, blind: bool):
    """Yield a tally of each batch as it ends."""
    each = inputs // len(names)
    if blind:
        counts = [BATCH] * (each // BATCH) + ([each % BATCH] if each % BATCH else [])
        pool, attempt = ProcessPoolExecutor(processes), try_blindly
    else:
        counts = [each // processes] * processes
        pool, attempt = ThreadPoolExecutor(processes), try_guided
    with pool:
        jobs = [
            pool.submit(attempt, name, count, seed + number)
            for number, count in enumerate(counts)
            for name in names
        ]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> int:
    if sys.argv[1:2] == ['--guide']:
        guide(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--inputs', type=int, default=10_000_000, help='over all readers')
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--readers', nargs='+', choices=READERS, default=list(READERS))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--blind', action='store_true', help='without atheris')
    parser.add_argument('--save', type=Path, default=Path('out'), help='folder for an escape')
    arguments = parser.parse_args()
    blind = arguments.blind or atheris is None
    print(f'{"damaged at random" if blind else "guided by atheris"}, seed {arguments.seed}')
    began = time.monotonic()
    sums = {name: Tally(name, 0, 0, 0.0) for name in arguments.readers}
    for tally in tallies(
        arguments.readers, arguments.inputs, arguments.processes, arguments.seed, blind
    ):
        if tally.escape:
            data, why = tally.escape
            name = f'escape-{tally.reader}-{hashlib.sha256(data).hexdigest()[:12]}'
            arguments.save.mkdir(parents=True, exist_ok=True)
            (arguments.save / name).write_bytes(data)
            print(f'ESCAPE from the reader {tally.reader}, saved as {arguments.save / name}')
            print(repr(data[:500]), why, sep='\n')
            return 1
        before = sums[tally.reader]
        sums[tally.reader] = Tally(
            tally.reader,
            before.tried + tally.tried,
            before.taken + tally.taken,
            max(before.slowest, tally.slowest),
        )
        tried = sum(each.tried for each in sums.values())
        seconds = time.monotonic() - began
        print(f'{seconds:7.0f} s {tried:12,} inputs, {tried / seconds:8,.0f} a second', flush=True)
    report(sums.values())
    return 0


def report(sums: Iterable[Tally]) -> None:
    print(f'{"reader":8}{"tried":>12}{"taken":>12}{"slowest":>12}')
    for name, tried, taken, slowest, _ in sums:
        print(f'{name:8}{tried:12,}{taken:12,}{slowest * 1000:9.1f} ms')


if __name__ == '__main__':
    sys.exit(main())
