# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The chain on three hosts, over links with delay and loss."""

from __future__ import annotations

from collections import defaultdict
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from improv_ros.bags.session import Note, paired
from improv_ros.event_text import SECOND, StreamReader, TimedEvent, is_note_on, parse
from three_hosts import NO_NAMESPACES, NODES
from timing import promised


def run_session(what: str, delay: int, folder: Path) -> dict[str, Any]:
    """Return the record of a session; skip where this machine lets us make no hosts."""
    script = Path(__file__).with_name('three_hosts.py')
    result = subprocess.run(
        [sys.executable, str(script), what, str(delay), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if result.returncode == NO_NAMESPACES:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stderr
    return json.loads((folder / 'session.json').read_text())


def events_of(texts: list[str]) -> list[TimedEvent]:
    """Return the events of a topic, none of whose messages is missing, late or double."""
    numbers = [parse(text).sequence for text in texts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    reader = StreamReader()
    return [event for text in texts for event in reader.read(text)]


def assert_paired(events: list[TimedEvent]) -> None:
    """Each key goes down and comes up in turn, and all are up in the end."""
    keys: dict[tuple[int, ...], list[TimedEvent]] = defaultdict(list)
    for event in events:
        keys[event.values[::2]].append(event)
    for strokes in keys.values():
        assert [is_note_on(event) for event in strokes] == [True, False] * (len(strokes) // 2)
        times = [event.time for event in strokes]
        assert times == sorted(times)


def matched(due: list[Note], played: list[Note]) -> list[tuple[Note, Note]]:
    """Pair each note with its performance, in the order of the performance."""
    waiting: dict[int, list[Note]] = defaultdict(list)
    for note in due:
        waiting[note.pitch].append(note)
    return [(waiting[note.pitch].pop(0), note) for note in played]


@pytest.mark.parametrize(
    ('what', 'delay', 'least_heard'),
    [
        pytest.param('demo', 0, 60, marks=pytest.mark.nightly),
        pytest.param('chain', 20, 10, marks=pytest.mark.nightly),
        pytest.param('chain', 100, 10, marks=pytest.mark.nightly),
    ],
)
def test_the_chain_plays_across_three_hosts(
    tmp_path: Path, what: str, delay: int, least_heard: int
) -> None:
    session = run_session(what, delay, tmp_path)
    heard, generated, played = (
        events_of(session['texts'][f'{topic}_notes']) for topic in ('heard', 'generated', 'played')
    )
    listening, playing = (session['figures'][name] for name in ('improviser', 'midi_player'))
    print(
        f'{delay} ms, 1 % loss: {len(paired(heard))} notes heard, '
        f'{listening["sound to improviser p50 (ms)"]} ms after they sounded '
        f'(p95 {listening["sound to improviser p95 (ms)"]} ms); {len(paired(played))} of '
        f'{len(paired(generated))} played, {playing["lateness p50 (ms)"]} ms late '
        f'(p99 {playing["lateness p99 (ms)"]} ms)'
    )

    # The notes come in order and paired, none lost on either link.
    assert listening['heard_notes lost'] == playing['generated_notes lost'] == '0'
    assert len(paired(heard)) > least_heard
    for events in (heard, generated, played):
        assert_paired([event for event in events if event.kind == 'no'])
    assert [event.time for event in played] == sorted(event.time for event in played)
    assert playing['notes dropped'] == '0'
    keys_moved = [list(event.values[:2]) for event in played if event.kind == 'no']
    assert session['sent'] == keys_moved
    performance = matched(paired(generated), paired(played))
    assert len(performance) == len(paired(generated)) > 5
    assert [due.start for due, _ in performance] == sorted(due.start for due, _ in performance)
    assert all(
        0 <= note.start - due.start + 10_000_000 < promised(0.25) * SECOND
        for due, note in performance
    )

    # A sound takes the cable's delay longer to be understood, and little more.
    assert 0 < float(listening['sound to improviser p50 (ms)']) - delay < promised(0.5) * 1000

    # All hosts go by one clock here: no warning, and the delay shows in how surely that is known.
    for name in NODES:
        assert 'the clock of' not in session['says'][name]
    for host in ('ears', 'mind'):
        offset, uncertainty = map(float, playing[f'clock of {host} minus ours (ms)'].split(' ± '))
        assert abs(offset) <= uncertainty + 0.01
        assert delay <= uncertainty < delay + 50


def test_a_host_whose_clock_is_wrong_is_named(tmp_path: Path) -> None:
    session = run_session('clock', 20, tmp_path)
    assert 'the clock of host hands is' in session['says']['improviser']
    assert 'ahead of that of mind' in session['says']['improviser']
    assert 'the clock of host mind is' in session['says']['midi_player']
    assert 'behind that of hands' in session['says']['midi_player']
    figure = session['figures']['improviser']['clock of hands minus ours (ms)']
    assert abs(float(figure.split(' ± ')[0]) - 50) < 10
