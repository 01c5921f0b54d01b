# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import pytest

from improv_ros.event_text import SECOND
from improv_ros.improvising.dialogue.phrase import MAX_NOTES, Phrase, tonic_of

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)


def test_duration_and_statistics_of_a_phrase():
    phrase = Phrase(5 * SECOND)
    for number, (pitch, velocity) in enumerate([(60, 40), (64, 60), (68, 80), (64, 60)]):
        phrase.add_note((5 + number) * SECOND, pitch, velocity)
    phrase.add_release(9 * SECOND)
    phrase.add_release(8 * SECOND)  # told late
    assert phrase.duration == 4 * SECOND
    statistics = phrase.statistics
    assert statistics.density == 1.0
    assert (statistics.pitch, statistics.velocity) == (64.0, 60.0)
    assert statistics.pitch_deviation == pytest.approx(8**0.5)
    assert statistics.velocity_deviation == pytest.approx(200**0.5)
    assert statistics.tonic == 4  # E is struck twice


def test_one_or_two_notes_have_no_density():
    phrase = Phrase(0)
    phrase.add_note(0, 60, 64)
    phrase.add_note(SECOND, 72, 64)
    assert phrase.statistics.density is None
    assert phrase.statistics.pitch == 66


def test_the_statistics_of_a_long_phrase_are_those_of_its_end():
    phrase = Phrase(0)
    for number in range(1000):
        phrase.add_note(number * SECOND // 10, 30, 20)
    for number in range(MAX_NOTES):
        phrase.add_note(100 * SECOND + number * SECOND // 2, 90, 100)
    statistics = phrase.statistics
    assert (statistics.pitch, statistics.velocity) == (90, 100)
    assert statistics.density == pytest.approx(2, abs=0.02)
    assert phrase.duration > 199 * SECOND


@pytest.mark.parametrize('scale', [MAJOR, MINOR])
@pytest.mark.parametrize('tonic', range(12))
def test_the_tonic_of_a_scale_up_and_down(scale, tonic):
    up_and_down = [60 + tonic + degree for degree in (*scale, 12, *scale[::-1])]
    assert tonic_of(up_and_down) == tonic


def test_the_tonic_does_not_depend_on_the_octave():
    chords = [60, 64, 67, 65, 69, 72, 67, 71, 74, 60, 64, 67]
    assert tonic_of(chords) == tonic_of(pitch + 12 for pitch in chords) == 0


def test_the_tonic_of_no_pitches_is_zero():
    assert tonic_of([]) == 0
