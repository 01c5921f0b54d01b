import pytest

from improv_ros.improvising.key import tonic_of

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)


@pytest.mark.parametrize('scale', [MAJOR, MINOR])
@pytest.mark.parametrize('tonic', range(12))
def test_tells_the_tonic_of_a_scale_that_comes_home(scale, tonic):
    up_and_down = [60 + tonic + degree for degree in (*scale, 12, *scale[::-1])]
    assert tonic_of(up_and_down) == tonic


def test_an_octave_higher_is_the_same_key():
    chords = [60, 64, 67, 65, 69, 72, 67, 71, 74, 60, 64, 67]
    assert tonic_of(chords) == tonic_of(pitch + 12 for pitch in chords) == 0


def test_of_no_pitches_it_tells_something():
    assert tonic_of([]) == 0
