# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Frames to many browsers: new ones to the quick, the newest state to the slow, never a queue."""

from __future__ import annotations

from improv_ros.page.feed import EACH, GONE, PATIENCE, RARELY, SOONEST, Feed


class Browser:
    """Takes what it is sent, unless it is busy."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.busy = False

    def send(self, frame: str) -> None:
        assert not self.busy
        self.got.append(frame)

    def is_busy(self) -> bool:
        return self.busy

    def close(self) -> None:
        self.got.append('closed')


def test_the_first_frame_is_the_whole_state() -> None:
    feed, one, other = Feed(), Browser(), Browser()
    feed.join(one, 0.0)
    feed.send('', lambda: 'state', 0.0)
    feed.send('a', lambda: 'state', 0.1)
    feed.join(other, 0.2)
    feed.send('b', lambda: 'newer state', 0.2)
    assert one.got == ['state', 'a', 'b']
    assert other.got == ['newer state']


def test_a_slow_browser_misses_frames_and_gets_the_newest_state() -> None:
    feed, quick, slow = Feed(), Browser(), Browser()
    for browser in (quick, slow):
        feed.join(browser, 0.0)
    feed.send('', lambda: 'state', 0.0)
    slow.busy = True
    for n in range(100):
        feed.send(str(n), lambda: 'never', 0.1)
    assert feed.waiting
    slow.busy = False
    made = []
    feed.send('100', lambda: made.append(1) or 'new', 0.2)
    assert not feed.waiting
    assert slow.got == ['state', 'new']
    assert quick.got == ['state', *map(str, range(101))]
    assert made == [1]


def test_a_browser_that_hangs_is_sent_nothing_and_let_go_of_in_the_end() -> None:
    feed, hanging = Feed(), Browser()
    feed.join(hanging, 0.0)
    feed.send('', lambda: 'state', 0.0)
    feed.send('late', lambda: 'x', PATIENCE + 0.1)
    assert hanging.got == ['state']
    feed.note_life(hanging, PATIENCE + 1)
    feed.send('more', lambda: 'now', PATIENCE + 1)
    assert hanging.got == ['state', 'now']
    assert list(feed.silent(PATIENCE + 1 + GONE)) == []
    assert list(feed.silent(PATIENCE + 1.1 + GONE)) == [hanging]
    feed.leave(hanging)
    feed.send('none', lambda: 'none', 99.0)
    assert len(feed) == 0 and hanging.got[-1] == 'now'


def test_more_browsers_get_fewer_frames_each() -> None:
    feed = Feed()
    intervals = []
    for _ in range(64):
        feed.join(Browser(), 0.0)
        intervals.append(feed.interval)
    assert intervals[0] == SOONEST and intervals[19] == SOONEST + 19 * EACH
    assert intervals[-1] == RARELY
