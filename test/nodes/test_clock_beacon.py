"""A node's clock as text."""

from __future__ import annotations

import pytest

from improv_ros.nodes.clock_beacon import Beacon, parse_beacon


def test_a_beacon_is_read_as_it_was_written() -> None:
    beacon = Beacon('/improv/a', 'studio', 1763830800_000000001, {'/improv/b': -5, '/x/c': 7})
    assert parse_beacon(beacon.text()) == beacon
    assert parse_beacon(Beacon('/a', 'h', 1).text()) == Beacon('/a', 'h', 1)


def test_lines_of_a_later_version_are_passed_over() -> None:
    assert parse_beacon('node /a\nhost h\nat 1\nweather fine\n') == Beacon('/a', 'h', 1)


@pytest.mark.parametrize(
    'text', ['', 'hello', 'node /a\nhost h\n', 'node /a\nhost h\nat x\n', 'node a\nheard b\nat 1']
)
def test_what_is_no_beacon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'beacon|int'):
        parse_beacon(text)
