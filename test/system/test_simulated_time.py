# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The nodes follow a simulation's clock: it runs fast, stands still, and begins again."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
import threading
import time

import pytest
from rosgraph_msgs.msg import Clock
import soundfile as sf
from std_msgs.msg import String

from graph import Graph, NodeProcess, wait_until
from improv_ros.event_text import SECOND, StreamWriter, TimedEvent, is_note_on, note_off, note_on
from improv_ros.nodes.common.managed_node import LONGEST_RETRY
from piano import Piano
from timing import PATIENCE, promised

BEGINNING = 1000.0  # seconds
STEP = 0.005  # seconds, true ones
LIVELY = {'max_silence': 0.4, 'max_note_seconds': 1.0, 'max_density': 8.0, 'seed': 1}


class Simulation:
    """Publishes a clock; its speed and its time may be changed while it runs."""

    def __init__(self, graph: Graph) -> None:
        self.speed = 1.0
        self.seconds = BEGINNING
        self._publisher = graph.probe.create_publisher(Clock, '/clock', 10)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def now(self) -> int:
        """Return its time in nanoseconds."""
        return round(self.seconds * SECOND)

    @property
    def followers(self) -> int:
        """Return how many follow its time."""
        return self._publisher.get_subscription_count()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let time go on meanwhile."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._over.wait(STEP):
            now = time.monotonic()
            self.seconds += (now - before) * self.speed
            before = now
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(self.now(), SECOND)
            self._publisher.publish(message)


def test_a_node_waits_for_the_first_time_of_the_simulation_and_says_so(graph: Graph) -> None:
    sound = graph.folder / 'silence.wav'
    sf.write(sound, [0.0] * 16000, 16000)
    given = {'source': 'file', 'file': str(sound), 'loop': True, 'min_subscribers': 0}
    nodes = [
        graph.start('microphone', use_sim_time=True, **given),
        graph.start('improviser', mode='solo', use_sim_time=True),
    ]
    names = [node.log.stem for node in nodes]
    for name in names:
        wait_until(lambda name=name: '/clock' in graph.says(name), f'what the {name} waits for')
    time.sleep(LONGEST_RETRY + 1)  # another attempt, and many chunks
    for node in nodes:
        assert node.said.count('/clock') == 1
        assert 'Error' not in node.said
    assert not graph.chunks and not graph.events['generated_notes']
    with Simulation(graph).running():
        for name in names:
            wait_until(lambda name=name: graph.healthy(name), f'an active {name}')
        wait_until(lambda: graph.chunks and graph.events['generated_notes'], 'sound and music')
        for node in nodes:
            assert 'Error' not in node.said


@pytest.fixture
def simulation(graph: Graph) -> Iterator[Simulation]:
    """Provide a simulation that runs."""
    simulation = Simulation(graph)
    with simulation.running():
        yield simulation


def start_player(graph: Graph, simulation: Simulation, piano: Piano) -> None:
    graph.start(
        'midi_player', outputs='port', port=piano.address, use_sim_time=True, late_tolerance=10.0
    )
    wait_until(lambda: graph.healthy('midi_player'), 'the player')
    wait_until(lambda: simulation.followers, 'a player that follows the clock')


def start_solo(graph: Graph) -> NodeProcess:
    return graph.start('improviser', mode='solo', use_sim_time=True, **LIVELY)


def test_music_runs_at_the_speed_of_the_simulation(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    publisher = graph.publisher('generated_notes')
    writer = StreamWriter()

    def play(speed: float, count: int) -> list[float]:
        """Play notes a simulated second apart; return the true times between them."""
        simulation.speed = speed
        start = simulation.now() + round(speed * SECOND)
        notes: list[TimedEvent] = []
        for i in range(count):
            onset = start + i * SECOND
            notes += [note_on(onset, 60 + i, 80), note_off(onset + SECOND // 2, 60 + i)]
        began = time.monotonic()
        publisher.publish(String(data=writer.write(notes)[0]))
        wait_until(lambda: len(piano.onsets(began)) == count and not piano.down, 'notes')
        onsets = piano.onsets(began)
        return [after - before for before, after in itertools.pairwise(onsets)]

    # Five seconds take one, and two take four: a busy machine may make it longer, not shorter.
    assert 0.9 < sum(play(speed=5.0, count=6)) < promised(1.5, 5.0)
    assert 3.6 < sum(play(speed=0.5, count=3)) < promised(5.0)
    played = [event for event in graph.events['played_notes'] if is_note_on(event)]
    apart = (played[-1].time - played[-2].time) / SECOND
    assert 0.5 < apart < 2.0  # in simulated time, by which it is told


@pytest.mark.nightly
def test_a_simulation_that_stands_still_is_silent_and_goes_on_where_it_was(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    start_solo(graph)
    piano.plays_on(5, within=PATIENCE)
    for speed in (1.0, 5.0):
        simulation.speed = 0.0
        wait_until(lambda: not piano.down, 'silence', promised(3))
        still = time.monotonic()
        time.sleep(2)
        assert not piano.onsets(still)
        simulation.speed = speed
        piano.plays_on(4, within=promised(3))
        time.sleep(1)
        assert piano.most_in(1.0 / speed, still) <= promised(8 + 4, 30)


def test_a_key_is_not_held_while_time_stands_still(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    publisher = graph.publisher('generated_notes')
    onset = simulation.now() + SECOND
    held = [note_on(onset, 60, 80), note_off(onset + 10 * SECOND, 60)]
    later = [note_on(onset + 11 * SECOND, 62, 80), note_off(onset + 12 * SECOND, 62)]
    publisher.publish(String(data=StreamWriter().write([*held, *later])[0]))
    wait_until(lambda: piano.down == {60}, 'the key')
    simulation.speed = 0.0
    wait_until(lambda: not piano.down, 'its release', promised(3))
    time.sleep(1)
    simulation.speed = 5.0
    wait_until(lambda: piano.down == {62}, 'the next key', promised(10))
    wait_until(lambda: not piano.down, 'its release')
    assert len(piano.onsets()) == 2


def test_a_simulation_that_begins_again_neither_stalls_the_music_nor_leaves_it_hanging(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    robot = start_solo(graph)
    piano.plays_on(5, within=PATIENCE)
    for beginning in (BEGINNING + 500, BEGINNING, BEGINNING - 500):
        began = time.monotonic()
        simulation.seconds = beginning
        wait_until(lambda began=began: len(piano.onsets(began + 0.5)) >= 3, 'music', promised(3))
        time.sleep(1)
        assert piano.most_in(1.0, began) <= promised(8 + 4, 30)
    played = graph.events['played_notes'][-1]
    assert abs(played.time - simulation.now()) < 10 * SECOND
    robot.leave()
    wait_until(lambda: not piano.down, 'silence', promised(3))
    assert piano.longest() < promised(5.0)
