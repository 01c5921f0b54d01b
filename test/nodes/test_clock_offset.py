# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The estimate of a clock offset from round trips with any delays, and beacons as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.nodes.common.clock_offset import (
    MIN_ROUND_TRIPS,
    WINDOW,
    Beacon,
    ClockOffset,
    Offset,
    parse_beacon,
)

MS = 1_000_000
delays = st.integers(0, 200 * MS)
trips = st.lists(st.tuples(delays, delays), min_size=MIN_ROUND_TRIPS, max_size=2 * WINDOW)
offsets = st.integers(-(10**12), 10**12)


def estimate(offset: int, delays: list[tuple[int, int]]) -> Offset:
    """Return the estimate after messages that took these times there and back."""
    clock = ClockOffset()
    for there, back in delays:
        clock.add(there + offset, back - offset)
    found = clock.estimate()
    assert found is not None
    return found


@given(offsets, trips)
def test_the_truth_lies_within_the_uncertainty(offset: int, delays: list[tuple[int, int]]) -> None:
    found = estimate(offset, delays)
    assert abs(found.nanoseconds - offset) <= found.uncertainty
    quickest = [min(way) for way in zip(*delays[-WINDOW:], strict=True)]
    assert 0 <= found.uncertainty - sum(quickest) / 2 <= 0.5


@given(
    offsets,
    trips,
    st.integers(0, MS),
    st.integers(0, MIN_ROUND_TRIPS - 1),
    st.integers(0, MIN_ROUND_TRIPS - 1),
)
def test_one_quick_message_each_way_is_enough_whatever_delays_the_others(
    offset: int, delays: list[tuple[int, int]], quick: int, there: int, back: int
) -> None:
    slower = [(quick + a, quick + b) for a, b in delays]
    slower[-1 - there] = (quick, slower[-1 - there][1])
    slower[-1 - back] = (slower[-1 - back][0], quick)
    assert estimate(offset, slower).nanoseconds == offset


@given(offsets, st.lists(st.integers(0, 50 * MS), min_size=WINDOW, max_size=WINDOW))
def test_jitter_on_one_way_only_costs_what_its_least_was(offset: int, jitter: list[int]) -> None:
    found = estimate(offset, [(MS + extra, MS) for extra in jitter])
    assert abs(found.nanoseconds - offset) <= min(jitter) // 2 + 1


@given(offsets, offsets, trips, trips)
def test_a_clock_that_is_set_is_followed_within_a_window(
    before: int, after: int, first: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    clock = ClockOffset()
    for there, back in first:
        clock.add(there + before, back - before)
    for there, back in (then * WINDOW)[:WINDOW]:
        clock.add(there + after, back - after)
    found = clock.estimate()
    assert found is not None
    assert abs(found.nanoseconds - after) <= found.uncertainty


def test_a_clock_that_drifts_is_followed() -> None:
    clock = ClockOffset()
    for second in range(100):
        offset = second * 50_000  # 50 ppm
        clock.add(offset + 100_000, 100_000 - offset)
    found = clock.estimate()
    assert found is not None
    assert abs(found.nanoseconds - 99 * 50_000) < MS


def test_a_few_round_trips_are_not_believed() -> None:
    clock = ClockOffset()
    for _ in range(MIN_ROUND_TRIPS - 1):
        clock.add(51 * MS, -49 * MS)
        assert clock.estimate() is None
    clock.add(51 * MS, -49 * MS)
    assert clock.estimate() == Offset(50 * MS, MS)


def test_a_difference_that_unequal_ways_would_explain_is_no_warning() -> None:
    assert Offset(50 * MS, MS).exceeds(5 * MS)
    assert Offset(-50 * MS, MS).exceeds(5 * MS)
    assert not Offset(4 * MS, MS).exceeds(5 * MS)
    assert not Offset(10 * MS, 20 * MS).exceeds(5 * MS)  # ways of 10 and 30 ms
    assert Offset(30 * MS, 20 * MS).exceeds(5 * MS)


def test_a_beacon_is_read_as_it_was_written() -> None:
    beacon = Beacon('/improv/a', 'studio', 1763830800_000000001, {'/improv/b': -5, '/x/c': 7})
    assert parse_beacon(beacon.text()) == beacon
    assert parse_beacon(Beacon('/a', 'h', 1).text()) == Beacon('/a', 'h', 1)


def test_lines_of_a_later_version_are_skipped() -> None:
    assert parse_beacon('node /a\nhost h\nat 1\nweather fine\n') == Beacon('/a', 'h', 1)


@pytest.mark.parametrize(
    'text', ['', 'hello', 'node /a\nhost h\n', 'node /a\nhost h\nat x\n', 'node a\nheard b\nat 1']
)
def test_what_is_no_beacon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'beacon|int'):
        parse_beacon(text)
