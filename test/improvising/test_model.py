import numpy as np
from uniform_runtime import UniformRuntime

from improv_ros.event_text import control_change, is_note_on, note_off, note_on
from improv_ros.improvising.model import Model
from improv_ros.improvising.vocabulary import FIRST_STEP, KEYS, RELEASE, WHATS, Step, encode

MS = 1_000_000


class Recording(UniformRuntime):
    """Keeps the steps it was given."""

    def __init__(self):
        self.steps = []

    def advance(self, memory, step):
        self.steps.append(step)
        return super().advance(memory, step)


EVENTS = [
    note_on(1000 * MS, 60, 64),
    note_on(1043 * MS, 64, 80),
    control_change(1100 * MS, 64, 100),
    note_on(1507 * MS, 60, 30),
    note_off(4000 * MS, 60),
    note_off(20_000 * MS, 64),
]


def test_hears_as_it_was_taught():
    runtime = Recording()
    model = Model(runtime)
    steps = [model.observe(event) for event in EVENTS]
    assert steps == [1, 1, 1, 2, 1, 1]
    assert runtime.steps[0] == FIRST_STEP
    assert runtime.steps[1:] == [Step(*step) for step in encode(EVENTS).tolist()]
    assert model.clock == 20_000 * MS


def test_an_event_from_the_past_happens_now():
    runtime = Recording()
    model = Model(runtime)
    model.observe(note_on(1000 * MS, 60, 64))
    model.observe(note_on(900 * MS, 62, 64))
    assert runtime.steps[-1].time == 0
    assert model.clock == 1000 * MS


def test_proposes_in_time_and_only_what_is_allowed():
    model = Model(UniformRuntime())
    random = np.random.default_rng(1)
    model.observe(note_on(1000 * MS, 60, 64))
    for allowed, is_right in (
        (np.arange(WHATS) < KEYS, lambda event: is_note_on(event) and event.values[0] != 60),
        (np.arange(WHATS) >= RELEASE, lambda event: event.kind == 'cc' or event.values[0] == 60),
    ):
        for _ in range(50):
            event = model.propose(random, 1100 * MS, 1300 * MS, lambda _, allowed=allowed: allowed)
            assert 1100 * MS <= event.time <= 1300 * MS
            assert is_right(event)
    assert model.propose(random, 1100 * MS, 1300 * MS, lambda _: np.zeros(WHATS, bool)) is None
    late = model.propose(random, 60_000 * MS, 60_001 * MS, lambda _: np.ones(WHATS, bool))
    assert late.time == 60_000 * MS


def test_goes_back_to_a_snapshot():
    model = Model(UniformRuntime())
    model.observe(EVENTS[0])
    snapshot = model.snapshot()
    for event in EVENTS[1:]:
        model.observe(event)
    model.restore(snapshot)
    assert model.clock == EVENTS[0].time
    assert model.keyboard.down == {39} and not model.keyboard.pedal
    model.observe(note_on(2000 * MS, 70, 64))
    model.restore(snapshot)  # a snapshot can be gone back to more than once
    assert model.keyboard.down == {39}
