import pytest

from improv_ros.improvising.phrase import LATEST_NOTES, Phrase
from improv_ros.improvising.settings import SECOND


def test_tells_how_long_dense_high_and_loud_it_was():
    phrase = Phrase(5 * SECOND)
    for number, (pitch, velocity) in enumerate([(60, 40), (64, 60), (68, 80), (64, 60)]):
        phrase.press((5 + number) * SECOND, pitch, velocity)
    phrase.release(9 * SECOND)
    phrase.release(8 * SECOND)  # told late
    assert phrase.length == 4 * SECOND
    character = phrase.character
    assert character.density == 1.0
    assert (character.pitch, character.velocity) == (64.0, 60.0)
    assert character.pitch_spread == pytest.approx(8**0.5)
    assert character.velocity_spread == pytest.approx(200**0.5)
    assert character.tonic == 4  # E is struck twice


def test_a_note_or_two_have_no_density():
    phrase = Phrase(0)
    phrase.press(0, 60, 64)
    phrase.press(SECOND, 72, 64)
    assert phrase.character.density is None
    assert phrase.character.pitch == 66


def test_a_long_phrase_is_known_by_its_end():
    phrase = Phrase(0)
    for number in range(1000):
        phrase.press(number * SECOND // 10, 30, 20)
    for number in range(LATEST_NOTES):
        phrase.press(100 * SECOND + number * SECOND // 2, 90, 100)
    character = phrase.character
    assert (character.pitch, character.velocity) == (90, 100)
    assert character.density == pytest.approx(2, abs=0.02)
    assert phrase.length > 199 * SECOND
