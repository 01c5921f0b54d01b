# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Live messages moved to the time of their replay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.bags.time_shift import TimeShift, shift_text
from improv_ros.event_text import EventTextError, format_text, to_timed

RECORDED = 1763830800_000000000
REPLAYED = 1800000000_123456789


def test_only_the_stamp_changes_at_the_recorded_speed() -> None:
    text = 'rs_480\nat_1763830801_250000000\nsq_7\n10_no_60_64\n5_st_60_1000000\n480_no_60_0\n'
    shifted = shift_text(text, TimeShift(RECORDED, REPLAYED))
    assert format_text(shifted) == text.replace(
        'at_1763830801_250000000', 'at_1800000001_373456789'
    )


@given(
    st.integers(-(10**11), 10**11),
    st.lists(st.integers(0, 5000), min_size=1, max_size=20),
    st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0]),
)
def test_every_event_comes_when_the_speed_says(at: int, deltas: list[int], rate: float) -> None:
    seconds, nanoseconds = divmod(RECORDED + at, 10**9)
    lines = [f'rs_500\nat_{seconds}_{nanoseconds}\nsq_3\n']
    lines += [f'{delta}_no_{60 + i}_64\n' for i, delta in enumerate(deltas)]
    shift = TimeShift(RECORDED, REPLAYED, rate)
    shifted = shift_text(''.join(lines), shift)
    assert shifted.sequence == 3
    time = RECORDED + at
    for delta, event in zip(deltas, to_timed(shifted), strict=True):
        time += delta * 1_000_000
        assert abs(event.time - REPLAYED - (time - RECORDED) / rate) <= 500_100


def test_a_message_without_events_is_moved_too() -> None:
    shift = TimeShift(RECORDED, REPLAYED, 2.0)
    shifted = shift_text('rs_500\nat_1763830802_0\nsq_4\n', shift)
    assert (shifted.at, shifted.sequence) == (REPLAYED + 10**9, 4)


@pytest.mark.parametrize('text', ['hello', 'rs_500\n0_no_60_64\n'])
def test_what_is_no_live_message_is_refused(text: str) -> None:
    with pytest.raises(EventTextError):
        shift_text(text, TimeShift(RECORDED, REPLAYED))
