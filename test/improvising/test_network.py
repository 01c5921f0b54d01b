import numpy as np
import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.improvising.vocabulary import (
    FIRST_STEP,
    KEYS,
    PEDAL_DOWN,
    PEDAL_UP,
    RELEASE,
    TIMES,
    VELOCITIES,
    WHATS,
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


@pytest.fixture(scope='module')
def network():
    from improv_ros.improvising.network import EventNetwork

    network = EventNetwork(units=24, depth=2)
    network.build()
    return network


def test_reading_a_window_is_advancing_step_by_step(network):
    memory, keys, last = network.read(STEPS[None], network.start())
    state = network.start()
    for number, step in enumerate(STEPS):
        state = network.advance(step[None], state)
        np.testing.assert_allclose(memory[0, number], network.recall(state.h)[0], atol=1e-5)
        np.testing.assert_array_equal(keys[0, number], state.keys[0])
    for one, other in zip(last, state, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.flatnonzero(state.keys[0]).tolist() == [60 - 21]


def test_two_windows_are_one(network):
    whole, _ = network.nats(STEPS[None], network.start())
    first, state = network.nats(STEPS[None, :4], network.start())
    second, _ = network.nats(STEPS[None, 3:], state)
    np.testing.assert_allclose(whole, np.concatenate([first, second], axis=1), atol=1e-5)


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
