from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from room import MS, SECOND, Room, play_phrase, room
from uniform_runtime import WhimsicalRuntime

from improv_ros.event_text import control_change, is_note_off, is_note_on, note_off, note_on
from improv_ros.improvising import MODES, Conversation, Settings, load_model

ACTION = st.one_of(
    st.tuples(st.just('on'), st.integers(0, 127)),
    st.tuples(st.just('off'), st.integers(0, 127)),
    st.tuples(st.just('pedal'), st.integers(0, 127)),
    st.tuples(st.sampled_from(['improvise', 'stop', 'forget']), st.none()),
    st.tuples(
        st.just('set'),
        st.fixed_dictionaries(
            {},
            optional={
                'mode': st.sampled_from(MODES),
                'temperature': st.sampled_from([0.05, 1.0, 3.0]),
                'top_p': st.sampled_from([0.05, 0.9, 1.0]),
                'repetition_control': st.sampled_from([0.0, 4.0]),
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


@settings(max_examples=200)
@given(
    st.sampled_from(MODES),
    st.lists(st.tuples(ACTION, WAIT, st.sampled_from([7, 15, 40])), max_size=25),
    st.integers(0, 1000),
    st.booleans(),
)
def test_whatever_is_heard_and_set_the_rules_are_kept(mode, actions, seed, whimsical):
    runtime = WhimsicalRuntime(seed) if whimsical else None
    here = room(seed, runtime, mode=mode, max_polyphony=4, lowest_pitch=40, highest_pitch=80)
    conversation = here.conversation
    for (kind, value), wait, step in actions:
        if kind == 'on':
            speaking, mode = conversation.speaking, conversation.settings.mode
            said = here.hear(note_on(here.now - 120 * MS, value, 70))
            if speaking and mode == 'respond' and not said:
                assert here.now >= here.played[-1].time  # it had just ended
            assert not (mode == 'respond' and conversation.speaking)
        elif kind == 'off':
            here.hear(note_off(here.now - 120 * MS, value))
        elif kind == 'pedal':
            here.hear(control_change(here.now - 120 * MS, 64, value))
        elif kind == 'set':
            here.set(**value)
        elif kind == 'improvise':
            conversation.improvise(here.now)
        elif kind == 'stop':
            here.take(conversation.stop(here.now))
            assert not conversation.speaking
        else:
            conversation.forget()
            assert conversation.memory == 0
        here.wait(wait * MS, step * MS)
    here.check()
    here.set(mode='respond')
    here.wait(45 * SECOND, 40 * MS)
    assert not conversation.speaking
    assert here.check() == ({}, False)


def test_answers_a_phrase_about_as_long_as_it_was():
    here = room(pause=0.8, lookahead=0.25)
    play_phrase(here, 5.0)
    ended = here.now
    assert not here.conversation.speaking and not here.played
    answer = here.wait(12 * SECOND)
    first, last = answer[0], answer[-1]
    assert is_note_on(first)
    # 0.8 s after the last release (50 ms before `ended`), then the lookahead, then the wait
    # for the first note.
    assert 0.7 <= (first.time - ended) / SECOND <= 0.8 + 0.25 + 0.3 + 0.1
    assert 4 - 0.3 <= (last.time - first.time) / SECOND <= 6 + 0.3 + 1.5
    assert not here.conversation.speaking
    assert here.check() == ({}, False)


def test_a_phrase_is_answered_once_and_the_next_one_again():
    here = room()
    play_phrase(here)
    assert here.wait(10 * SECOND)
    assert not here.wait(10 * SECOND)
    play_phrase(here)
    assert here.wait(10 * SECOND)


def test_held_keys_are_no_pause_but_a_held_pedal_is():
    here = room(max_note_seconds=5)
    here.hear(control_change(here.now, 64, 127))
    here.hear(note_on(here.now, 60, 64))
    assert not here.wait(3 * SECOND)
    here.hear(note_off(here.now, 60))
    assert here.wait(3 * SECOND)


def test_a_key_whose_release_was_lost_does_not_keep_the_robot_silent():
    here = room(max_note_seconds=3)
    here.hear(note_on(here.now, 60, 64))
    assert here.wait(6 * SECOND)


def test_yields_to_the_first_note_heard():
    here = room()
    play_phrase(here)
    here.wait(3 * SECOND)
    assert here.conversation.speaking
    silenced = here.hear(note_on(here.now - 150 * MS, 72, 64))
    assert (silenced[0].time, silenced[0].kind) == (here.now, 'cl')
    assert not here.conversation.speaking
    sounding, pedal = here.check()
    assert not sounding and not pedal
    assert not here.wait(2 * SECOND)  # the key is still held


def test_remembers_only_what_was_really_played():
    here = room()
    model = here.conversation._model
    play_phrase(here)
    heard = model.snapshot().memory.h.item()
    published = here.wait(2 * SECOND)
    here.hear(note_on(here.now - 150 * MS, 72, 64))
    assert model.clock <= here.now + 1 * MS
    assert model.keyboard.down == {72 - 21}
    assert not model.keyboard.pedal
    played = [event for event in published if event.time <= here.now]
    assert len(played) < len(published)
    sounding = sum(map(is_note_on, played)) - sum(map(is_note_off, played))
    remembered = model.snapshot().memory.h.item() - heard
    assert remembered - (len(played) + sounding + 1) in (0, 1)  # 1: the pedal going up


def test_what_is_stopped_is_not_answered():
    here = room()
    play_phrase(here)
    assert not here.conversation.stop(here.now)
    assert not here.wait(5 * SECOND)


def test_publishes_ahead_even_when_called_late():
    here = room(mode='solo', lookahead=0.4)
    for stall in (100, 700, 2000):
        here.wait(3 * SECOND)
        here.now += stall * MS
        assert here.wait(15 * MS)  # `Room.take` checks how far ahead


def test_can_be_told_not_to_hear_itself():
    here = room(ignore_while_speaking=True)
    play_phrase(here)
    here.wait(2 * SECOND)
    while here.conversation.speaking:
        assert not here.hear(note_on(here.now - 100 * MS, 72, 64))
        here.wait(100 * MS)
    last = here.played[-1].time
    here.hear(note_on(last, 72, 64))  # its last note, heard only now
    here.hear(note_off(last + 100 * MS, 72))
    assert not here.wait(3 * SECOND)
    play_phrase(here)
    assert here.wait(3 * SECOND)


def test_a_key_let_go_while_the_robot_speaks_is_no_echo():
    here = room(ignore_while_speaking=True, max_note_seconds=1)
    model = here.conversation._model
    here.hear(note_on(here.now, 60, 64))
    here.wait(2 * SECOND)
    assert here.conversation.speaking
    assert 60 - 21 in model.keyboard.down
    here.hear(note_off(here.now, 60))
    assert 60 - 21 not in model.keyboard.down


def test_solo_plays_from_nothing_and_on_until_stopped():
    here = room(mode='solo', max_silence=0.2, lowest_pitch=60, highest_pitch=60)
    events = here.wait(60 * SECOND)
    onsets = [event.time for event in events if is_note_on(event)]
    assert onsets[-1] > here.now - SECOND
    here.check()
    assert sum(event.values[2] == 0 for event in events if event.kind == 'cc') > 5
    quiet_since, sounding = onsets[0], set()
    for event in events:
        if is_note_on(event):
            if not sounding:
                assert event.time - quiet_since <= 0.22 * SECOND
            sounding.add(event.values[0])
        elif is_note_off(event):
            sounding.remove(event.values[0])
            quiet_since = event.time
    assert here.take(here.conversation.stop(here.now))[0].kind == 'cl'
    assert not here.wait(5 * SECOND)
    here.conversation.improvise(here.now)
    assert here.wait(5 * SECOND)


def test_accompanies_while_the_person_plays_and_ends_with_them():
    here = room(mode='accompany', pause=1.0)
    assert not here.wait(2 * SECOND)
    play_phrase(here, 6.0)
    assert here.conversation.speaking
    assert not any(event.kind == 'cl' for event in here.played)
    here.wait(5 * SECOND)
    assert not here.conversation.speaking
    assert here.check() == ({}, False)


def test_improvises_when_told_with_an_empty_memory():
    here = room()
    here.conversation.improvise(here.now)
    answer = here.wait(15 * SECOND)
    assert any(is_note_on(event) for event in answer)
    assert here.check() == ({}, False)


def test_the_same_seed_says_the_same():
    first, second, other = room(seed=7), room(seed=7), room(seed=8)
    for here in (first, second, other):
        play_phrase(here)
        here.wait(5 * SECOND)
    assert first.played == second.played != other.played


def test_remembers_how_many_notes_it_heard():
    here = room()
    play_phrase(here, 2.0)
    assert here.conversation.memory == 4
    here.conversation.forget()
    assert here.conversation.memory == 0


def test_keeps_to_the_pitches_and_repeats_of_an_instrument():
    playable = frozenset({40, 47, 60})
    here = room(mode='solo', playable=playable, min_repeat_interval=0.4, max_density=100.0)
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
        Settings(**changes)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r'lowest_pitch is 80, above highest_pitch'):
        Settings(lowest_pitch=80, highest_pitch=60)
    with pytest.raises(ValueError, match=r'lowest_pitch is 70 .* the instrument has no pitch'):
        Settings(lowest_pitch=70, playable=frozenset({60}))


def test_the_shipped_model_answers_within_the_rules():
    model = load_model()
    here = Room(Conversation(model, Settings(), seed=1))
    play_phrase(here, 6.0)
    answer = here.wait(12 * SECOND)
    notes = sum(is_note_on(event) for event in answer)
    assert notes >= 6
    assert not here.conversation.speaking
    assert here.check() == ({}, False)
