# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The parsers are those of event text, of MIDI files, of live messages, of audio chunks and of
the commands of browsers. Each may return a result or raise its own error. Any other exception is
an escape: the input is saved, and the run ends with exit code 1. Valid inputs are damaged at
random, and accepted inputs are damaged further.
"""

from __future__ import annotations

import argparse
from array import array
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
import hashlib
import io
from pathlib import Path
import random
import struct
import time
import traceback
from typing import NamedTuple

import numpy as np

from benchmark.harness import Column, Result, option
from improv_ros.event_text import (
    SECOND,
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
from improv_ros.listening.capture.audio_chunk import (
    LABELS,
    AudioChunk,
    AudioChunkError,
    from_layout,
    to_layout,
)
from improv_ros.page.protocol import COMMANDS, ProtocolError, read_command

BATCH = 20_000
LONGEST = 4096  # bytes of an input
MOST_KEPT = 500  # accepted inputs that are kept to be damaged further
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


class Parser(NamedTuple):
    """A function that returns whether it accepts some bytes, and valid inputs for it."""

    accepts: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]


class Tally(NamedTuple):
    """The result of some inputs; escape: (input, traceback), if there was one."""

    tried: int
    accepted: int
    slowest: float  # seconds of processor time
    escape: tuple[bytes, str] | None = None


def accepts_text(data: bytes) -> bool:
    try:
        parse(data)
    except EventTextError:
        return False
    return True


def accepts_midi(data: bytes) -> bool:
    try:
        midi_to_text(read_midi(io.BytesIO(data)))
    except MidiFileError:
        return False
    return True


def accepts_messages(data: bytes) -> bool:
    """Parse the messages of one topic, separated by zero bytes."""
    reader = StreamReader()
    accepted = False
    for message in data.split(b'\0'):
        try:
            reader.read(message)
            accepted = True
        except EventTextError:
            pass
    reader.close(0)
    return accepted


def accepts_chunk(data: bytes) -> bool:
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


def accepts_command(data: bytes) -> bool:
    try:
        name, fields = read_command(data)
    except ProtocolError:
        return False
    assert fields.keys() == COMMANDS[name].fields.keys()
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


def commands() -> list[bytes]:
    return [
        b'{"do":"ping","sent":1234.5,"seen":7}',
        b'{"do":"key","pitch":60,"velocity":64,"time":1234.5}',
        b'{"do":"pedal","value":127,"time":-1e3}',
        b'{"do":"act","action":"again"}',
        b'{"do":"set","parameter":"pause","value":0.8}',
        b'{"do":"choose","kind":"microphone","names":"USB"}',
        b'{"do":"record","on":true}',
        b'{"do":"devices"}',
    ]


PARSERS = {
    'text': Parser(accepts_text, texts),
    'midi': Parser(accepts_midi, midi_files),
    'live': Parser(accepts_messages, messages),
    'audio': Parser(accepts_chunk, chunks),
    'page': Parser(accepts_command, commands),
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


def try_parser(name: str, count: int, seed: int) -> Tally:
    """Try a number of damaged inputs."""
    chance = random.Random(f'{name} {seed}')
    parser = PARSERS[name]
    seeds = parser.seeds()
    pool = list(seeds)
    accepted, slowest = 0, 0.0
    for number in range(count):
        # Half of them from the seeds, or the accepted inputs would soon be the shortest ones.
        whole = chance.choice(seeds if number % 2 else pool)
        data = damaged(whole, chance.choice(pool), chance)
        began = time.process_time()
        try:
            if parser.accepts(data):
                accepted += 1
                if len(pool) < MOST_KEPT:
                    pool.append(data)
                else:
                    pool[int(chance.random() * MOST_KEPT)] = data
        except Exception:
            return Tally(number + 1, accepted, slowest, (data, traceback.format_exc()))
        slowest = max(slowest, time.process_time() - began)
    return Tally(count, accepted, slowest)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--inputs', 1_000_000, 'inputs to try, over all parsers')
    option(parser, '--processes', 1, 'processes that try side by side')
    parser.add_argument(
        '--parsers',
        nargs='+',
        choices=PARSERS,
        default=list(PARSERS),
        help='parsers to try (default: all)',
    )
    option(parser, '--seed', 0, 'seed of the damage')
    option(parser, '--save', Path('out'), 'folder to save an escape in', metavar='FOLDER')


def run(arguments: argparse.Namespace, result: Result) -> None:
    table = result.table(
        'Damaged inputs',
        Column('parser', width=8),
        Column('tried', ',d', 12),
        Column('accepted', ',d', 12),
        Column('slowest, ms', '.1f'),
        Column('escaped', 'd'),
    )
    each = arguments.inputs // len(arguments.parsers)
    counts = [min(BATCH, each - start) for start in range(0, each, BATCH)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in arguments.parsers:
            jobs = [
                pool.submit(try_parser, name, count, arguments.seed + number)
                for number, count in enumerate(counts)
            ]
            tallies = [job.result() for job in as_completed(jobs)]
            escapes = [tally.escape for tally in tallies if tally.escape]
            table.add(
                name,
                sum(tally.tried for tally in tallies),
                sum(tally.accepted for tally in tallies),
                1000 * max((tally.slowest for tally in tallies), default=0.0),
                len(escapes),
            )
            for data, why in escapes:
                path = arguments.save / f'escape-{name}-{hashlib.sha256(data).hexdigest()[:12]}'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                print(why)
                result.fault(f'the parser {name} let an input escape, saved as {path}')
