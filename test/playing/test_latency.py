import pytest

from improv_ros.event_text import control_change, note_off, note_on
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.latency import NO_STRIKE, Latency, strike_table

MILLISECOND = 1_000_000


def test_the_profile_of_a_disklavier_is_that_which_was_published():
    table = strike_table('disklavier')
    assert len(table) == 128
    assert set(table[:11]) == {155 * MILLISECOND}
    assert set(table[100:]) == {0}
    assert table[55] == pytest.approx(77.5 * MILLISECOND)
    assert list(table) == sorted(table, reverse=True)


def test_a_table_is_joined_by_straight_lines_and_level_beyond_its_ends():
    table = strike_table('100:0.01, 20:0.09,60:0.05')
    assert table[0] == table[20] == 90 * MILLISECOND
    assert table[40] == 70 * MILLISECOND
    assert table[80] == 30 * MILLISECOND
    assert table[100] == table[127] == 10 * MILLISECOND


def test_without_a_profile_every_note_takes_the_same():
    assert strike_table('') == NO_STRIKE
    latency = Latency(5, strike_table('64:0.001'))
    assert latency.of(note_on(0, 60, 1)) == 5 + MILLISECOND
    assert latency.of(note_off(0, 60)) == latency.of(control_change(0, 64, 127)) == 5


@pytest.mark.parametrize(
    ('profile', 'complaint'),
    [
        ('soft', "'soft' is not velocity:seconds"),
        ('10:0.1,', "'' is not velocity:seconds"),
        ('128:0.1', '128:0.1 is out of range'),
        ('10:155', '10:155 is out of range'),
        ('10:nan', 'out of range'),
        ('10:0.1, 10:0.2', 'twice'),
    ],
)
def test_what_is_wrong_with_a_table_is_said(profile, complaint):
    with pytest.raises(PlayingError, match=complaint):
        strike_table(profile)
