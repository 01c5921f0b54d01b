"""The nodes follow a simulation's clock: it runs fast, stands still, and begins again."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
import threading
import time

import pytest
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from graph import Graph, NodeProcess, wait_until
from improv_ros.event_text import StreamWriter, TimedEvent, is_note_on, note_off, note_on
from piano import Piano

SECOND = 1_000_000_000
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


@pytest.fixture
def simulation(graph: Graph) -> Iterator[Simulation]:
    """Provide a simulation that runs."""
    simulation = Simulation(graph)
    with simulation.running():
        yield simulation


def start_player(graph: Graph, simulation: Simulation, piano: Piano) -> None:
    graph.start('midi_player', outputs='port', port=piano.address, use_sim_time=True)
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

    def play(speed: float) -> list[float]:
        """Play notes a simulated second apart; return the true times between them."""
        simulation.speed = speed
        start = simulation.now() + 5 * SECOND
        notes: list[TimedEvent] = []
        for i in range(6):
            onset = start + i * SECOND
            notes += [note_on(onset, 60 + i, 80), note_off(onset + SECOND // 2, 60 + i)]
        began = time.monotonic()
        publisher.publish(String(data=writer.write(notes)[0]))
        wait_until(lambda: len(piano.onsets(began)) == 6 and not piano.down, 'six notes')
        onsets = piano.onsets(began)
        return [after - before for before, after in itertools.pairwise(onsets)]

    assert all(0.05 < interval < 0.5 for interval in play(speed=5.0))
    assert all(1.7 < interval < 2.3 for interval in play(speed=0.5))
    played = [event for event in graph.events['played_notes'] if is_note_on(event)]
    apart = (played[-1].time - played[-2].time) / SECOND
    assert 0.8 < apart < 1.2  # in simulated time, by which it is told


def test_a_simulation_that_stands_still_is_silent_and_goes_on_where_it_was(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    start_solo(graph)
    piano.plays_on(5, within=30)
    for speed in (1.0, 5.0):
        simulation.speed = 0.0
        wait_until(lambda: not piano.down, 'silence', 3)
        still = time.monotonic()
        time.sleep(2)
        assert not piano.onsets(still)
        simulation.speed = speed
        piano.plays_on(4, within=3)
        time.sleep(1)
        assert piano.most_in(1.0 / speed, still) <= 8 + 4


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
    wait_until(lambda: not piano.down, 'its release', 3)
    time.sleep(1)
    simulation.speed = 5.0
    wait_until(lambda: piano.down == {62}, 'the next key', 10)
    wait_until(lambda: not piano.down, 'its release')
    assert len(piano.onsets()) == 2


def test_a_simulation_that_begins_again_neither_stalls_the_music_nor_leaves_it_hanging(
    graph: Graph, simulation: Simulation, piano: Piano
) -> None:
    start_player(graph, simulation, piano)
    robot = start_solo(graph)
    piano.plays_on(5, within=30)
    for beginning in (BEGINNING + 500, BEGINNING, BEGINNING - 500):
        began = time.monotonic()
        simulation.seconds = beginning
        wait_until(lambda began=began: len(piano.onsets(began + 0.5)) >= 3, 'music', 3)
        time.sleep(1)
        assert piano.most_in(1.0, began) <= 8 + 4
    played = graph.events['played_notes'][-1]
    assert abs(played.time - simulation.now()) < 10 * SECOND
    robot.leave()
    wait_until(lambda: not piano.down, 'silence', 3)
    assert piano.longest() < 5.0
