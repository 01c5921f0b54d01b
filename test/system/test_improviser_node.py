# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The improviser node: it answers, yields, and does what its services say."""

from __future__ import annotations

from collections.abc import Iterator
import signal
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from graph import NAMESPACE, Graph, wait_until
from improv_ros.bags.session import paired
from improv_ros.event_text import SECOND, StreamWriter, is_note_on, note_off, note_on
from improv_ros.nodes.common.note_topics import HEARING_TOPICS
from test_lifecycle import call
from timing import promised

pytestmark = pytest.mark.jazzy


def play_phrase(
    graph: Graph, publisher, writer: StreamWriter, pitches=(60, 62, 64, 65, 67), velocity=70
):
    """Publish a phrase as if it had just been played, a note every quarter of a second."""
    start = graph.now() - len(pitches) * SECOND // 4
    events = []
    for i, pitch in enumerate(pitches):
        onset = start + i * SECOND // 4
        events += [note_on(onset, pitch, velocity), note_off(onset + SECOND // 5, pitch)]
    for text in writer.write(events):
        publisher.publish(String(data=text))


def play_on(graph: Graph, publisher, seconds: float) -> Iterator[None]:
    """Play a key every tenth of a second, as it happens; yield after each."""
    writer = StreamWriter()
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        pitch = 48 + number % 12
        now = graph.now()
        for event in (note_on(now, pitch, 70), note_off(now + SECOND // 20, pitch)):
            publisher.publish(String(data=writer.write([event])[0]))
        number += 1
        time.sleep(0.1)
        yield


def set_parameter(graph: Graph, name: str, value: Any) -> Any:
    """Set a parameter of the improviser; return the result."""
    client = graph.probe.create_client(SetParameters, f'{NAMESPACE}/improviser/set_parameters')
    wait_until(client.service_is_ready, 'the parameters')
    message = Parameter(name, value=value).to_parameter_msg()
    future = client.call_async(SetParameters.Request(parameters=[message]))
    wait_until(future.done, f'{name} to be set')
    return future.result().results[0]


def request(graph: Graph, name: str) -> Trigger.Response:
    client = graph.probe.create_client(Trigger, f'{NAMESPACE}/improviser/{name}')
    wait_until(client.service_is_ready, name)
    future = client.call_async(Trigger.Request())
    wait_until(future.done, f'an answer of {name}')
    return future.result()


def test_it_answers_a_phrase_and_yields_when_the_person_comes_back(graph: Graph) -> None:
    graph.start(
        'improviser', pause_mode='fixed', pause=0.5, lookahead=0.3, seed=1, shortest_answer=10.0
    )
    publisher = graph.publisher('heard_notes')
    writer = StreamWriter()
    play_phrase(graph, publisher, writer)
    generated = graph.events['generated_notes']
    received = wait_until(lambda: generated and graph.now(), 'the beginning of an answer')
    assert generated[0].time > received - promised(0.1) * SECOND  # it is still to come
    wait_until(lambda: sum(map(is_note_on, generated)) >= 3, 'three notes')
    assert not any(event.kind == 'cl' for event in generated)

    back = graph.now()
    publisher.publish(String(data=writer.write([note_on(back, 72, 80)])[0]))
    cleared = wait_until(
        lambda: next((event for event in generated if event.kind == 'cl'), None), 'a clear'
    )
    assert 0 <= cleared.time - back < promised(1) * SECOND
    assert all(note.end <= cleared.time for note in paired(generated))


def test_again_answers_the_same_phrase_otherwise(graph: Graph) -> None:
    graph.start('improviser', pause_mode='fixed', pause=0.3, seed=3, shortest_answer=3.0)
    publisher = graph.publisher('heard_notes')
    refused = request(graph, 'again')
    assert not refused.success and 'no answer yet' in refused.message
    play_phrase(graph, publisher, StreamWriter())
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) >= 5, 'the first answer')
    assert request(graph, 'again').success
    cleared = wait_until(
        lambda: next((n for n, event in enumerate(generated) if event.kind == 'cl'), None),
        'the end of the first',
    )
    wait_until(lambda: sum(map(is_note_on, generated[cleared:])) >= 5, 'the second answer')
    first, second = (
        [event.values[:2] for event in part if is_note_on(event)][:5]
        for part in (generated[:cleared], generated[cleared:])
    )
    assert first != second
    assert int(graph.figures('improviser').get('notes remembered', 5)) == 5


def test_keep_counts_an_answer_as_heard(graph: Graph) -> None:
    graph.start('improviser', pause=0.3, seed=3, shortest_answer=1.0, longest_answer=2.0)
    publisher = graph.publisher('heard_notes')
    refused = request(graph, 'keep')
    assert not refused.success and 'no answer has sounded' in refused.message
    play_phrase(graph, publisher, StreamWriter())
    generated = graph.events['generated_notes']
    wait_until(lambda: any(map(is_note_on, generated)), 'an answer')
    wait_until(lambda: generated[-1].time < graph.now() - SECOND, 'its end')
    kept = request(graph, 'keep')
    presses = sum(map(is_note_on, generated))
    assert kept.success and kept.message.startswith(f'{presses} notes')
    remembered = str(5 + presses)
    wait_until(lambda: graph.figures('improviser')['notes remembered'] == remembered, 'the memory')


def test_the_memory_is_made_of_what_was_confirmed_and_of_what_was_heard_without_it(
    graph: Graph,
) -> None:
    """Eight low notes are played; eight high ones are heard besides, and never confirmed."""
    node = graph.start('improviser', pause=2.0, seed=5, follow=1.0, shortest_answer=4.0)

    def figure(name: str) -> str | None:
        return graph.figures('improviser').get(name)

    heard, confirmed = (graph.publisher(topic) for topic in HEARING_TOPICS)
    heard_writer, confirmed_writer = StreamWriter(), StreamWriter()
    wait_until(lambda: figure('remembers') == 'confirmed_notes', 'that it knows who confirms')
    start = graph.now() - SECOND
    events = [
        event
        for i in range(8)
        for pitch in (40 + i, 90 + i)
        for event in (
            note_on(start + i * SECOND // 10, pitch, 70),
            note_off(start + i * SECOND // 10 + SECOND // 20, pitch),
        )
    ]
    low = [event for event in events if event.values[0] < 60]
    heard.publish(String(data=heard_writer.write(events)[0]))
    confirmed.publish(String(data=confirmed_writer.write(low)[0]))
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) >= 8, 'an answer')
    pitches = [event.values[0] for event in generated if is_note_on(event)]
    assert sum(pitches) / len(pitches) < 60
    # The last imagined note is no earlier than anything that was confirmed.
    wait_until(lambda: figure('notes remembered') in ('8', '9'), 'what was confirmed')

    assert request(graph, 'stop').success and request(graph, 'forget').success
    graph.probe.destroy_publisher(confirmed)
    wait_until(lambda: figure('remembers') == 'heard_notes', 'that nobody confirms')
    play_phrase(graph, heard, heard_writer)
    wait_until(lambda: figure('notes remembered') == '5', 'what was heard')
    assert node.said.count('confirmed_notes have no publisher') == 1


def test_an_answer_pairs_its_notes_and_ends(graph: Graph) -> None:
    graph.start(
        'improviser',
        pause_mode='fixed',
        pause=0.3,
        seed=2,
        shortest_answer=1.0,
        longest_answer=2.0,
    )
    publisher = graph.publisher('heard_notes')
    play_phrase(graph, publisher, StreamWriter())
    generated = graph.events['generated_notes']
    wait_until(lambda: generated, 'an answer')
    ended = wait_until(
        lambda: (
            graph.figures('improviser').get('playing') == 'False'
            and int(graph.figures('improviser')['notes generated']) > 0
        ),
        'its end',
    )
    assert ended
    notes = paired(generated)
    assert len(notes) == sum(map(is_note_on, generated)) > 0
    assert notes[-1].start - notes[0].start < 5 * SECOND


def test_an_answer_is_as_high_and_loud_as_its_phrase(graph: Graph) -> None:
    graph.start(
        'improviser', pause_mode='fixed', pause=0.3, seed=5, follow=1.0, shortest_answer=4.0
    )
    publisher = graph.publisher('heard_notes')
    writer = StreamWriter()
    generated = graph.events['generated_notes']
    means = []
    for lowest, velocity in ((40, 25), (84, 110)):
        generated.clear()
        play_phrase(graph, publisher, writer, range(lowest, lowest + 8), velocity)
        wait_until(lambda: sum(map(is_note_on, generated)) >= 8, 'eight notes')
        assert request(graph, 'stop').success
        notes = [event.values for event in generated if is_note_on(event)]
        means.append([sum(value) / len(notes) for value in list(zip(*notes, strict=True))[:2]])
    (low, soft), (high, loud) = means
    assert high - low > 20
    assert loud - soft > 15


def test_an_accompaniment_is_published_half_its_lookahead_ahead(graph: Graph) -> None:
    # A long lookahead, so that a busy machine that stops us for 100 ms makes nothing late.
    lookahead = 1.0
    graph.start('improviser', mode='accompany', seed=6, lookahead=lookahead)
    publisher = graph.publisher('heard_notes')
    generated = graph.events['generated_notes']
    leads = []
    for _ in play_on(graph, publisher, 6.0):
        now = graph.now()
        leads += [event.time - now for event in generated[len(leads) :]]
    assert len(leads) >= 10
    # Received at most a tenth of a second ago, the time from look to look.
    assert sorted(leads)[len(leads) // 20] >= (lookahead / 2 - promised(0.1)) * SECOND
    assert not any(event.kind == 'cl' for event in generated)
    figures = wait_until(
        lambda: (
            float(graph.figures('improviser').get('scheduling lead p5 (ms)', '0')) > 0
            and graph.figures('improviser')
        ),
        'how far ahead it publishes',
    )
    assert float(figures['scheduling lead p5 (ms)']) >= (lookahead / 2 - promised(0)) * 1000


def test_what_is_set_while_it_plays_is_felt_at_once(graph: Graph) -> None:
    graph.start('improviser', mode='solo', seed=7)
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) >= 5, 'a solo')
    for name, value in (
        ('temperature', 1.2),
        ('top_p', 0.9),
        ('repetition_penalty', 2.0),
        ('follow', 0.1),
        ('min_repeat_interval', 1.0),
        ('lowest_pitch', 60),
        ('highest_pitch', 64),
    ):
        assert set_parameter(graph, name, value).successful, name
    before = len(generated)
    published = wait_until(
        lambda: sum(map(is_note_on, generated[before:])) >= 12 and generated[before + 2 :],
        'twelve notes more',
    )
    pressed: dict[int, int] = {}
    for event in filter(is_note_on, published):
        pitch = event.values[0]
        assert 60 <= pitch <= 64
        assert event.time - pressed.get(pitch, 0) >= SECOND - SECOND // 500
        pressed[pitch] = event.time
    for name, value in (('repetition_penalty', 5.0), ('follow', -0.1)):
        result = set_parameter(graph, name, value)
        assert not result.successful and name in result.reason


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
    assert node.leave() < promised(2)
    assert node.process.returncode == 0


def test_a_solo_that_was_stopped_begins_again_when_the_mode_is_set(graph: Graph) -> None:
    graph.start('improviser', mode='solo', seed=4)
    generated = graph.events['generated_notes']
    for _ in range(2):
        wait_until(lambda: any(map(is_note_on, generated)), 'a solo')
        assert request(graph, 'stop').success
        wait_until(lambda: 'stopped by the service' in graph.says('improviser'), 'the reason')
        assert graph.healthy('improviser')
        generated.clear()
        assert set_parameter(graph, 'mode', 'solo').successful
    wait_until(lambda: any(map(is_note_on, generated)), 'a solo again')
    wait_until(lambda: graph.says('improviser') == 'active', 'that it plays')


def test_a_solo_begins_again_with_the_next_activation(graph: Graph) -> None:
    graph.start('improviser', mode='solo', seed=4)
    generated = graph.events['generated_notes']
    wait_until(lambda: any(map(is_note_on, generated)), 'a solo')
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        generated.clear()
        asked = ChangeState.Request(transition=Transition(id=transition))
        assert call(graph, ChangeState, 'improviser/change_state', asked).success
    wait_until(lambda: any(map(is_note_on, generated)), 'a solo again')


def test_leaving_in_the_middle_of_a_speech_withdraws_it(graph: Graph) -> None:
    node = graph.start('improviser', mode='solo', seed=4)
    generated = graph.events['generated_notes']
    wait_until(lambda: sum(map(is_note_on, generated)) > 2, 'a solo')
    assert node.leave(signal.SIGTERM) < promised(2)
    assert node.process.returncode == 0
    assert 'Traceback' not in node.said
    wait_until(lambda: any(event.kind == 'cl' for event in generated), 'the withdrawal')


@pytest.mark.parametrize('model', ['/nowhere/at/all.tflite', __file__])
def test_a_model_that_cannot_be_loaded_is_a_sentence_not_a_crash(graph: Graph, model) -> None:
    node = graph.start('improviser', model=model)
    wait_until(lambda: model in graph.says('improviser'), 'the reason')
    assert node.process.poll() is None
    assert 'Traceback' not in node.said


def test_a_partner_is_learnt_kept_and_forgotten(graph: Graph) -> None:
    graph.env = {**graph.env, 'XDG_DATA_HOME': str(graph.folder)}
    profile = graph.folder / 'improv_ros' / 'partners' / 'anna.npz'

    def learnt() -> int:
        return int(graph.figures('improviser').get('notes learnt from', 0))

    node = graph.start('improviser', partner='anna', seed=1)
    publisher, writer = graph.publisher('heard_notes'), StreamWriter()
    for _ in range(5):
        play_phrase(graph, publisher, writer)
    wait_until(lambda: learnt() > 0, 'notes that are learnt from')
    assert graph.healthy('improviser')
    figures = graph.figures('improviser')
    assert figures['partner'] == 'anna'
    assert float(figures['knows you better than a stranger by (nats a note)']) > -5
    node.leave()
    assert profile.is_file()

    graph.diagnostics.clear()
    node = graph.start('improviser', partner='anna', seed=1)
    wait_until(lambda: learnt() > 0, 'what was learnt before')
    assert request(graph, 'forget').success
    wait_until(lambda: learnt() == 0, 'nothing that is learnt')
    node.leave()

    profile.write_bytes(b'no profile')
    graph.diagnostics.clear()
    node = graph.start('improviser', partner='anna', seed=1)
    wait_until(lambda: 'anna.npz is damaged' in graph.says('improviser'), 'a warning')
    play_phrase(graph, graph.publisher('heard_notes'), StreamWriter())
    wait_until(lambda: graph.events['generated_notes'], 'an answer all the same')
    node.leave()
    assert profile.read_bytes() == b'no profile'
