# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Answers: they follow the style of their phrase, end well and yield to the person."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from simulated_dialogue import MS, SimulatedDialogue, play_phrase, simulate
from stand_in_runtimes import ScriptedRuntime, UniformRuntime

from improv_ros.event_text import SECOND, TimedEvent, is_note_off, is_note_on, note_off, note_on
from improv_ros.improvising.dialogue.generated_phrase import MIN_LAST_NOTE
from improv_ros.improvising.network.improviser_runtime import NetworkState
from improv_ros.improvising.network.vocabulary import KEYS, RELEASE


class HoldingRuntime(UniformRuntime):
    """Prefers to hold keys."""

    def event_type_logits(self, state: NetworkState, time: int) -> np.ndarray:
        logits = super().event_type_logits(state, time)
        logits[RELEASE : RELEASE + KEYS] -= 6
        return logits


CHORDS = [(30 + 3 * chord + i, 4 if i else 40) for chord in range(5) for i in range(3)]
TRIAD = [(39 + degree, 40) for degree in (0, 4, 7)]  # of C, a note each 0.4 s
SCALE = [(30 + i, 12 if i else 63) for i in range(20)]


def answer(here: SimulatedDialogue, seconds: float, **phrase: int) -> list[TimedEvent]:
    play_phrase(here, seconds, **phrase)
    events = here.wait(2 * SECOND)
    while here.dialogue.playing:
        events += here.wait(SECOND)
    assert here.check() == ({}, False)
    return events


def statistics(events: list[TimedEvent]) -> tuple[float, float, float]:
    notes = [(event.time / SECOND, *event.values[:2]) for event in events if is_note_on(event)]
    onsets, pitches, velocities = np.array(notes).T
    return len(notes) / (onsets[-1] - onsets[0]), pitches.mean(), velocities.mean()


@pytest.mark.parametrize(
    'phrase',
    [{'pitch': 40, 'velocity': 25, 'every': 600}, {'pitch': 88, 'velocity': 110, 'every': 150}],
)
def test_an_answer_follows_the_style_of_the_phrase(phrase):
    truth = np.array([1000 / phrase['every'], phrase['pitch'] + 2, phrase['velocity']])
    near, far = (
        np.mean(
            [
                np.abs(statistics(answer(simulate(seed, follow=follow), 10.0, **phrase)) - truth)
                for seed in range(3)
            ],
            axis=0,
        )
        for follow in (1.0, 0.0)
    )
    # The bias has more effect on a trained network than on this uniform one.
    assert near[0] < 0.9 * far[0]
    assert (near[1:] < far[1:] / 2).all()


@settings(max_examples=40)
@given(st.floats(1.0, 15.0), st.integers(0, 9))
def test_never_ends_within_a_chord(seconds, seed):
    here = simulate(seed, ScriptedRuntime(CHORDS), follow=0.0, repetition_penalty=0.0)
    notes = [event.values[0] - 21 for event in answer(here, seconds) if is_note_on(event)]
    keys = [key for key, _ in CHORDS]
    assert keys.index(notes[-1]) % 3 == 2, notes[-4:]


@pytest.mark.parametrize('seconds', [6.0, 8.0, 11.0])
def test_ends_before_a_rest_if_there_is_one(seconds):
    here = simulate(1, ScriptedRuntime(SCALE), follow=0.0, repetition_penalty=0.0)
    notes = [event.values[0] - 21 for event in answer(here, seconds) if is_note_on(event)]
    if 2 * seconds / 5 > 3.0:  # the time in which it may end is longer than a scale
        assert notes[-1] == SCALE[-1][0]


def last_degree(follow: float, notes: int) -> int:
    """Return how many semitones above C an answer to a phrase in C ends."""
    here = simulate(1, ScriptedRuntime(TRIAD), follow=follow, repetition_penalty=0.0)
    for number in range(notes):
        pitch = (60, 64, 67, 72)[number % 4]
        here.hear(note_on(here.now, pitch, 64))
        here.wait(450 * MS)
        here.hear(note_off(here.now, pitch))
    return [e.values[0] % 12 for e in here.wait(30 * SECOND) if is_note_on(e)][-1]


def test_ends_on_the_tonic_of_the_phrase_unless_follow_is_zero():
    lengths = range(10, 22, 2)
    assert {last_degree(0.7, notes) for notes in lengths} == {0}
    assert {last_degree(0.0, notes) for notes in lengths} != {0}


@pytest.mark.parametrize('seed', range(5))
def test_keys_held_at_the_end_sound_for_a_minimum_time(seed):
    events = answer(simulate(seed, HoldingRuntime()), 5.0)
    last = max(event.time for event in events if is_note_on(event))
    ended = [event.time for event in events if is_note_off(event) and event.time > last]
    assert len(ended) >= 3
    assert min(ended) >= last + MIN_LAST_NOTE


def test_a_phrase_continues_if_its_answer_has_not_sounded_yet():
    here = simulate(pause=0.5, lookahead=1.0, shortest_answer=0.5)
    play_phrase(here, 6.0)
    here.wait(700 * MS)
    assert here.dialogue.playing and here.played
    here.hear(note_on(here.now, 60, 64))
    assert not here.dialogue.playing and here.played[-1].kind in ('cl', 'cc')
    here.wait(300 * MS)
    here.hear(note_off(here.now, 60))
    events = here.wait(20 * SECOND)
    onsets = [event.time for event in events if is_note_on(event)]
    assert onsets[-1] - onsets[0] > 4 * SECOND  # and not for as long as one note


def test_notes_that_interrupt_an_answer_are_a_new_phrase():
    here = simulate(pause=0.5, shortest_answer=0.5)
    play_phrase(here, 8.0)
    here.wait(3 * SECOND)
    here.hear(note_on(here.now, 60, 64))
    here.wait(300 * MS)
    here.hear(note_off(here.now, 60))
    events = here.wait(20 * SECOND)
    onsets = [event.time for event in events if is_note_on(event)]
    assert onsets[-1] - onsets[0] < 2 * SECOND
