# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The echoes of the player's notes are removed; the person's notes pass."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from improv_ros.event_text import SECOND, TimedEvent, control_change, is_note_on, note_off, note_on
from improv_ros.listening.echo.echo_canceller import EchoCanceller

MILLISECOND = 1_000_000


def notes(pitches, start, step, velocity=70):
    """A melody: (time in ns, pitch, velocity) of each note."""
    return [(start + i * step, pitch, velocity) for i, pitch in enumerate(pitches)]


def passed_on(canceller, sent, heard):
    """Let it all happen in the order of time; a note is heard 130 ms after it sounded."""
    moments = [(time, 0, note_on(time, *rest)) for time, *rest in sent]
    moments += [(time + 130 * MILLISECOND, 1, note_on(time, *rest)) for time, *rest in heard]
    passed = []
    for _, is_heard, event in sorted(moments):
        if is_heard:
            passed += [
                (event.time, *event.values[:2]) for event in canceller.remove_echoes([event])
            ]
        else:
            canceller.add_sent([event])
    return passed


def echo_of(sent, delay, spread=0, seed=0):
    """What is heard of the notes sent, `delay` ns later, give or take."""
    draw = random.Random(seed)
    return [(time + delay + draw.randint(-spread, spread), p, v) for time, p, v in sent]


ROBOT = notes([48, 55, 52, 60, 53, 57, 50, 59] * 5, SECOND, 210 * MILLISECOND)
PERSON = notes([85, 87, 90, 92, 94, 85, 92, 87] * 4, SECOND, 263 * MILLISECOND)


@pytest.mark.parametrize('delay', [-20, 0, 20, 80, 150, 300, 420])
def test_from_a_few_notes_on_no_echo_passes_and_all_the_person_plays_does(delay):
    canceller = EchoCanceller()
    echo = echo_of(ROBOT, delay * MILLISECOND, 20 * MILLISECOND)
    passed = passed_on(canceller, ROBOT, echo + PERSON)
    assert [note for note in passed if note[1] > 80] == PERSON
    late_echoes = [note for note in passed if note[1] < 80]
    assert len(late_echoes) <= (0 if 20 <= delay <= 280 else 5)
    assert canceller.delay == pytest.approx(delay * MILLISECOND, abs=15 * MILLISECOND)
    assert canceller.removed == len(echo) - len(late_echoes)


def later(part, by):
    return [(time + by, *rest) for time, *rest in part]


def test_a_delay_that_changes_is_found_again():
    canceller = EchoCanceller()
    again = later(ROBOT, 10 * SECOND)
    echo = echo_of(ROBOT, 40 * MILLISECOND) + echo_of(again, 190 * MILLISECOND)
    passed = passed_on(canceller, ROBOT + again, echo)
    assert all(again[0][0] < note[0] < again[14][0] for note in passed)
    assert canceller.delay == pytest.approx(190 * MILLISECOND, abs=MILLISECOND)


def test_with_headphones_the_person_may_play_what_the_robot_plays():
    """No echo is heard, so nothing is taken for one, from the seventeenth note on."""
    canceller = EchoCanceller()
    pitches = [pitch for _, pitch, _ in ROBOT]
    draw = random.Random(3)
    person = [
        (time + draw.randint(0, 2 * SECOND), pitch, 70)
        for (time, _, _), pitch in zip(later(ROBOT, 20 * SECOND), pitches, strict=True)
    ]
    passed_on(canceller, ROBOT, [])
    assert canceller.delay is None
    passed = passed_on(canceller, later(ROBOT, 20 * SECOND), person)
    assert len(passed) >= 0.95 * len(person)


def test_repeated_notes_do_not_hide_the_delay():
    """Each echo also lies 155 ms behind the note after it, and before the one before it."""
    canceller = EchoCanceller()
    repeated = notes([60, 64, 67] * 30, SECOND, 0)
    repeated = [
        (SECOND + i // 3 * 155 * MILLISECOND, p, v) for i, (_, p, v) in enumerate(repeated)
    ]
    echo = echo_of(repeated, 150 * MILLISECOND, 10 * MILLISECOND)
    assert passed_on(canceller, repeated, echo) == []


def test_the_person_is_heard_at_the_pitch_of_an_echo_but_not_at_its_time():
    canceller = EchoCanceller()
    echo = echo_of(ROBOT, 100 * MILLISECOND)
    restruck = [(time + 90 * MILLISECOND, pitch, 90) for time, pitch, _ in echo[20:24]]
    assert passed_on(canceller, ROBOT, [*echo, *restruck]) == restruck


def test_a_note_in_unison_with_an_echo_is_lost():
    """This is the limit: the person strikes the very key that sounds at that very moment."""
    canceller = EchoCanceller()
    echo = echo_of(ROBOT, 100 * MILLISECOND)
    together = [(time + 5 * MILLISECOND, pitch, 70) for time, pitch, _ in echo[20:24]]
    assert passed_on(canceller, ROBOT, [*echo[:20], *together, *echo[24:]]) == []


def test_a_weak_overtone_of_an_echo_is_removed_but_a_strong_one_passes():
    canceller = EchoCanceller()
    echo = echo_of(ROBOT, 100 * MILLISECOND)
    time, pitch, velocity = echo[20]
    weak, strong = (time, pitch + 12, velocity // 2), (time, pitch + 19, velocity)
    assert passed_on(canceller, ROBOT, [*echo, weak, strong]) == [strong]


def test_while_the_person_is_silent_weak_notes_beside_an_echo_are_removed():
    canceller = EchoCanceller()
    echo = echo_of(ROBOT, 100 * MILLISECOND)
    beside = [(time + 20 * MILLISECOND, pitch + 1, 20) for time, pitch, _ in echo[20::10]]
    assert passed_on(canceller, ROBOT, echo + beside) == []


def test_echoes_louder_than_the_sent_notes_are_removed_with_their_ghosts():
    """An echo may be heard at another velocity than was sent; ghosts are weaker than that."""
    canceller = EchoCanceller()
    echo = [(time, pitch, 120) for time, pitch, _ in echo_of(ROBOT, 100 * MILLISECOND)]
    ghosts = [(time, pitch + 12, 60) for time, pitch, _ in echo[10:]]
    assert passed_on(canceller, ROBOT, echo + ghosts) == []


def test_the_note_off_of_an_echo_is_removed_and_other_events_pass():
    canceller = EchoCanceller()
    canceller.add_sent([note_on(0, 60, 70), note_off(SECOND, 60)])
    pedal = control_change(60 * MILLISECOND, 64, 127)
    heard = [note_on(50 * MILLISECOND, 60, 70), note_on(50 * MILLISECOND, 61, 90), pedal]
    ends = [note_off(SECOND, 60), note_off(SECOND, 61)]
    assert canceller.remove_echoes(heard + ends) == [heard[1], pedal, ends[1]]


def test_without_a_player_everything_passes():
    events = [note_on(0, 60, 64), note_off(1, 60), control_change(2, 64, 1)]
    assert EchoCanceller().remove_echoes(events) == events


milliseconds = st.integers(0, 4000)
events_of_person = st.lists(
    st.tuples(milliseconds, st.integers(55, 66), st.integers(1, 127), st.integers(1, 500)),
    max_size=60,
)


def paired(triples):
    """Notes that do not overlap at one pitch, as events in the order of time."""
    events, free = [], {}
    for begin, pitch, velocity, length in sorted(triples):
        if begin >= free.get(pitch, 0):
            free[pitch] = begin + length
            events.append(note_on(begin * MILLISECOND, pitch, velocity))
            events.append(note_off((begin + length) * MILLISECOND, pitch))
    return sorted(events, key=lambda event: (event.time, is_note_on(event)))


@settings(max_examples=200)
@given(sent=events_of_person, heard=events_of_person)
def test_what_passes_is_a_part_of_what_was_heard_and_still_paired(sent, heard):
    canceller = EchoCanceller()
    canceller.add_sent(paired(sent))
    events = paired(heard)
    passed = canceller.remove_echoes(events)
    rest = iter(events)
    assert all(event in rest for event in passed)
    sounding: dict[int, TimedEvent] = {}
    for event in passed:
        if is_note_on(event):
            assert event.values[0] not in sounding
            sounding[event.values[0]] = event
        else:
            del sounding[event.values[0]]
    assert not sounding
    assert canceller.removed == sum(map(is_note_on, events)) - sum(map(is_note_on, passed))


def test_memory_is_bounded():
    canceller = EchoCanceller()
    for i in range(4000):
        canceller.add_sent([note_on(i * MILLISECOND, 60, 64)])
        if i % 50 == 0:
            canceller.remove_echoes([note_on(i * MILLISECOND, 60, 64)])
    assert len(canceller._sent) + len(canceller._unexplained) + len(canceller._held) < 2100
    assert len(canceller._loop._lags) <= 512
