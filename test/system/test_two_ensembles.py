# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Two ensembles in one graph, each in its namespace, do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

from graph import Graph, graph_in, wait_until
from improv_ros.bags.session import paired
from improv_ros.event_text import SECOND, StreamWriter, is_note_on, note_off, note_on


@pytest.fixture
def ensembles(tmp_path: Path, domain: int) -> Iterator[tuple[Graph, Graph]]:
    """Provide two namespaces of one domain, an improviser and a player in each."""
    for name in 'ab':
        (tmp_path / name).mkdir()
    with (
        graph_in(tmp_path / 'a', domain, '/a') as first,
        graph_in(tmp_path / 'b', domain, '/b') as second,
    ):
        for graph in (first, second):
            graph.start(
                'improviser',
                pause_mode='fixed',
                pause=0.4,
                seed=1,
                shortest_answer=1.0,
                longest_answer=2.0,
            )
            midi_file = str(graph.folder / 'played.mid')
            graph.start('midi_player', outputs='file', midi_file=midi_file)
        yield first, second


def test_two_ensembles_do_not_affect_each_other(ensembles: tuple[Graph, Graph]) -> None:
    first, second = ensembles
    publisher = first.publisher('heard_notes')
    for graph in ensembles:
        wait_until(lambda graph=graph: graph.healthy('improviser'), 'an improviser')
        wait_until(lambda graph=graph: graph.healthy('midi_player'), 'a player')

    start = first.now() - SECOND
    phrase = [
        event
        for i, pitch in enumerate((60, 62, 64, 65))
        for event in (
            note_on(start + i * SECOND // 4, pitch, 70),
            note_off(start + i * SECOND // 4 + SECOND // 5, pitch),
        )
    ]
    publisher.publish(String(data=StreamWriter().write(phrase)[0]))
    wait_until(lambda: any(map(is_note_on, first.events['played_notes'])), 'an answer in /a')
    wait_until(
        lambda: (
            first.figures('improviser')['playing'] == 'False'
            and first.figures('midi_player')['events waiting'] == '0'
            and first.figures('midi_player')['notes played']
            == str(len(paired(first.events['generated_notes'])))
        ),
        'its end',
    )
    assert not any(second.texts.values())
    assert second.figures('improviser')['heard_notes received'] == '0'
    assert second.figures('improviser')['notes remembered'] == '0'
    assert second.figures('midi_player')['notes played'] == '0'

    # A service of the one is not the other's.
    quiet = len(first.texts['generated_notes'])
    client = second.probe.create_client(Trigger, 'improviser/improvise')
    wait_until(client.service_is_ready, 'the service')
    future = client.call_async(Trigger.Request())
    wait_until(lambda: any(map(is_note_on, second.events['played_notes'])), 'music in /b')
    assert future.result().success
    assert len(first.texts['generated_notes']) == quiet
    assert first.figures('improviser')['playing'] == 'False'
