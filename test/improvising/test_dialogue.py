# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from simulated_dialogue import MS, SimulatedDialogue, play_phrase, simulate
from stand_in_runtimes import RandomRuntime, TapeRuntime, UniformRuntime

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.improvising import MODES, Dialogue, ImproviserSettings, Model, load_model
from improv_ros.improvising.dialogue.memory import ANYONE
from improv_ros.improvising.network.vocabulary import TIME_BINS

ACTION = st.one_of(
    st.tuples(st.just('on'), st.integers(0, 127)),
    st.tuples(st.just('off'), st.integers(0, 127)),
    st.tuples(st.just('pedal'), st.integers(0, 127)),
    st.tuples(st.sampled_from(['confirm on', 'confirm off']), st.integers(0, 127)),
    st.tuples(st.sampled_from(['improvise', 'again', 'keep', 'stop', 'forget']), st.none()),
    st.tuples(
        st.just('set'),
        st.fixed_dictionaries(
            {},
            optional={
                'mode': st.sampled_from(MODES),
                'temperature': st.sampled_from([0.05, 1.0, 3.0]),
                'top_p': st.sampled_from([0.05, 0.9, 1.0]),
                'repetition_penalty': st.sampled_from([0.0, 4.0]),
                'follow': st.sampled_from([0.0, 1.0]),
                'lowest_pitch': st.integers(21, 60),
                'highest_pitch': st.integers(60, 108),
                'max_polyphony': st.integers(1, 10),
                'max_note_seconds': st.sampled_from([0.1, 1.0, 6.0]),
                'max_density': st.sampled_from([1.0, 5.5, 20.0]),
                'min_repeat_interval': st.sampled_from([0.0, 0.1, 2.0]),
                'max_silence': st.sampled_from([0.2, 2.0]),
            },
        ),
    ),
)
WAIT = st.sampled_from([0, 20, 100, 500, 1500, 4000])


PEDAL_OF_THE_PHRASE_BEFORE = [
    (('on', 0), 4000, 7),
    (('off', 1), 4000, 7),
    (('on', 0), 0, 7),
    (('improvise', None), 0, 7),
    (('on', 40), 0, 7),
]


@settings(max_examples=200)
@example('respond', PEDAL_OF_THE_PHRASE_BEFORE, 0, False)
@given(
    st.sampled_from(MODES),
    st.lists(st.tuples(ACTION, WAIT, st.sampled_from([7, 15, 40])), max_size=25),
    st.integers(0, 1000),
    st.booleans(),
)
def test_the_constraints_hold_whatever_is_heard_and_set(mode, actions, seed, random):
    runtime = RandomRuntime(seed) if random else None
    here = simulate(seed, runtime, mode=mode, max_polyphony=4, lowest_pitch=40, highest_pitch=80)
    dialogue = here.dialogue
    for (kind, value), wait, step in actions:
        if kind == 'on':
            playing, mode = dialogue.playing, dialogue.settings.mode
            said = here.hear(note_on(here.now - 120 * MS, value, 70), ANYONE)
            if playing and mode == 'respond' and not said:
                assert here.now >= here.played[-1].time  # it had just ended
            assert not (mode == 'respond' and dialogue.playing)
        elif kind == 'off':
            here.hear(note_off(here.now - 120 * MS, value), ANYONE)
        elif kind == 'pedal':
            here.hear(control_change(here.now - 120 * MS, 64, value))
        elif kind == 'confirm on':
            dialogue.confirm(note_on(here.now - 250 * MS, value, 60), here.now)
        elif kind == 'confirm off':
            dialogue.confirm(note_off(here.now - 250 * MS, value), here.now)
        elif kind == 'set':
            here.set(**value)
        elif kind == 'improvise':
            dialogue.improvise(here.now)
        elif kind == 'again':
            with contextlib.suppress(ValueError):
                here.take(dialogue.again(here.now))
        elif kind == 'keep':
            with contextlib.suppress(ValueError):
                dialogue.keep(here.now)
        elif kind == 'stop':
            here.take(dialogue.stop(here.now))
            assert not dialogue.playing
        else:
            dialogue.forget(here.now)
            assert dialogue.notes_remembered == 0
        here.wait(wait * MS, step * MS)
    here.check()
    here.set(mode='respond')
    here.wait(45 * SECOND, 40 * MS)
    assert not dialogue.playing
    assert here.check() == ({}, False)


def test_answers_a_phrase_about_as_long_as_it_was():
    here = simulate(pause=0.8, lookahead=0.25)
    play_phrase(here, 5.0)
    ended = here.now
    assert not here.dialogue.playing and not here.played
    answer = here.wait(12 * SECOND)
    first, last = answer[0], answer[-1]
    assert is_note_on(first)
    # 0.8 s after the last release (50 ms before `ended`), then the lookahead, then the wait
    # for the first note.
    assert 0.7 <= (first.time - ended) / SECOND <= 0.8 + 0.25 + 0.3 + 0.1
    assert 4 - 0.3 <= (last.time - first.time) / SECOND <= 6 + 0.3 + 1.5
    assert not here.dialogue.playing
    assert here.check() == ({}, False)


class ExpectingRuntime(UniformRuntime):
    """Expects the next event within 1.5 s until a silence of `patience` time bins."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def time_logits(self, state):
        logits = np.full(TIME_BINS, -9.0)
        logits[: self._patience] = 0
        logits[-1] = -2  # the longest wait, 8 s
        return logits


@pytest.mark.parametrize(
    ('patience', 'changes', 'wait'),
    [
        (10, {}, 0.3),  # no less than the shortest pause
        (60, {}, 0.6),
        (10, {'shortest_pause': 0.7}, 0.7),
        (85, {'longest_pause': 0.9}, 0.9),
        (10, {'pause_mode': 'fixed'}, 0.8),
    ],
)
def test_answers_when_no_note_is_expected(patience, changes, wait):
    here = simulate(runtime=ExpectingRuntime(patience), **{'pause_mode': 'adaptive', **changes})
    here.hear(note_on(here.now, 60, 64))
    here.wait(SECOND // 5)
    assert not here.hear(note_off(here.now, 60))
    released = here.now
    while not here.dialogue.playing:
        here.wait(10 * MS, 10 * MS)
    assert wait - 0.03 <= (here.now - released) / SECOND <= wait + 0.03


def test_what_is_heard_is_learnt_and_what_is_played_is_not():
    learnt = []
    dialogue = Dialogue(
        Model(UniformRuntime()), ImproviserSettings(pause_mode='fixed'), 1, learnt.append
    )
    heard = [note_on(SECOND, 60, 64), note_off(2 * SECOND, 60)]
    for event in heard:
        dialogue.hear(event, event.time)
    played = [each for now in range(2, 12) for each in dialogue.advance(now * SECOND)]
    assert played and learnt == heard


def test_a_phrase_is_answered_once_and_the_next_one_again():
    here = simulate()
    play_phrase(here)
    assert here.wait(10 * SECOND)
    assert not here.wait(10 * SECOND)
    play_phrase(here)
    assert here.wait(10 * SECOND)


def test_a_held_key_prevents_the_pause_and_a_held_pedal_does_not():
    here = simulate(max_note_seconds=5)
    here.hear(control_change(here.now, 64, 127))
    here.hear(note_on(here.now, 60, 64))
    assert not here.wait(3 * SECOND)
    here.hear(note_off(here.now, 60))
    assert here.wait(3 * SECOND)


def test_a_lost_release_does_not_keep_the_robot_silent():
    here = simulate(max_note_seconds=3)
    here.hear(note_on(here.now, 60, 64))
    assert here.wait(6 * SECOND)


def test_falls_silent_at_the_first_note_heard():
    here = simulate()
    play_phrase(here)
    here.wait(3 * SECOND)
    assert here.dialogue.playing
    silenced = here.hear(note_on(here.now - 150 * MS, 72, 64))
    assert (silenced[0].time, silenced[0].kind) == (here.now, 'cl')
    assert not here.dialogue.playing
    sounding, pedal = here.check()
    assert not sounding and not pedal
    assert not here.wait(2 * SECOND)  # the key is still held


def test_the_model_keeps_only_events_that_were_played():
    here = simulate()
    model = here.dialogue._model
    play_phrase(here)
    heard = model.snapshot().state.h.item()
    published = here.wait(2 * SECOND)
    here.hear(note_on(here.now - 150 * MS, 72, 64))
    assert model.clock <= here.now + 1 * MS
    assert model.keyboard.down == {72 - 21}
    assert not model.keyboard.pedal
    played = [event for event in published if event.time <= here.now]
    assert len(played) < len(published)
    sounding = sum(map(is_note_on, played)) - sum(map(is_note_off, played))
    remembered = model.snapshot().state.h.item() - heard
    assert remembered - (len(played) + sounding + 1) in (0, 1)  # 1: the pedal going up


def test_a_phrase_before_stop_is_not_answered():
    here = simulate()
    play_phrase(here)
    assert not here.dialogue.stop(here.now)
    assert not here.wait(5 * SECOND)


def test_publishes_ahead_even_when_called_late():
    here = simulate(mode='solo', lookahead=0.4)
    for stall in (100, 700, 2000):
        here.wait(3 * SECOND)
        here.now += stall * MS
        assert here.wait(15 * MS)  # `SimulatedDialogue.take` checks how far ahead


def test_ignores_what_it_hears_while_playing_if_set():
    here = simulate(ignore_while_playing=True)
    play_phrase(here)
    here.wait(2 * SECOND)
    while here.dialogue.playing:
        assert not here.hear(note_on(here.now - 100 * MS, 72, 64))
        here.wait(100 * MS)
    last = here.played[-1].time
    here.hear(note_on(last, 72, 64))  # its last note, heard only now
    here.hear(note_off(last + 100 * MS, 72))
    assert not here.wait(3 * SECOND)
    play_phrase(here)
    assert here.wait(3 * SECOND)


def test_the_release_of_a_held_key_is_not_ignored_as_echo():
    here = simulate(ignore_while_playing=True, max_note_seconds=1)
    model = here.dialogue._model
    here.hear(note_on(here.now, 60, 64))
    here.wait(2 * SECOND)
    assert here.dialogue.playing
    assert 60 - 21 in model.keyboard.down
    here.hear(note_off(here.now, 60))
    assert 60 - 21 not in model.keyboard.down


def test_a_solo_starts_by_itself_and_goes_on_until_stopped():
    here = simulate(mode='solo', max_silence=0.2, lowest_pitch=60, highest_pitch=60)
    events = here.wait(60 * SECOND)
    onsets = [event.time for event in events if is_note_on(event)]
    assert onsets[-1] > here.now - SECOND
    here.check()
    assert sum(event.values[2] == 0 for event in events if event.kind == 'cc') > 5
    silent_since, sounding = onsets[0], set()
    for event in events:
        if is_note_on(event):
            if not sounding:
                assert event.time - silent_since <= 0.22 * SECOND
            sounding.add(event.values[0])
        elif is_note_off(event):
            sounding.remove(event.values[0])
            silent_since = event.time
    assert here.take(here.dialogue.stop(here.now))[0].kind == 'cl'
    assert not here.wait(5 * SECOND)
    here.dialogue.improvise(here.now)
    assert here.wait(5 * SECOND)


def test_an_accompaniment_lasts_as_long_as_the_person_plays():
    here = simulate(mode='accompany', pause=1.0)
    assert not here.wait(2 * SECOND)
    play_phrase(here, 6.0)
    assert here.dialogue.playing
    assert not any(event.kind == 'cl' for event in here.played)
    here.wait(5 * SECOND)
    assert not here.dialogue.playing
    assert here.check() == ({}, False)


def test_improvises_on_request_without_a_phrase():
    here = simulate()
    assert not here.wait(3 * SECOND)
    told = here.now
    here.dialogue.improvise(told)
    answer = here.wait(15 * SECOND)
    onsets = [event.time for event in answer if is_note_on(event)]
    assert 0.25 <= (onsets[0] - told) / SECOND <= 0.25 + 0.5
    # Eight seconds, a fifth more or less, and what the last notes take to end.
    assert 6.4 - 0.5 <= (answer[-1].time - onsets[0]) / SECOND <= 9.6 + 1.5
    assert len(onsets) >= 8
    assert here.dialogue.notes_remembered == 0  # it counts what it heard, not what it says
    assert not here.dialogue.playing
    assert not here.wait(15 * SECOND)
    assert here.check() == ({}, False)


def test_the_same_seed_gives_the_same_events():
    first, second, other = simulate(seed=7), simulate(seed=7), simulate(seed=8)
    for here in (first, second, other):
        play_phrase(here)
        here.wait(5 * SECOND)
    assert first.played == second.played != other.played


def test_counts_the_heard_notes():
    here = simulate()
    play_phrase(here, 2.0)
    assert here.dialogue.notes_remembered == 4
    here.dialogue.forget(here.now)
    assert here.dialogue.notes_remembered == 0


def test_keeps_to_the_pitches_and_the_repeat_interval_of_an_instrument():
    playable = frozenset({40, 47, 60})
    here = simulate(mode='solo', playable=playable, min_repeat_interval=0.4, max_density=100.0)
    pressed = {}
    for event in filter(is_note_on, here.wait(60 * SECOND)):
        pitch = event.values[0]
        assert pitch in playable
        assert event.time - pressed.get(pitch, 0) >= 0.4 * SECOND
        pressed[pitch] = event.time
    assert set(pressed) == playable


@pytest.mark.parametrize(
    'changes',
    [
        {'mode': 'shout'},
        {'pause': 0},
        {'temperature': -1},
        {'top_p': 1.5},
        {'lowest_pitch': 0},
        {'max_polyphony': 0},
        {'lookahead': float('nan')},
    ],
)
def test_settings_out_of_bounds_are_refused_by_name(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        ImproviserSettings(**changes)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r'lowest_pitch is 80, above highest_pitch'):
        ImproviserSettings(lowest_pitch=80, highest_pitch=60)
    with pytest.raises(ValueError, match=r'lowest_pitch is 70 .* the instrument has no pitch'):
        ImproviserSettings(lowest_pitch=70, playable=frozenset({60}))


def test_the_shipped_model_answers_within_the_constraints():
    model = load_model()
    here = SimulatedDialogue(Dialogue(model, ImproviserSettings(), seed=1))
    play_phrase(here, 6.0)
    answer = here.wait(12 * SECOND)
    notes = sum(is_note_on(event) for event in answer)
    assert notes >= 6
    assert not here.dialogue.playing
    assert here.check() == ({}, False)


def answer_of(here: SimulatedDialogue) -> list[tuple]:
    """Let the robot answer to its end; return what it plays, with times since the beginning."""
    here.published.clear()
    here.wait(30 * SECOND)
    assert not here.dialogue.playing
    played = [event for event in here.played if event.kind == 'no']
    return [(event.time - played[0].time, event.values) for event in played]


def test_again_gives_another_answer_to_the_same_phrase_from_the_same_memory():
    here = simulate(pause=0.5)
    play_phrase(here)
    steps = []
    answers = []
    here.wait(600 * MS)  # the pause runs out, and the answer begins
    assert here.dialogue.playing
    answers.append(answer_of(here))
    for _ in range(2):
        here.take(here.dialogue.again(here.now))
        assert here.dialogue.playing
        steps.append(here.dialogue._model.snapshot().state.h.item())
        answers.append(answer_of(here))
    assert steps[0] == steps[1]  # the answers between are not remembered
    assert len({str(answer) for answer in answers}) == 3
    assert here.dialogue.notes_remembered == 6


def test_again_in_the_middle_of_an_answer_falls_silent_first():
    here = simulate(pause=0.5)
    play_phrase(here)
    here.wait(2500 * MS)
    said = here.dialogue.again(here.now)
    assert said[0].kind == 'cl'
    here.take(said)
    assert here.dialogue.playing
    here.wait(40 * SECOND)
    assert here.check() == ({}, False)


def test_again_keeps_what_was_heard_since_the_answer():
    here = simulate(pause=0.5)
    play_phrase(here)
    here.wait(3 * SECOND)
    play_phrase(here, seconds=1.0, pitch=80)
    before = here.dialogue._before_answer[1].after.state.h.item()
    here.take(here.dialogue.again(here.now))
    heard_since = here.dialogue._model.snapshot().state.h.item() - before
    assert heard_since == 4  # two notes, pressed and released
    here.wait(40 * SECOND)
    assert here.check() == ({}, False)


def test_again_is_refused_where_nothing_was_answered():
    here = simulate()
    with pytest.raises(ValueError, match='no answer yet'):
        here.dialogue.again(here.now)
    play_phrase(here)
    here.wait(30 * SECOND)
    here.dialogue.forget(here.now)
    with pytest.raises(ValueError, match='no answer yet'):
        here.dialogue.again(here.now)


def hear_doubtfully(here: SimulatedDialogue, seconds: float = 3.0) -> list[TimedEvent]:
    """Play a phrase that is misheard, and is confirmed 200 ms after its sound.

    Each note is heard 20 ms early and soft, with an imagined note three octaves above it. Returns
    the confirmed events.
    """
    confirmed, due = [], []
    for i in range(round(2 * seconds)):
        pitch, began = 48 + i % 5, here.now
        on, off = note_on(began, pitch, 100), note_off(began + 300 * MS, pitch)
        due += [on, off]
        for wait, event in (
            (60, on._replace(time=began - 20 * MS, values=(pitch, 30, 0))),
            (0, note_on(began, pitch + 36, 90)),
            (40, note_off(began + 50 * MS, pitch + 36)),
            (300, off),
            (100, None),
        ):
            here.wait(wait * MS, 10 * MS)
            while due and due[0].time + 200 * MS <= here.now:
                confirmed.append(due.pop(0))
                here.dialogue.confirm(confirmed[-1], here.now, 'ears')
            if event:
                here.hear(event, 'ears')
    return confirmed + due


def test_the_answer_is_primed_with_what_was_confirmed():
    here = simulate(runtime=TapeRuntime(), pause=0.8)
    confirmed = hear_doubtfully(here)
    while not here.dialogue.playing:
        here.wait(10 * MS)
        for event in confirmed:
            if here.now - 10 * MS < event.time + 200 * MS <= here.now:
                here.dialogue.confirm(event, here.now, 'ears')
    steps = here.dialogue._before_answer[1].after.state.h
    expected = simulate(runtime=TapeRuntime()).dialogue._memory
    for event in confirmed:
        expected.observe(event)
    assert [*map(tuple, steps)] == [*map(tuple, expected.model.snapshot().state.h)]
    statistics = here.dialogue._answered.statistics
    assert (statistics.velocity, statistics.pitch < 53) == (100, True)
    assert here.dialogue.notes_remembered == len(confirmed) // 2


def test_confirmation_delays_no_answer():
    begins = []
    for confirming in (False, True):
        here = simulate(pause=0.5)
        play_phrase(here)
        heard_until = here.now
        if confirming:
            here.dialogue.confirm(note_on(here.now - 400 * MS, 64, 90), here.now)
        here.wait(3 * SECOND, 10 * MS)
        begins.append(here.dialogue._before_answer[0] - heard_until)
    assert begins[0] == begins[1]


def test_a_phrase_of_which_nothing_is_confirmed_is_not_answered():
    here = simulate(pause=0.5)
    here.hear(note_on(here.now, 60, 64), 'ears')
    here.wait(100 * MS)
    here.hear(note_off(here.now, 60), 'ears')
    here.wait(200 * MS)
    here.dialogue.confirm(note_off(here.now - 50 * MS, 72), here.now, 'ears')
    assert not here.wait(3 * SECOND)
    assert here.dialogue.notes_remembered == 0


def test_an_accompaniment_goes_on_while_its_memory_is_put_right():
    here = simulate(mode='accompany', runtime=TapeRuntime())
    confirmed = hear_doubtfully(here, 6.0)
    assert here.dialogue.playing
    here.wait(3 * SECOND)
    here.check()
    steps = here.dialogue._model.snapshot().state.h
    pressed = [21 + int(step[1]) for step in steps if step[1] < 88]
    robot = [event.values[0] for event in here.played if is_note_on(event)]
    told = [event.values[0] for event in confirmed if is_note_on(event)]
    assert sorted(pressed) == sorted(robot + told)  # none lost, and none of the imagined


def test_keep_lets_an_answer_survive_again():
    here = simulate(pause=0.5)
    with pytest.raises(ValueError, match='no answer has sounded'):
        here.dialogue.keep(here.now)
    play_phrase(here)
    here.wait(30 * SECOND)
    answer = [event.values for event in here.played if event.kind == 'no']
    before = here.dialogue._before_answer[1].after.state.h.item()
    kept = here.dialogue.keep(here.now)
    assert [event.values for event in kept if event.kind == 'no'] == answer
    presses = sum(map(is_note_on, kept))
    assert here.dialogue.notes_remembered == 6 + presses
    with pytest.raises(ValueError, match='no answer has sounded'):
        here.dialogue.keep(here.now)  # once is enough
    here.take(here.dialogue.again(here.now))
    assert here.dialogue._before_answer[1].after.state.h.item() >= before + 2 * presses
    here.wait(40 * SECOND)
    assert here.check() == ({}, False)


def test_keep_in_the_middle_of_an_answer_keeps_what_has_sounded():
    here = simulate(pause=0.5)
    play_phrase(here)
    here.wait(2500 * MS)
    kept = here.dialogue.keep(here.now)
    assert kept and all(event.time <= here.now for event in kept)
    assert sum(map(is_note_on, kept)) == sum(map(is_note_off, kept))
    here.take(here.dialogue.stop(here.now))
    here.dialogue.forget(here.now)
    with pytest.raises(ValueError, match='no answer has sounded'):
        here.dialogue.keep(here.now)
