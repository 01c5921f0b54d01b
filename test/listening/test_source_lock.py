# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Two microphones at once: one is used, and another only after the first one has paused."""

from __future__ import annotations

from improv_ros.listening.capture.source_lock import SourceLock


def stays(first: str | None, following: str | None) -> bool:
    return False


def leaves(first: str | None, following: str | None) -> bool:
    return True


def test_the_first_microphone_is_kept() -> None:
    lock = SourceLock(stays)
    for number in range(100):
        assert lock.accepts('a', number * 0.02)
        assert not lock.accepts('b', number * 0.02 + 0.01)


def test_another_is_used_half_a_second_after_the_first_one_stopped() -> None:
    lock = SourceLock(stays)
    assert lock.accepts('a', 0.0)
    accepted = [time / 100 for time in range(1, 200) if lock.accepts('b', time / 100)]
    assert accepted[0] == 0.51
    assert not lock.accepts('a', 2.0)


def test_another_is_used_at_once_where_the_first_one_has_left() -> None:
    lock = SourceLock(leaves)
    assert lock.accepts('a', 0.0)
    assert not lock.accepts('b', 0.4)  # a late chunk of the first one may still come
    assert lock.accepts('b', 0.5)


def test_a_pause_of_this_process_does_not_change_the_microphone() -> None:
    lock = SourceLock(stays)
    assert lock.accepts('a', 0.0)
    # The process was stopped for three seconds; it then reads what has arrived meanwhile.
    for number in range(50):
        assert not lock.accepts('b', 3.0 + number / 1000)
        assert lock.accepts('a', 3.0 + number / 1000)


def test_microphones_without_an_id_count_as_one() -> None:
    lock = SourceLock(stays)
    assert all(lock.accepts(None, time / 100) for time in range(100))
