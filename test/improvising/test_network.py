import numpy as np
import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.improvising.runtime import KINDS
from improv_ros.improvising.vocabulary import (
    FIRST_STEP,
    KEYS,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
    TIMES,
    VELOCITIES,
    WHATS,
    Step,
    encode,
)

MS = 1_000_000
STEPS = np.concatenate(
    [
        [FIRST_STEP],
        encode(
            [
                note_on(0, 60, 64),
                note_on(200 * MS, 64, 70),
                control_change(250 * MS, 64, 127),
                note_off(500 * MS, 60),
                note_on(900 * MS, 60, 40),
                control_change(950 * MS, 64, 0),
                note_off(1000 * MS, 64),
            ]
        ),
    ]
).astype(np.int32)


@pytest.fixture(scope='module', params=KINDS)
def network(request):
    from improv_ros.improvising.note_network import NETWORKS

    network = NETWORKS[request.param](units=24, depth=2)
    network.build()
    return network


def running(network):
    """Return a runtime of a network, made of its functions as they are."""
    return KINDS[network.moved_by](network.functions(), network.depth, network.units)


def test_reading_a_window_is_advancing_step_by_step(network):
    known, keys, last = network.read(STEPS[None], network.start())
    expected = [
        np.asarray(logits)[0]
        for logits in (
            network.time_logits(known),
            network.what_logits(known, keys, np.full((1, len(STEPS)), 5)),
            network.velocity_logits(known, *np.full((2, 1, len(STEPS)), 40)),
        )
    ]
    runtime = running(network)
    memory = runtime.start()
    for number, step in enumerate(STEPS):
        memory = runtime.advance(memory, Step(*step))
        for whole, logits in zip(
            expected,
            (
                runtime.time_logits(memory),
                runtime.what_logits(memory, 5),
                runtime.velocity_logits(memory, 40, 40),
            ),
            strict=True,
        ):
            np.testing.assert_allclose(whole[number], logits, atol=1e-5)
        np.testing.assert_array_equal(keys[0, number], memory.keys[0])
    for name, value in last._asdict().items():
        np.testing.assert_allclose(value, getattr(memory, name), atol=1e-5)
    assert np.flatnonzero(memory.keys[0]).tolist() == [60 - 21]


@pytest.mark.parametrize('cut', range(1, len(STEPS) - 1))
def test_two_windows_are_one(network, cut):
    whole, _ = network.nats(STEPS[None], network.start())
    first, state = network.nats(STEPS[None, : cut + 1], network.start())
    second, _ = network.nats(STEPS[None, cut:], state)
    np.testing.assert_allclose(whole, np.concatenate([first, second], axis=1), atol=1e-5)


def test_performances_side_by_side_do_not_mix(network):
    other = STEPS.copy()
    other[[2, 5]] = Step(10, PEDAL_DOWN, 0)  # fewer presses than the first
    together, _, state = network.read(np.stack([STEPS, other]), network.start(2))
    for row, steps in enumerate((STEPS, other)):
        alone, _, last = network.read(steps[None], network.start())
        np.testing.assert_allclose(together[row], alone[0], atol=1e-5)
        np.testing.assert_allclose(state.h[row], last.h[0], atol=1e-5)


@pytest.mark.parametrize('network', ['notes'], indirect=True)
def test_only_presses_move_a_memory_by_note(network):
    runtime = running(network)
    memory, since = runtime.start(), []
    for step in STEPS:
        before, memory = memory, runtime.advance(memory, Step(*step))
        assert (memory.h is before.h) == (step[1] >= RELEASE)
        assert memory.last[0, 1] == step[1]
        since.append(int(memory.last[0, 0]))
    assert since == [0, 0, 20, 5, 30, 70, 5, 10]  # ticks of 10 ms from the press before


def test_the_impossible_has_probability_zero(network):
    memory, keys, _ = network.read(STEPS[None, :4], network.start())  # C, E and pedal down
    logits = np.asarray(network.what_logits(memory, keys, STEPS[None, :4, 0]))[0, -1]
    odds = np.exp(logits - logits.max())
    down = {60 - 21, 64 - 21}
    possible = [key for key in range(KEYS) if key not in down]
    possible += [RELEASE + key for key in sorted(down)] + [PEDAL_UP]
    assert odds[PEDAL_DOWN] == 0
    np.testing.assert_array_equal(np.flatnonzero(odds), possible)


def test_surprise_starts_near_that_of_knowing_nothing(network):
    nats = np.asarray(network.nats(STEPS[None], network.start())[0])[0]
    assert nats.shape == (len(STEPS) - 1, 3)
    assert abs(nats[:, 0].mean() - np.log(TIMES)) < 0.5
    assert abs(nats[:, 1].mean() - np.log(WHATS / 2)) < 0.5
    pressed = STEPS[1:, 2] > 0
    assert abs(nats[pressed, 2].mean() - np.log(VELOCITIES)) < 0.5
    assert not nats[~pressed, 2].any()
