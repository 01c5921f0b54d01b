"""When what has ended starts again."""

from __future__ import annotations

from improv_ros.backoff import FIRST_PAUSE, LONGEST_PAUSE, SETTLED, Backoff


def pauses(lives: list[float]) -> list[float]:
    """Return the pause after each of these lives, which follow one another."""
    backoff = Backoff()
    now = 100.0
    result = []
    for life in lives:
        backoff.started(now)
        result.append(backoff.ended(now + life))
        now += life + result[-1]
    return result


def test_pauses_double_up_to_a_bound() -> None:
    given = pauses([0.1] * 12)
    assert given[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert given == sorted(given)
    assert given[-3:] == [LONGEST_PAUSE] * 3


def test_a_long_life_makes_the_next_pause_short_again() -> None:
    assert pauses([0.1, 0.1, SETTLED, 0.1]) == [
        FIRST_PAUSE,
        2 * FIRST_PAUSE,
        FIRST_PAUSE,
        2 * FIRST_PAUSE,
    ]
