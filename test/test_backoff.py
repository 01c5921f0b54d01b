# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""When what has ended starts again."""

from __future__ import annotations

import pytest

from improv_ros.process.backoff import RestartBackoff


def pauses(lives: list[float]) -> list[float]:
    """Return the pause after each of these lives, which follow one another."""
    backoff = RestartBackoff()
    now = 100.0
    result = []
    for life in lives:
        backoff.started(now)
        result.append(backoff.ended(now + life))
        now += life + result[-1]
    return result


def test_pauses_double_up_to_half_a_minute() -> None:
    given = pauses([0.1] * 12)
    assert given == pytest.approx(
        [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0, 30.0]
    )


@pytest.mark.parametrize(('life', 'pause'), [(9.0, 0.8), (11.0, 0.2), (3600.0, 0.2)])
def test_after_a_run_of_ten_seconds_the_next_restart_pause_is_short(
    life: float, pause: float
) -> None:
    assert pauses([0.1, 0.1, life])[-1] == pytest.approx(pause)


def test_after_a_long_run_the_restart_pauses_begin_short_again() -> None:
    assert pauses([0.1] * 12 + [60.0, 0.1, 0.1])[-3:] == pytest.approx([0.2, 0.4, 0.8])
