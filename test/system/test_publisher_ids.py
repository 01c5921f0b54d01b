# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who published a message, where rclpy tells and where it does not."""

from __future__ import annotations

import pytest
from rclpy.node import Node
from std_msgs.msg import String

from graph import Graph, wait_until
from improv_ros.event_text import StreamWriter, TimedEvent, note_off, note_on, parse
from improv_ros.nodes.common import note_topics
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NoteListener, NotePublisher

pytestmark = pytest.mark.jazzy


class Someone:
    """A node with a publisher on `generated_notes`, once somebody hears it."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.node = Node(name, namespace='/improv', context=graph.probe.context)
        self.time = LocalTime(self.node.get_clock())
        self.publisher = NotePublisher(self.node, 'generated_notes', self.time)
        # The probe of the graph, and the listener of the test.
        wait_until(lambda: self.publisher.subscribers == 2, 'the listeners')

    def press(self, pitch: int) -> None:
        self.publisher.publish([note_on(self.time.now(), pitch, 64)])

    def leave(self) -> None:
        self.publisher.destroy()
        self.node.destroy_node()


def listener_of(graph: Graph, events: list[TimedEvent]) -> NoteListener:
    """Return a listener, which leaves with the probe: rclpy of Jazzy cannot bear it any sooner."""
    time = LocalTime(graph.probe.get_clock())
    return NoteListener(graph.probe, 'generated_notes', events.extend, time)


def kept(events: list[TimedEvent]) -> list[int]:
    """Return the pitches that sound after events."""
    down: list[int] = []
    for event in list(events):
        pitch, velocity, _ = event.values
        down = [*down, pitch] if velocity else [other for other in down if other != pitch]
    return down


@pytest.mark.parametrize('told', [True, False])
def test_each_publisher_is_known_and_ends_by_itself(
    graph: Graph, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:  # as by rclpy before Kilted
        monkeypatch.setattr(note_topics, 'publisher_of', lambda _: None)
    events: list[TimedEvent] = []
    listener = listener_of(graph, events)
    one, other = Someone(graph, 'one'), Someone(graph, 'other')
    for number in range(5):
        one.press(60 + number)
        other.press(80 + number)
    wait_until(lambda: len(kept(events)) == 10, 'ten notes')
    assert listener.figures()['generated_notes lost'] == 0
    one.leave()
    wait_until(lambda: kept(events) == [80, 81, 82, 83, 84], 'the end of what one held')
    again = Someone(graph, 'one')
    again.press(70)
    wait_until(lambda: kept(events)[-1] == 70, 'the first note of its next life')
    wait_until(lambda: listener.figures()['generated_notes restarts'] == 1, 'the restart')
    assert kept(events) == [80, 81, 82, 83, 84, 70]
    other.leave()
    again.leave()


def test_a_publisher_says_the_id_that_the_graph_knows(graph: Graph) -> None:
    events: list[TimedEvent] = []
    listener_of(graph, events)
    one, other = Someone(graph, 'one'), Someone(graph, 'one')  # not even its name is its own
    one.press(60)
    other.press(61)
    wait_until(lambda: len(graph.texts['generated_notes']) == 2, 'two messages')
    said = {parse(text).publisher for text in graph.texts['generated_notes']}
    assert said == set(note_topics.publishers_on(graph.probe, 'generated_notes'))
    one.leave()
    other.leave()


def test_too_many_strangers_are_forgotten_and_hang_no_note(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(note_topics, 'publisher_of', lambda _: None)
    monkeypatch.setattr(note_topics, 'MAX_UNKNOWN', 3)
    events: list[TimedEvent] = []
    node = Node('relay', namespace='/improv', context=graph.probe.context)
    listener_of(graph, events)
    publisher = node.create_publisher(String, 'generated_notes', CHAIN_QOS)
    wait_until(lambda: publisher.get_subscription_count() == 2, 'the listeners')
    for pitch in range(60, 66):
        text = StreamWriter(publisher=f'{pitch}').write([note_on(graph.now(), pitch, 64)])[0]
        publisher.publish(String(data=text))
    wait_until(lambda: 65 in kept(events), 'the last note')
    assert kept(events) == [63, 64, 65]
    (ended,) = StreamWriter(publisher='65').write([note_off(graph.now(), 65)])
    publisher.publish(String(data=ended.replace('sq_0', 'sq_1')))
    wait_until(lambda: kept(events) == [63, 64], 'its end')
    node.destroy_node()


def test_a_publisher_that_was_started_again_holds_nothing_of_before(graph: Graph) -> None:
    events: list[TimedEvent] = []
    listener_of(graph, events)
    killed, other = Someone(graph, 'one'), Someone(graph, 'other')  # it stays in the graph
    killed.press(60)
    other.press(61)
    wait_until(lambda: kept(events) == [60, 61], 'two notes')
    again = Someone(graph, 'one')
    wait_until(lambda: kept(events) == [61], 'the end of what it held before')
    again.press(62)
    wait_until(lambda: kept(events) == [61, 62], 'its next note')
    for someone in (killed, other, again):
        someone.leave()
