import numpy as np
import pytest
from room import SECOND, room
from scripted_runtime import ScriptedRuntime

from improv_ros.event_text import is_note_on
from improv_ros.improvising.repetition import CONTEXT, MOST, REMEMBERED, Repetition
from improv_ros.improvising.vocabulary import LOWEST_PITCH

LOOP = (60, 62, 64, 65)


def bias_after(repetition: Repetition, pitches, strength: float = 1.0) -> np.ndarray:
    for pitch in pitches:
        repetition.press(pitch)
    return repetition.bias(strength)


def test_the_first_return_is_free_and_each_further_one_costs():
    repetition = Repetition()
    assert not bias_after(repetition, LOOP).any()
    assert not bias_after(repetition, LOOP[:CONTEXT]).any()
    for times in (1, 2, 3):
        repetition.press(LOOP[CONTEXT])
        bias = bias_after(repetition, LOOP[:CONTEXT])
        assert bias[LOOP[CONTEXT] - LOWEST_PITCH] == -times
        assert np.count_nonzero(bias) == 1


def test_is_bounded_switched_off_by_zero_and_forgets():
    repetition = Repetition()
    bias_after(repetition, LOOP * 50)
    assert bias_after(repetition, LOOP[:CONTEXT]).min() == -MOST
    assert not repetition.bias(0.0).any()
    bias_after(repetition, np.random.default_rng(1).integers(70, 100, REMEMBERED).tolist())
    assert not bias_after(repetition, LOOP[:CONTEXT]).any()


def test_one_key_again_and_again_is_a_repetition():
    assert bias_after(Repetition(), [60] * 6)[60 - LOWEST_PITCH] < 0


@pytest.mark.parametrize(('strength', 'least', 'most'), [(0.0, 0.0, 0.2), (1.0, 0.4, 1.0)])
def test_leads_out_of_a_loop(strength, least, most):
    loop = [(pitch - LOWEST_PITCH, 15) for pitch in LOOP]
    here = room(3, ScriptedRuntime(loop, 9.0), mode='solo', repetition_control=strength)
    pitches = [event.values[0] for event in here.wait(120 * SECOND) if is_note_on(event)]
    fours = list(zip(*(pitches[shift:] for shift in range(4)), strict=False))
    assert len(fours) > 100
    assert least <= len(set(fours)) / len(fours) <= most
