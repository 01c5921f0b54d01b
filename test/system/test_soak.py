"""The soak benchmark: it counts right, it notices a loss, and it runs."""

from __future__ import annotations

import importlib
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from graph import wait_until
from improv_ros.event_text import StreamWriter, TimedEvent, note_off, note_on

FOLDER = Path(__file__).parents[2] / 'benchmark'
MILLISECOND = 1_000_000
NODES = (
    'midi_keyboard',
    'improviser',
    'midi_player',
    'microphone',
    'transcriber',
    'robot_performer',
)


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are scripts, no package."""
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def counts() -> Any:
    return importlib.import_module('soak_counts')


def scale() -> list[TimedEvent]:
    """Each key twice, differently loud."""
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


def test_what_comes_out_as_it_went_in_is_no_fault(counts: Any) -> None:
    passage = counts.Passage('stage')
    passage.enter(scale())
    assert passage.under_way == 48
    passage.leave(later(scale()))
    assert passage.faults() == []
    assert (passage.notes_in, passage.notes_out, passage.under_way) == (24, 24, 0)
    assert passage.lateness == [MILLISECOND] * 24


def test_which_side_is_told_first_does_not_matter(counts: Any) -> None:
    passage = counts.Passage('stage')
    for event in scale():
        passage.leave([event])
        passage.enter([event])
    assert passage.faults() == []


def test_a_lost_note_is_a_fault(counts: Any) -> None:
    passage = counts.Passage('stage')
    passage.enter(scale())
    passage.leave(scale()[:10] + scale()[12:])
    assert passage.faults() == ['stage: 2 events lost']
    assert passage.notes_out == 23


def test_the_last_note_lost_is_a_fault(counts: Any) -> None:
    passage = counts.Passage('stage')
    passage.enter(scale())
    passage.leave(scale()[:-2])
    assert passage.faults() == ['stage: 2 events lost']


def test_a_note_that_hangs_is_a_fault(counts: Any) -> None:
    passage = counts.Passage('stage')
    passage.enter(scale())
    passage.leave(scale()[:-1])
    assert passage.faults() == ['stage: 1 events lost', 'stage, coming out: 1 notes hang']


def test_a_note_that_comes_twice_or_from_nowhere_is_a_fault(counts: Any) -> None:
    passage = counts.Passage('stage')
    passage.enter(scale())
    passage.leave([*scale(), *scale()[:2]])
    assert passage.faults() == ['stage: 2 events that never entered']


def test_a_key_pressed_or_released_twice_is_a_fault(counts: Any) -> None:
    press, release, *_ = scale()
    pairs = counts.Pairs('place')
    pairs.take([release, press, release, release, press, press])
    assert pairs.faults() == ['place: 2 events without their pair', 'place: 1 notes hang']


def test_messages_are_counted_by_their_numbers(counts: Any) -> None:
    writer = StreamWriter()
    texts = [text for event in scale() for text in writer.write([event])]
    whole = counts.Sequence('notes')
    assert [event[1:] for text in texts for event in whole.read(text)] == [
        event[1:] for event in scale()
    ]
    assert whole.faults() == []
    assert whole.messages == 48
    broken = counts.Sequence('notes')
    for text in [*texts[:3], *texts[5:], texts[-1], 'hello']:
        broken.read(text)
    assert sorted(broken.faults()) == [
        'notes: 1 messages malformed',
        'notes: 1 messages repeated or begun anew',
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
    soak = importlib.import_module('soak')
    report = soak.Report(None, None)
    report.usage = [
        {'a/node': soak.Stretch(used, 20, 20, 10.0), 'soak': soak.Stretch(2**minute, 20, 20, 10.0)}
        for minute, used in enumerate(memory)
    ]
    assert report.faults() == faults


def test_a_node_that_ends_is_a_fault() -> None:
    processes = importlib.import_module('soak_processes').Processes()
    words = ['-c', 'import time; time.sleep(60)', 'improv_ros.nodes.some', '__ns:=/a']
    node = subprocess.Popen([sys.executable, *words])
    try:
        wait_until(lambda: processes.look() or 'a/some' in processes.pids, 'the node')
        assert processes.faults == []
        assert processes.stretch(1.0)['a/some'].memory > 1
    finally:
        node.kill()
        node.wait()
    processes.look()
    assert processes.faults == ['a/some has ended']


def test_the_chain_stands_a_short_soak(tmp_path: Path) -> None:
    table = tmp_path / 'robustness.md'
    table.write_text('# Robustness\n\n## Soak\n\nold\n\n## After\n\nkept\n')
    script = [str(FOLDER / 'soak.py'), '--minutes', '0.33', '--rate', '20', '--table', str(table)]
    result = subprocess.run([sys.executable, *script], capture_output=True, text=True, timeout=300)
    faults = [line for line in result.stderr.splitlines() if line.startswith('soak: ')]
    assert result.returncode == bool(faults), result.stderr
    # A transcriber that is kept from running for two seconds by others loses sound, as it should.
    assert not [fault for fault in faults if 'audio' not in fault], result.stderr
    text = table.read_text()
    assert 'old' not in text and text.endswith('\n\n## After\n\nkept\n')
    minute = next(line for line in text.splitlines() if line.startswith('| 1 |'))
    passages, counts = minute.split(' | ')[1:5], minute.split(' | ')[5:7]
    for notes in [*(n for passage in passages for n in passage.split(' → ')), *counts]:
        assert int(notes) > 20
    for node in NODES:
        assert f'/{node} |' in text
