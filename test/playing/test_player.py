# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import os
from threading import Event, get_native_id
import time

import pytest

from improv_ros.event_text import (
    SECOND,
    TimedEvent,
    clear,
    control_change,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing import player as player_module
from improv_ros.playing.note_schedule import Latency, strike_latency
from improv_ros.playing.player import Player
from timing import PATIENCE, promised

MILLISECOND = 1_000_000


class Recorder:
    """An output that keeps the events sent, and fails on demand."""

    def __init__(self, name='recorder', failures_to_open=0):
        self.name = name
        self.sent = []
        self.opened = 0
        self.closed = 0
        self.broken = False
        self.problem = ''
        self._failures_to_open = failures_to_open

    def open(self):
        self.opened += 1
        self.problem = ''
        self.broken = False
        if self.opened <= self._failures_to_open:
            raise OSError('not plugged in')

    def send(self, event):
        if self.broken:
            raise OSError('cable pulled')
        self.sent.append(event)

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(player_module, 'WATCH_PERIOD', 0.05)
    # No event is dropped as too late on a busy machine.
    _, *others = Player.__init__.__defaults__
    monkeypatch.setattr(Player.__init__, '__defaults__', (60_000_000_000, *others))
    monkeypatch.setattr(player_module, 'FIRST_PAUSE', 0.2)


def values(events):
    return [(event.kind, event.values) for event in events]


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def soon():
    return time.monotonic_ns() + 50 * MILLISECOND


def test_events_are_sent_at_their_times_to_every_output():
    outputs = [Recorder('one'), Recorder('two')]
    played = []
    start = soon()
    events = [
        note_on(start, 60, 64),
        note_off(start + 20 * MILLISECOND, 60),
        note_on(start + 30 * MILLISECOND, 62, 64),
        note_off(start + 60 * MILLISECOND, 62),
    ]
    with Player(outputs, on_played=played.append) as player:
        player.submit(events[2:])
        player.submit(events[:2])
        wait_until(lambda: len(played) == 4)
        lateness = player.lateness()
    assert values(outputs[0].sent) == values(outputs[1].sent) == values(played)
    assert values(played[:4]) == values(events)
    for one, two, told, event in zip(*(o.sent for o in outputs), played, events, strict=False):
        assert event.time <= one.time <= told.time <= two.time < event.time + promised(1) * SECOND
    assert len(lateness) == 4
    assert 0 <= min(lateness) <= max(lateness) < promised(1) * SECOND


def test_before_the_first_note_the_lateness_is_zero():
    player = Player([])
    assert player.lateness() == []


def test_an_earlier_event_does_not_wait_for_a_later_one():
    output = Recorder()
    with Player([output]) as player:
        player.submit([note_on(time.monotonic_ns() + 3600 * 10**9, 60, 64)])
        player.submit([note_on(soon(), 62, 64)])
        wait_until(lambda: output.sent)
        assert player.pending == 1
    assert output.sent[0].values == (62, 64, 0)


def test_stop_releases_notes_and_pedals_on_every_channel_in_use_and_closes():
    output = Recorder()
    played = []
    player = Player([output], on_played=played.append)
    player.start()
    now = time.monotonic_ns()
    player.submit(
        [
            note_on(now, 60, 64),
            note_on(now, 64, 64, channel=2),
            control_change(now, 64, 127),
            note_off(now + 3600 * 10**9, 60),
        ]
    )
    wait_until(lambda: len(output.sent) == 3)
    player.stop()
    assert values(output.sent[3:]) == values(
        [
            *(note_off(0, 60), note_off(0, 64, 2), control_change(0, 64, 0)),
            *(control_change(0, 123, 0), control_change(0, 123, 0, 2)),
        ]
    )
    assert played == output.sent
    assert output.closed == 1
    player.stop()


def test_a_clear_silences_at_once_and_the_player_plays_on():
    output = Recorder()
    with Player([output]) as player:
        now = time.monotonic_ns()
        player.submit([note_on(now, 60, 64), note_off(now + 3600 * 10**9, 60)])
        wait_until(lambda: output.sent)
        player.submit([clear(time.monotonic_ns())])
        wait_until(lambda: len(output.sent) == 2)
        assert player.pending == 0
        player.submit([note_on(time.monotonic_ns(), 62, 64)])
        wait_until(lambda: len(output.sent) == 3)
    assert values(output.sent[:3]) == values(
        [note_on(0, 60, 64), note_off(0, 60), note_on(0, 62, 64)]
    )


def test_panic_silences_every_channel():
    output = Recorder()
    with Player([output]) as player:
        player.submit([note_on(time.monotonic_ns(), 60, 64)])
        wait_until(lambda: output.sent)
        player.panic()
        wait_until(lambda: len(output.sent) == 2 + 3 * 16)
    silenced = {event.values for event in output.sent[2:]}
    assert {(channel, 120, 0) for channel in range(16)} <= silenced
    assert {(channel, 123, 0) for channel in range(16)} <= silenced


def test_notes_that_are_too_late_are_counted_and_dropped():
    output = Recorder()
    with Player([output], late_tolerance=100 * MILLISECOND) as player:
        long_ago = time.monotonic_ns() - 10**9
        player.submit([note_on(long_ago, 60, 64), note_off(long_ago + 1, 60)])
        wait_until(lambda: player.dropped == 1)
    assert output.sent == []


def test_a_failed_output_does_not_stop_the_others_and_is_opened_again():
    broken, sound = Recorder('broken'), Recorder('sound')
    with Player([broken, sound]) as player:
        broken.broken = True
        player.submit([note_on(time.monotonic_ns(), 60, 64)])
        wait_until(lambda: sound.sent)
        assert player.problems == {'broken': 'cable pulled'}
        wait_until(lambda: not player.problems)
        player.submit([note_off(time.monotonic_ns(), 60)])
        wait_until(lambda: len(sound.sent) == 2)
    # When it is opened again, the notes that it may still sound are released; the note-off itself
    # is not sent again.
    assert values(broken.sent[:3]) == values(
        [note_off(0, 60), control_change(0, 64, 0), control_change(0, 123, 0)]
    )
    assert note_off(0, 60)[1:] not in values(broken.sent[1:])
    assert broken.opened == 2


def test_a_problem_that_send_does_not_raise_is_detected():
    output = Recorder()
    with Player([output]) as player:
        output.problem = 'disk full'
        wait_until(lambda: player.problems == {'recorder': 'disk full'})
        wait_until(lambda: output.opened == 2)


def test_an_output_that_cannot_be_opened_is_retried_with_growing_pauses():
    output = Recorder(failures_to_open=2)
    with Player([output]) as player:
        assert player.problems == {'recorder': 'not plugged in'}
        started = time.monotonic()
        wait_until(lambda: not player.problems)
        assert time.monotonic() - started > 2.5 * player_module.FIRST_PAUSE
    assert output.opened == 3


def test_an_exception_in_on_played_leaves_no_note_hanging(caplog):
    output = Recorder()

    def fail(event: TimedEvent) -> None:
        raise RuntimeError('no longer here')

    with Player([output], on_played=fail) as player:
        player.submit([note_on(time.monotonic_ns(), 60, 64)])
        wait_until(lambda: output.sent)
    assert values(output.sent[1:2]) == values([note_off(0, 60)])
    assert 'no longer here' in caplog.text


def test_a_slow_on_played_does_not_spread_a_chord():
    output = Recorder()
    release = Event()
    now = soon()
    with Player([output], on_played=lambda _: release.wait(5)) as player:
        player.submit([note_on(now, pitch, 64) for pitch in (60, 64, 67)])
        wait_until(lambda: len(output.sent) >= 3)
        release.set()
    chord = [event.time for event in output.sent if is_note_on(event)]
    assert max(chord) - min(chord) < promised(0.1, 4.0) * SECOND


def test_events_are_sent_earlier_by_the_latency_of_each_output():
    slow, quick = Recorder('slow'), Recorder('quick')
    told = []
    latencies = [Latency(200 * MILLISECOND), Latency()]
    sound = time.monotonic_ns() + 400 * MILLISECOND
    with Player([slow, quick], on_played=told.append, latencies=latencies) as player:
        player.submit([note_on(sound, 60, 64)])
        wait_until(lambda: quick.sent)
    for output, due in ((slow, sound - 200 * MILLISECOND), (quick, sound)):
        assert 0 <= output.sent[0].time - due < promised(0.1) * SECOND
    assert slow.sent[0].time < quick.sent[0].time
    # Reports have the times of the first output.
    assert told[0].time == slow.sent[0].time + 200 * MILLISECOND


def test_the_reports_of_a_key_are_in_the_order_of_time():
    output = Recorder()
    told = []
    latency = Latency(0, strike_latency('10:0.3, 100:0'))
    now = time.monotonic_ns()
    with Player([output], on_played=told.append, latencies=[latency]) as player:
        # Too late for a soft note: it is sent at once and sounds after its note-off.
        player.submit([note_on(now, 60, 10), note_off(now + MILLISECOND, 60)])
        player.submit([note_on(now + 50 * MILLISECOND, 60, 127)])
        wait_until(lambda: len(told) == 3 or player.dropped)
    notes = [event for event in told if event.kind == 'no']
    assert [event.time for event in notes] == sorted(event.time for event in notes)
    assert sum(map(is_note_on, notes)) == len(notes) / 2


def test_only_the_playing_thread_has_real_time_priority_or_a_remedy_is_named():
    player = Player([Recorder()], priority=10)
    with player:
        playing = os.sched_getscheduler(player._thread.native_id)
        assert os.sched_getscheduler(get_native_id()) == os.SCHED_OTHER
        assert os.sched_getscheduler(player._watcher.native_id) == os.SCHED_OTHER
        if player.priority_problem:
            assert playing == os.SCHED_OTHER
            assert 'rtkit' in player.priority_problem
            assert 'limits' in player.priority_problem
        else:
            assert playing == os.SCHED_FIFO


def test_without_real_time_rights_the_player_plays_and_does_not_spin(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    output = Recorder()
    with Player([output], priority=10, spin=MILLISECOND) as player:
        assert 'Operation not permitted' in player.priority_problem
        assert player._spin == 0
        player.submit([note_on(soon(), 60, 64)])
        wait_until(lambda: output.sent)


def test_submitting_many_events_does_not_delay_a_note():
    waiting = []

    class Counter(Recorder):
        def send(self, event):
            waiting.append(player._submitted - player._scheduled)

    player = Player([Counter()], late_tolerance=3600 * SECOND)
    now = time.monotonic_ns()
    far = now + 3600 * 10**9
    crowd = [note_on(far + index, 21 + index % 88, 64) for index in range(20000)]
    # All of this is to be taken in when the player starts, but first things go first.
    player.submit([note_on(now, 60, 64), *crowd])
    with player:
        wait_until(lambda: waiting and player._scheduled == player._submitted)
    assert waiting[0] > 0.9 * len(crowd)


def test_an_output_that_is_being_opened_when_the_player_stops_is_closed_afterwards(monkeypatch):
    monkeypatch.setattr(player_module, 'OPEN_TIMEOUT', 0.1)
    opening, go_on = Event(), Event()
    closed_while_opening = []

    class Slow(Recorder):
        is_open = False

        def open(self):
            super().open()
            if self.opened > 1:
                opening.set()
                assert go_on.wait(PATIENCE)
                opening.clear()
                self.is_open = True

        def close(self):
            super().close()
            if opening.is_set():
                closed_while_opening.append(True)
            self.is_open = False

    output = Slow(failures_to_open=1)
    player = Player([output])
    player.start()
    wait_until(opening.is_set)
    before = output.closed
    player.stop()
    assert opening.is_set()  # `stop` has not waited for it
    go_on.set()
    wait_until(lambda: output.closed > before and not output.is_open and not opening.is_set())
    assert not closed_while_opening
    time.sleep(3 * player_module.WATCH_PERIOD)
    assert not output.is_open
    assert output.opened == 2


def well_paired(told):
    """Return whether each note-on is followed by a note-off before the next of its key."""
    down = set()
    for event in told:
        if event.kind != 'no':
            continue
        pitch = event.values[0]
        if is_note_on(event) == (pitch in down):
            return False
        (down.add if is_note_on(event) else down.discard)(pitch)
    return not down


def test_events_that_were_sent_to_no_output_are_not_reported_or_counted():
    output = Recorder(failures_to_open=2)
    told = []
    with Player([output], on_played=told.append) as player:
        now = time.monotonic_ns()
        player.submit([note_on(now, 60, 64), control_change(now, 64, 127)])
        player.submit([note_off(now + MILLISECOND, 60), control_change(now, 64, 0)])
        wait_until(lambda: player.pending == 0)
        assert told == []
        assert player.lateness() == []
        wait_until(lambda: not player.problems)
        now = time.monotonic_ns()
        player.submit([note_on(now, 62, 64), note_off(now + MILLISECOND, 62)])
        wait_until(lambda: len(told) == 2)
        assert len(player.lateness()) == 1
    assert values(told[:2]) == values([note_on(0, 62, 64), note_off(0, 62)])


def test_the_release_of_a_reported_note_is_reported_after_the_output_has_failed():
    output = Recorder()
    told = []
    with Player([output], on_played=told.append) as player:
        now = time.monotonic_ns()
        player.submit([note_on(now, 60, 64), control_change(now, 64, 127)])
        wait_until(lambda: len(told) == 2)
        output.problem = 'cable pulled'
        output._failures_to_open = 100
        wait_until(lambda: player.problems)
        now = time.monotonic_ns()
        player.submit([note_off(now, 60), control_change(now, 64, 0), note_on(now, 62, 64)])
        wait_until(lambda: len(told) == 4)
    assert values(told) == values(
        [note_on(0, 60, 64), control_change(0, 64, 127), note_off(0, 60), control_change(0, 64, 0)]
    )


def test_the_next_output_reports_while_the_first_has_failed():
    away, there = Recorder('away', failures_to_open=1), Recorder('there')
    told = []
    with Player([away, there], on_played=told.append) as player:
        sent = 0
        while len(away.sent) < 6:  # until the output is open again
            now = time.monotonic_ns()
            pitch = 40 + sent % 50
            player.submit([note_on(now, pitch, 64), note_off(now + 20 * MILLISECOND, pitch)])
            sent += 1
            time.sleep(0.03)
        wait_until(lambda: player.pending == 0)
    notes = [event for event in told if event.kind == 'no']
    assert values(notes) == values([event for event in there.sent if event.kind == 'no'])
    assert sum(map(is_note_on, notes)) == sent
    assert well_paired(told)


@pytest.mark.parametrize('slow', [0, 1])
def test_every_reported_note_is_ended_when_one_of_two_outputs_fails(slow):
    one, two = Recorder('one'), Recorder('two')
    latencies = [Latency(), Latency()]
    latencies[slow] = Latency(100 * MILLISECOND)
    told = []
    with Player([one, two], SECOND, told.append, latencies=latencies) as player:
        start = time.monotonic_ns() + 200 * MILLISECOND
        for step in range(40):
            on = start + step * 20 * MILLISECOND
            pitch = 60 + step % 2
            player.submit([note_on(on, pitch, 64), note_off(on + 30 * MILLISECOND, pitch)])
        for notes in (4, 12):
            wait_until(lambda notes=notes: sum(map(is_note_on, one.sent)) >= notes)
            one.broken = True
            wait_until(lambda: 'one' in player.problems)
            wait_until(lambda: not player.problems)
        wait_until(lambda: player.pending == 0)
    assert len(told) > 40
    assert well_paired(told)


def test_an_error_in_the_playing_thread_is_shown_and_it_plays_on(monkeypatch, caplog):
    monkeypatch.setattr(player_module, 'ERROR_SHOWN', 0.5)
    output = Recorder()
    told = []
    broken = []
    pop_due = player_module.NoteSchedule.pop_due

    def pop_or_break(schedule, now):
        if schedule is broken:
            raise RuntimeError('a broken heap')
        return pop_due(schedule, now)

    with Player([output], on_played=told.append) as player:
        now = time.monotonic_ns()
        player.submit(
            [
                *(note_on(now, 60, 64), control_change(now, 64, 127, 3), note_on(now, 64, 64, 3)),
                note_off(now + 3600 * SECOND, 60),
            ]
        )
        wait_until(lambda: len(told) == 3)
        broken = player._outputs[0].schedule
        monkeypatch.setattr(player_module.NoteSchedule, 'pop_due', pop_or_break)
        player.submit([note_on(time.monotonic_ns(), 71, 64)])
        wait_until(lambda: 'a broken heap' in player.problems.get('player', ''))
        wait_until(lambda: len(told) == 6)
        # The note is released at the output and in the reports, and the player plays on.
        releases = {note_off(0, 60)[1:], note_off(0, 64, 3)[1:], control_change(0, 64, 0, 3)[1:]}
        assert releases <= set(values(output.sent))
        assert set(values(told[3:])) == releases
        player.submit([note_on(time.monotonic_ns(), 72, 64), note_off(time.monotonic_ns(), 72)])
        wait_until(lambda: output.sent[-1].values == (72, 0, 0))
        wait_until(lambda: not player.problems)
    assert well_paired(told)
    assert 'a broken heap' in caplog.text


def test_an_error_during_stop_does_not_keep_the_player_from_stopping(monkeypatch):
    output = Recorder()
    player = Player([output])
    player.start()
    player.submit([note_on(time.monotonic_ns(), 60, 64)])
    wait_until(lambda: output.sent)

    def fail(*_):
        raise RuntimeError('no more')

    monkeypatch.setattr(player_module.NoteSchedule, 'release_all', fail)
    player.stop()
    assert note_off(0, 60)[1:] in values(output.sent)
    assert output.closed == 1


def test_an_exception_in_problem_does_not_end_the_watching_thread():
    class Odd(Recorder):
        odd = False

        @property
        def problem(self):
            if self.odd and self.opened == 1:
                raise ValueError('how should I know')
            return ''

        @problem.setter
        def problem(self, _):
            pass

    output = Odd()
    with Player([output]) as player:
        output.odd = True
        wait_until(lambda: 'how should I know' in player.problems.get('recorder', ''))
        wait_until(lambda: not player.problems)
    assert output.opened == 2
