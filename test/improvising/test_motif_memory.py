# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
from partner_music import motif, notes

from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    KEYS,
    PEDAL_DOWN,
    PRESS,
    TIME_BINS,
    VELOCITY_BINS,
    Step,
)
from improv_ros.improvising.partner import motif_memory
from improv_ros.improvising.partner.motif_memory import MotifMemory, Place

UNIFORM = np.full(EVENT_TYPES, 1 / EVENT_TYPES)


def remember(steps: list[Step], memory: MotifMemory | None = None) -> MotifMemory:
    memory = memory or MotifMemory()
    memory.restore(np.array(steps))
    return memory


def place_after(steps: list[Step]) -> Place:
    place = Place()
    for step in steps:
        place = place.after(step)
    return place


def test_a_motif_comes_back_in_any_key():
    memory = remember(notes(motif(40)))
    place = place_after(notes(motif(25)[:4]))
    blended = memory.blend_event_type(memory.find(place), place, UNIFORM)
    assert blended.argmax() == PRESS + motif(25)[4]
    assert blended.sum() == 1.0 or abs(blended.sum() - 1) < 1e-9
    assert memory.motif_keys(place).nonzero()[0].tolist() == [PRESS + motif(25)[4]]


def test_other_notes_are_no_motif():
    memory = remember(notes(motif(40)))
    place = place_after(notes([30, 31, 32, 33, 34]))
    assert not memory.motif_keys(place).any()
    found = memory.find(place)
    assert found.depth == 0
    np.testing.assert_array_equal(memory.blend_event_type(found, place, UNIFORM), UNIFORM)


def test_rhythm_follows_the_present_tempo():
    memory = remember([*notes(motif(40), wait=20), *notes(motif(40), wait=20)])
    base = np.full(TIME_BINS, 1 / TIME_BINS)
    expected = []
    for wait in (15, 30):
        place = place_after(notes(motif(25)[:5], wait=wait))
        blended = memory.blend_time(memory.find(place), place, base)
        expected.append(int(blended.argmax()))
        assert abs(blended.sum() - 1) < 1e-9
    assert 14 <= expected[0] <= 18 < 25 <= expected[1] <= 31


def test_loudness_is_remembered_with_the_note():
    memory = remember(notes(motif(40), velocity=30) * 3)
    place = place_after(notes(motif(25)[:5]))
    base = np.full(VELOCITY_BINS, 1 / VELOCITY_BINS)
    blended = memory.blend_velocity(memory.find(place), place, PRESS + motif(25)[5], base)
    assert blended.argmax() == 29
    other = memory.blend_velocity(memory.find(place), place, PRESS + 80, base)
    np.testing.assert_allclose(other, base)


def test_impossible_events_stay_impossible():
    memory = remember(notes(motif(40)) * 4)
    place = place_after(notes(motif(40)[:4]))
    base = UNIFORM.copy()
    base[PRESS + motif(40)[4]] = 0
    blended = memory.blend_event_type(memory.find(place), place, base)
    assert blended[PRESS + motif(40)[4]] == 0
    assert abs(blended.sum() - 1) < 1e-9


def test_old_events_are_forgotten_and_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(motif_memory, 'MAX_EVENTS', 64)
    memory = remember(notes(motif(40)) * 2)
    random = np.random.default_rng(1)
    later = notes(random.integers(0, KEYS, 200).tolist())
    remember(later, memory)
    assert len(memory) == 64
    np.testing.assert_array_equal(memory.steps, np.array(later[-64:]))
    assert sum(map(len, memory._places.values())) <= 64 * len(motif_memory.ORDERS)
    assert not memory.motif_keys(place_after(notes(motif(30)[:5]))).any()


def test_the_pedal_is_part_of_what_is_remembered():
    phrase = [*notes(motif(40)), Step(5, PEDAL_DOWN, 0)]
    memory = remember(phrase)
    place = place_after(notes(motif(20)))
    blended = memory.blend_event_type(memory.find(place), place, UNIFORM)
    assert blended.argmax() == PEDAL_DOWN
