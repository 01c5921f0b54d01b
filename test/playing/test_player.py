import os
from threading import Event, get_native_id
import time

import pytest

from improv_ros.event_text import (
    TimedEvent,
    clear,
    control_change,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.playing import player as player_module
from improv_ros.playing.latency import Latency, strike_table
from improv_ros.playing.player import Player

MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
PATIENCE = 5.0  # seconds


class Recorder:
    """An output which keeps what is sent; it fails as often as it is told to."""

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
    with Player(outputs, SECOND, played.append) as player:
        player.submit(events[2:])
        player.submit(events[:2])
        wait_until(lambda: len(played) == 4)
        lateness = player.lateness()
    assert values(outputs[0].sent) == values(outputs[1].sent) == values(played)
    assert values(played[:4]) == values(events)
    for one, two, told, event in zip(*(o.sent for o in outputs), played, events, strict=False):
        assert event.time <= one.time <= told.time <= two.time < event.time + SECOND
    assert lateness.count == 4
    assert 0 <= lateness.p50 <= lateness.p99 <= lateness.max < SECOND


def test_before_the_first_note_the_lateness_is_zero():
    player = Player([])
    assert (player.lateness().count, player.lateness().max) == (0, 0)


def test_a_sooner_event_is_not_kept_waiting_for_a_later_one():
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


def test_what_is_too_late_is_counted_and_not_played():
    output = Recorder()
    with Player([output], late_tolerance=100 * MILLISECOND) as player:
        long_ago = time.monotonic_ns() - 10**9
        player.submit([note_on(long_ago, 60, 64), note_off(long_ago + 1, 60)])
        wait_until(lambda: player.dropped == 1)
    assert output.sent == []


def test_an_output_that_breaks_does_not_stop_the_others_and_is_opened_again():
    broken, sound = Recorder('broken'), Recorder('sound')
    with Player([broken, sound]) as player:
        broken.broken = True
        player.submit([note_on(time.monotonic_ns(), 60, 64)])
        wait_until(lambda: sound.sent)
        assert player.problems == {'broken': 'cable pulled'}
        wait_until(lambda: not player.problems)
        player.submit([note_off(time.monotonic_ns(), 60)])
        wait_until(lambda: len(sound.sent) == 2)
    # On its return it is told to silence what it may have been left with, and the note's own end
    # is not sent again.
    assert values(broken.sent[:3]) == values(
        [note_off(0, 60), control_change(0, 64, 0), control_change(0, 123, 0)]
    )
    assert note_off(0, 60)[1:] not in values(broken.sent[1:])
    assert broken.opened == 2


def test_a_problem_that_no_send_raises_is_noticed():
    output = Recorder()
    with Player([output]) as player:
        output.problem = 'disk full'
        wait_until(lambda: player.problems == {'recorder': 'disk full'})
        wait_until(lambda: output.opened == 2)


def test_an_output_that_cannot_be_opened_is_tried_again_with_growing_pauses():
    output = Recorder(failures_to_open=2)
    with Player([output]) as player:
        assert player.problems == {'recorder': 'not plugged in'}
        started = time.monotonic()
        wait_until(lambda: not player.problems)
        assert time.monotonic() - started > 2.5 * player_module.FIRST_PAUSE
    assert output.opened == 3


def test_a_listener_that_raises_leaves_no_note_hanging(caplog):
    output = Recorder()

    def fail(event: TimedEvent) -> None:
        raise RuntimeError('no longer here')

    with Player([output], on_played=fail) as player:
        player.submit([note_on(time.monotonic_ns(), 60, 64)])
        wait_until(lambda: output.sent)
    assert values(output.sent[1:2]) == values([note_off(0, 60)])
    assert 'no longer here' in caplog.text


def test_a_slow_listener_of_one_chord_does_not_spread_it():
    output = Recorder()
    release = Event()
    now = soon()
    with Player([output], on_played=lambda _: release.wait(0.2)) as player:
        player.submit([note_on(now, pitch, 64) for pitch in (60, 64, 67)])
        wait_until(lambda: len(output.sent) >= 3)
        release.set()
    chord = [event.time for event in output.sent if is_note_on(event)]
    assert max(chord) - min(chord) < 100 * MILLISECOND


def test_each_output_is_sent_to_earlier_by_its_own_latency():
    slow, quick = Recorder('slow'), Recorder('quick')
    told = []
    latencies = [Latency(200 * MILLISECOND), Latency()]
    sound = time.monotonic_ns() + 400 * MILLISECOND
    with Player([slow, quick], on_played=told.append, latencies=latencies) as player:
        player.submit([note_on(sound, 60, 64)])
        wait_until(lambda: quick.sent)
    for output, due in ((slow, sound - 200 * MILLISECOND), (quick, sound)):
        assert 0 <= output.sent[0].time - due < 100 * MILLISECOND
    # What is told is when the first output sounds.
    assert told[0].time == slow.sent[0].time + 200 * MILLISECOND


def test_what_is_told_of_a_key_does_not_go_back_in_time():
    output = Recorder()
    told = []
    latency = Latency(0, strike_table('10:0.3, 100:0'))
    now = time.monotonic_ns()
    with Player([output], on_played=told.append, latencies=[latency]) as player:
        # Too late for a soft blow: it is sent at once, sounds later, and ends before that.
        player.submit([note_on(now, 60, 10), note_off(now + MILLISECOND, 60)])
        player.submit([note_on(now + 50 * MILLISECOND, 60, 127)])
        wait_until(lambda: len(told) == 3 or player.dropped)
    notes = [event for event in told if event.kind == 'no']
    assert [event.time for event in notes] == sorted(event.time for event in notes)
    assert sum(map(is_note_on, notes)) == len(notes) / 2


def test_only_the_thread_that_plays_goes_before_others_or_the_remedy_is_told():
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


def test_without_leave_to_go_first_the_player_plays_on_and_does_not_spin(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    output = Recorder()
    with Player([output], priority=10, spin=MILLISECOND) as player:
        assert 'Operation not permitted' in player.priority_problem
        assert player._spin == 0
        player.submit([note_on(soon(), 60, 64)])
        wait_until(lambda: output.sent)


def test_a_great_many_events_do_not_keep_a_note_waiting():
    waiting = []

    class Counter(Recorder):
        def send(self, event):
            waiting.append(player._submitted - player._taken_in)

    player = Player([Counter()], late_tolerance=10**10)
    now = time.monotonic_ns()
    far = now + 3600 * 10**9
    crowd = [note_on(far + index, 21 + index % 88, 64) for index in range(60000)]
    # All of this is to be taken in when the player starts, but first things go first.
    player.submit([note_on(now, 60, 64), *crowd])
    with player:
        wait_until(lambda: waiting and player._taken_in == player._submitted)
    assert waiting[0] > 0.9 * len(crowd)
