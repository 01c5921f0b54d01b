# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The soak benchmark: it counts right, it notices a loss, and it runs."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

from benchmark.followed_notes import Pairs, Sequence, Stage
from benchmark.harness import Result
from benchmark.process_usage import Processes, Usage
from improv_ros.event_text import StreamWriter, TimedEvent, note_off, note_on

MILLISECOND = 1_000_000
NODES = (
    'midi_keyboard',
    'improviser',
    'midi_player',
    'microphone',
    'transcriber',
    'robot_performer',
)


def scale() -> list[TimedEvent]:
    """Return each key twice, with different velocities."""
    return [
        event
        for number in range(24)
        for event in (
            note_on(number * 10 * MILLISECOND, 60 + number % 12, 1 + number),
            note_off((number * 10 + 5) * MILLISECOND, 60 + number % 12),
        )
    ]


def later(events: list[TimedEvent], by: int = MILLISECOND) -> list[TimedEvent]:
    return [event._replace(time=event.time + by) for event in events]


def test_what_comes_out_as_it_went_in_is_no_fault() -> None:
    stage = Stage('stage')
    stage.enter(scale())
    assert stage.under_way == 48
    stage.leave(later(scale()))
    assert stage.faults() == []
    assert (stage.notes_in, stage.notes_out, stage.under_way) == (24, 24, 0)
    assert stage.lateness == [MILLISECOND] * 24


def test_which_side_is_told_first_does_not_matter() -> None:
    stage = Stage('stage')
    for event in scale():
        stage.leave([event])
        stage.enter([event])
    assert stage.faults() == []


def test_a_lost_note_is_a_fault() -> None:
    stage = Stage('stage')
    stage.enter(scale())
    stage.leave(scale()[:10] + scale()[12:])
    assert stage.faults() == ['stage: 2 events lost']
    assert stage.notes_out == 23


def test_the_last_note_lost_is_a_fault() -> None:
    stage = Stage('stage')
    stage.enter(scale())
    stage.leave(scale()[:-2])
    assert stage.faults() == ['stage: 2 events lost']


def test_a_note_that_hangs_is_a_fault() -> None:
    stage = Stage('stage')
    stage.enter(scale())
    stage.leave(scale()[:-1])
    assert stage.faults() == ['stage: 1 events lost']


def test_a_note_that_comes_twice_or_from_nowhere_is_a_fault() -> None:
    stage = Stage('stage')
    stage.enter(scale())
    stage.leave([*scale(), *scale()[:2]])
    assert stage.faults() == ['stage: 2 events that never entered']
    stage = Stage('stage')
    stage.enter(scale())
    stage.leave([note_on(0, 60, 99), *scale()])
    assert stage.faults() == ['stage: 1 events that never entered']


def test_a_key_pressed_or_released_twice_is_a_fault() -> None:
    press, release, *_ = scale()
    pairs = Pairs('place')
    pairs.take([release, press, release, release, press, press])
    assert pairs.faults() == ['place: 2 events without their pair', 'place: 1 notes hang']


def test_messages_are_counted_by_their_numbers() -> None:
    writer = StreamWriter()
    texts = [text for event in scale() for text in writer.write([event])]
    whole = Sequence('notes')
    assert [event[1:] for text in texts for event in whole.read(text)] == [
        event[1:] for event in scale()
    ]
    assert whole.faults() == []
    assert whole.messages == 48
    broken = Sequence('notes')
    for text in [*texts[:3], *texts[5:], texts[-1], 'hello']:
        broken.read(text)
    assert sorted(broken.faults()) == [
        'notes: 1 messages malformed',
        'notes: 1 messages repeated or restarted',
        'notes: 2 messages lost',
    ]


@pytest.mark.parametrize(
    ('memory', 'faults'),
    [
        ([90, 100, 103, 104], []),
        ([90, 100], []),
        ([90, 100, 103, 106], ['a/node: memory has grown by 6.0 % from minute 2 to the last']),
    ],
)
def test_memory_that_grows_is_a_fault(memory: list[float], faults: list[str]) -> None:
    processes = Processes(dict)
    processes.minutes = [
        {'a/node': Usage(used, 20, 20, 0.1), 'this benchmark': Usage(2**minute, 20, 20, 0.1)}
        for minute, used in enumerate(memory)
    ]
    assert processes.growth_faults() == faults


def test_a_node_that_ends_is_a_fault() -> None:
    node = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
    processes = Processes(lambda: {} if node.poll() is not None else {'a/some': node.pid})
    try:
        processes.look()
        processes.look()
        assert processes.faults == []
        processes.end_minute(1.0)
        assert processes.minutes[0]['a/some'].memory > 0
    finally:
        node.kill()
        node.wait()
    processes.look()
    assert processes.faults == ['a/some has ended']


@pytest.mark.nightly
def test_the_chain_stands_a_short_soak(tmp_path: Path) -> None:
    kept = tmp_path / 'soak.json'
    options = ['--minutes', '0.33', '--rate', '20', '--json', str(kept)]
    command = [sys.executable, '-m', 'improv_ros.cli', 'bench', 'soak', *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    result = Result.from_json(kept.read_text())
    assert done.returncode == bool(result.faults), done.stderr
    # A transcriber that is kept from running for two seconds by others loses sound, as it should.
    load = tuple(f'soak_sound: transcriber: {what}' for what in ('audio', 'transcription takes'))
    assert not [fault for fault in result.faults if not fault.startswith(load)], done.stderr
    minutes, processes = result.tables
    number, *stages, transcribed, performed = minutes.rows[0][:7]
    assert number == 1
    for notes in [*(n for stage in stages for n in stage.split(' → ')), performed]:
        assert int(notes) > 20
    assert transcribed > 0
    names = {row[0] for row in processes.rows}
    assert {name.rpartition('/')[2] for name in names} == {*NODES, 'this benchmark'}
