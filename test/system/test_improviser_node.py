"""The improviser node: it answers, yields, and does what its services say."""

from __future__ import annotations

import signal

import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

from graph import NAMESPACE, Graph, wait_until
from improv_ros.demo.session import paired
from improv_ros.event_text import StreamWriter, is_note_on, note_off, note_on

SECOND = 1_000_000_000


def play_phrase(graph: Graph, publisher, writer: StreamWriter, pitches=(60, 62, 64, 65, 67)):
    """Publish a phrase as if it had just been played, a note every quarter of a second."""
    start = graph.now() - len(pitches) * SECOND // 4
    events = []
    for i, pitch in enumerate(pitches):
        onset = start + i * SECOND // 4
        events += [note_on(onset, pitch, 70), note_off(onset + SECOND // 5, pitch)]
    for text in writer.write(events):
        publisher.publish(String(data=text))


def request(graph: Graph, name: str) -> Trigger.Response:
    client = graph.probe.create_client(Trigger, f'{NAMESPACE}/improviser/{name}')
    wait_until(client.service_is_ready, name)
    future = client.call_async(Trigger.Request())
    wait_until(future.done, f'an answer of {name}')
    return future.result()


def test_it_answers_a_phrase_and_yields_when_the_person_comes_back(graph: Graph) -> None:
    graph.start('improviser', pause=0.5, lookahead=0.3, seed=1, shortest_answer=10.0)
    publisher = graph.publisher('heard_notes')
    writer = StreamWriter()
    play_phrase(graph, publisher, writer)
    generated = graph.events['generated_notes']
    received = wait_until(lambda: generated and graph.now(), 'the beginning of an answer')
    assert generated[0].time > received - SECOND // 10  # it is still to come
    wait_until(lambda: sum(map(is_note_on, generated)) >= 3, 'three notes')
    assert not any(event.kind == 'cl' for event in generated)

    back = graph.now()
    publisher.publish(String(data=writer.write([note_on(back, 72, 80)])[0]))
    cleared = wait_until(
        lambda: next((event for event in generated if event.kind == 'cl'), None), 'a clear'
    )
    assert 0 <= cleared.time - back < SECOND
    assert all(note.end <= cleared.time for note in paired(generated))


def test_an_answer_pairs_its_notes_and_ends(graph: Graph) -> None:
    graph.start('improviser', pause=0.3, seed=2, shortest_answer=1.0, longest_answer=2.0)
    publisher = graph.publisher('heard_notes')
    play_phrase(graph, publisher, StreamWriter())
    generated = graph.events['generated_notes']
    wait_until(lambda: generated, 'an answer')
    ended = wait_until(
        lambda: (
            graph.figures('improviser').get('speaking') == 'False'
            and int(graph.figures('improviser')['notes generated']) > 0
        ),
        'its end',
    )
    assert ended
    notes = paired(generated)
    assert len(notes) == sum(map(is_note_on, generated)) > 0
    assert notes[-1].start - notes[0].start < 5 * SECOND


def test_its_services_start_stop_and_forget(graph: Graph) -> None:
    node = graph.start('improviser', seed=3, shortest_answer=20.0, longest_answer=20.0)
    wait_until(lambda: graph.healthy('improviser'), 'an improviser')
    generated = graph.events['generated_notes']
    assert request(graph, 'improvise').success
    wait_until(lambda: any(map(is_note_on, generated)), 'music')
    assert request(graph, 'stop').success
    wait_until(lambda: any(event.kind == 'cl' for event in generated), 'silence')
    assert request(graph, 'forget').success
    wait_until(
        lambda: graph.figures('improviser').get('notes remembered') == '0', 'an empty memory'
    )
    assert node.leave() < 2
    assert node.process.returncode == 0


def test_leaving_in_the_middle_of_a_speech_withdraws_it(graph: Graph) -> None:
    node = graph.start('improviser', mode='solo', seed=4)
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) > 2, 'a solo')
    assert node.leave(signal.SIGTERM) < 2
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said
    wait_until(lambda: any(event.kind == 'cl' for event in generated), 'the withdrawal')


@pytest.mark.parametrize('model', ['/nowhere/at/all.tflite', __file__])
def test_a_model_that_cannot_be_loaded_is_a_sentence_not_a_crash(graph: Graph, model) -> None:
    node = graph.start('improviser', model=model)
    wait_until(lambda: model in graph.says('improviser'), 'the reason')
    assert node.process.poll() is None
    assert 'Traceback' not in node.said
