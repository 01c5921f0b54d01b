# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The memory is put right: it ends as if only what was confirmed had been heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from stand_in_runtimes import TapeRuntime

from improv_ros.event_text import SECOND, TimedEvent, control_change, note_off, note_on
from improv_ros.improvising.dialogue.memory import MAX_ENTRIES, SPAN, STALL_NOTES, Memory
from improv_ros.improvising.network.improviser_model import Model

MS = SECOND // 1000


def tape(memory: Memory) -> list[tuple[int, ...]]:
    """Return the steps that the model's state is made of."""
    return [tuple(step) for step in memory.model.snapshot().state.h]


def tape_of(*events: TimedEvent) -> list[tuple[int, ...]]:
    """Return the steps of a model that observed these events and no others."""
    memory = Memory(Model(TapeRuntime()))
    for event in events:
        memory.observe(event)
    return tape(memory)


def hear(memory: Memory, *events: TimedEvent) -> None:
    for event in events:
        memory.hear(event, 'ears')


def confirm(memory: Memory, *events: TimedEvent) -> None:
    for event in events:
        memory.confirm(event, event.time + 200 * MS, 'ears')
    memory.repair()


def test_a_note_gets_its_confirmed_time_and_velocity() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64), note_off(400 * MS, 60))
    confirmed = note_on(40 * MS, 60, 90), note_off(600 * MS, 60)
    assert tape(memory) == tape_of(note_on(0, 60, 64), note_off(400 * MS, 60))
    confirm(memory, *confirmed)
    assert tape(memory) == tape_of(*confirmed)


def test_what_was_heard_rightly_costs_nothing() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64), control_change(MS, 64, 127))
    assert memory.confirm(note_on(MS, 60, 64), 200 * MS, 'ears') == []
    assert memory.confirm(control_change(MS, 64, 127), 200 * MS, 'ears') == []


def test_an_imagined_note_is_dropped_when_a_later_one_is_confirmed() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64), note_on(10 * MS, 72, 20), note_off(50 * MS, 72))
    confirm(memory, note_on(0, 60, 64))
    assert len(tape(memory)) == 3  # it may still be confirmed
    confirm(memory, note_off(400 * MS, 60))
    assert tape(memory) == tape_of(note_on(0, 60, 64), note_off(400 * MS, 60))


def test_a_missed_note_is_added_where_it_was() -> None:
    memory = Memory(Model(TapeRuntime()))
    music = note_on(0, 60, 64), note_on(100 * MS, 64, 40), note_on(200 * MS, 67, 64)
    hear(memory, music[0], music[2])
    confirm(memory, *music)
    assert tape(memory) == tape_of(*music)


def test_the_topics_may_arrive_in_either_order() -> None:
    memory = Memory(Model(TapeRuntime()))
    music = note_on(0, 60, 64), control_change(50 * MS, 64, 127), note_off(300 * MS, 60)
    confirm(memory, *music)
    hear(memory, *music)
    assert tape(memory) == tape_of(*music)


def test_what_the_robot_plays_is_neither_dropped_nor_moved() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64))
    robot = note_on(150 * MS, 48, 70), note_off(500 * MS, 48)
    for event in robot:
        memory.observe(event)
    hear(memory, note_on(300 * MS, 67, 64))
    confirmed = note_on(10 * MS, 60, 80), note_on(290 * MS, 67, 80)
    confirm(memory, *confirmed)
    assert tape(memory) == tape_of(confirmed[0], robot[0], confirmed[1], robot[1])
    memory.withdraw(200 * MS)
    assert tape(memory) == tape_of(confirmed[0], robot[0], confirmed[1])


def test_what_nobody_confirms_stays_beside_what_is_confirmed() -> None:
    memory = Memory(Model(TapeRuntime()))
    key = note_on(0, 40, 64), note_off(100 * MS, 40)
    for event in key:  # of a keyboard that knows one topic
        memory.hear(event)
    hear(memory, note_on(20 * MS, 60, 64), note_on(30 * MS, 90, 10))
    confirm(memory, note_on(25 * MS, 60, 70), note_off(SECOND, 60))
    assert tape(memory) == tape_of(key[0], note_on(25 * MS, 60, 70), key[1], note_off(SECOND, 60))


def test_nothing_is_lost_where_confirmations_stop() -> None:
    memory = Memory(Model(TapeRuntime()))
    music = [note_on(number * SECOND // 2, 60 + number, 64) for number in range(STALL_NOTES)]
    hear(memory, *music)
    assert not memory.stalled
    memory.settle(music[-1].time + SPAN + 1)
    assert memory.stalled
    assert tape(memory) == tape_of(*music)
    late = note_on(20 * SECOND, 40, 64)
    hear(memory, late)
    confirm(memory, late)
    assert not memory.stalled
    assert tape(memory) == tape_of(*music, late)


def test_what_is_confirmed_of_the_time_before_it_was_forgotten_stays_forgotten() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64))
    memory.reset(100 * MS)
    confirm(memory, note_on(0, 60, 64), note_off(90 * MS, 60))
    assert tape(memory) == []


def test_a_mark_keeps_the_state_of_its_time_as_it_is_put_right() -> None:
    memory = Memory(Model(TapeRuntime()))
    hear(memory, note_on(0, 60, 64))
    mark = memory.mark(100 * MS)
    memory.observe(note_on(400 * MS, 48, 64))
    confirm(memory, note_on(10 * MS, 60, 99))
    memory.restore(mark.after, 500 * MS)
    assert tape(memory) == tape_of(note_on(10 * MS, 60, 99))


def test_what_is_sure_is_passed_on_to_be_learnt_once() -> None:
    learnt: list[TimedEvent] = []
    memory = Memory(Model(TapeRuntime()), learnt.append)
    hear(memory, note_on(0, 60, 64), note_on(5 * MS, 90, 10))
    memory.observe(note_on(10 * MS, 48, 70))
    confirmed = [note_on(10 * MS, 60, 80), note_off(300 * MS, 60)]
    confirm(memory, *confirmed)
    memory.settle(SPAN // 2)
    assert learnt == []
    mark = memory.mark(SECOND)
    memory.settle(2 * SPAN)
    assert learnt == confirmed
    heard = memory.hear(note_on(2 * SPAN, 70, 64))
    memory.restore(mark.after, 2 * SPAN)
    memory.hear_again([heard])
    memory.settle(4 * SPAN)
    assert learnt == [*confirmed, note_on(2 * SPAN, 70, 64)]
    hear(memory, note_on(4 * SPAN, 71, 64))
    memory.reset(4 * SPAN)
    memory.settle(9 * SPAN)
    assert len(learnt) == 3  # what is forgotten is not learnt


def test_the_entries_are_bounded_and_costs_are_too() -> None:
    memory = Memory(Model(TapeRuntime()))
    for number in range(3000):
        memory.hear(note_on(0, 21 + number % 88, 64), 'ears')
    assert len(memory._entries) <= 2 * MAX_ENTRIES
    memory.settle(0)
    assert len(memory._entries) == MAX_ENTRIES
    memory.settle(10 * SECOND)
    assert memory._entries == []


NOTE = st.tuples(
    st.integers(60, 64),  # pitch
    st.integers(150, 400),  # ms from the note before it
    st.integers(-60, 60),  # ms by which it is misdated at first
    st.booleans(),  # whether it is heard at first
    st.booleans(),  # whether it really was
)


@given(st.lists(NOTE, max_size=12), st.integers(0, 250), st.randoms(use_true_random=False))
def test_in_the_end_the_memory_holds_what_was_confirmed(notes, delay, random) -> None:
    memory = Memory(Model(TapeRuntime()))
    time, arrivals, confirmed = 0, [], []
    for pitch, wait, error, is_heard, is_real in notes:
        time += wait * MS
        on, off = note_on(time, pitch, 80), note_off(time + 100 * MS, pitch)
        if is_heard:
            for event in (note_on(time + error * MS, pitch, 70), off._replace(time=off.time + 1)):
                arrivals.append((event.time + 60 * MS, 'heard', event))
        if is_real:
            for event in (on, off):
                confirmed.append(event)
                arrivals.append((event.time + delay * MS, 'confirmed', event))
    last = note_on(time + SECOND, 40, 64)
    confirmed.append(last)
    arrivals += [(last.time, 'heard', last), (last.time + delay * MS, 'confirmed', last)]
    for now, topic, event in sorted(arrivals, key=lambda arrival: arrival[0]):
        if topic == 'heard':
            memory.hear(event, 'ears')
        else:
            memory.confirm(event, now, 'ears')
        if random.random() < 0.5:
            memory.settle(now)
    memory.repair()
    assert tape(memory) == tape_of(*confirmed)
