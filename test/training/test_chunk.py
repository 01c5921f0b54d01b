from itertools import pairwise

import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.event_text import EventTextError, parse
from improv_ros.training.chunk import TEMPERATURES, WEIGHTS, draw, generate, read_chunks

PATTERN = ['0_no_60_64', '120_no_60_0', '0_no_64_64', '120_no_64_0', '0_no_67_70', '240_no_67_0']


@pytest.fixture(scope='module')
def text():
    return '\n'.join(['rs_480', '0_st_120_500000', *PATTERN * 20]) + '\n'


def test_learns_a_pattern_and_writes_it_as_event_text(text, tmp_path, capsys):
    (tmp_path / 'in.txt').write_text(text)
    words = ['train', '--model', 'chunk', str(tmp_path / 'in.txt'), '--out', str(tmp_path)]
    assert main([*words, '--epochs', '40', '--generate', '60', '--quiet']) == 0
    assert 'nats per chunk' in capsys.readouterr().out
    lines = (tmp_path / 'generated.txt').read_text().splitlines()
    assert lines[0] == 'rs_480' and len(lines) == 61
    parse('\n'.join(lines) + '\n')
    assert set(lines[1:]) <= set(text.splitlines())
    following = dict(zip(PATTERN, PATTERN[1:] + PATTERN[:1], strict=True))
    right = sum(following.get(one) == two for one, two in pairwise(lines[1:]))
    assert right >= 50
    assert generate(tmp_path, 8, seed=1) == generate(tmp_path, 8, seed=1)


def test_chunks_are_the_lines_taken_whole(text):
    chunks = read_chunks(text)
    assert chunks.resolution == 'rs_480'
    assert sorted(chunks.distinct) == sorted({'0_st_120_500000', *PATTERN})
    assert [chunks.distinct[number] for number in chunks.sequence] == text.splitlines()[1:]


def test_a_text_that_cannot_be_learnt_is_refused():
    with pytest.raises(ValueError, match='it needs more than 15'):
        read_chunks('rs_480\n0_no_60_64\n')
    with pytest.raises(EventTextError):
        read_chunks('rs_480\nhello\n')


def test_draws_at_the_four_temperatures():
    assert sum(WEIGHTS) == pytest.approx(1) and len(WEIGHTS) == len(TEMPERATURES)
    odds = np.array([0.7, 0.2, 0.1])
    random = np.random.default_rng(1)
    shares = np.bincount([draw(odds, random) for _ in range(5000)], minlength=3) / 5000
    expected = sum(
        weight * odds ** (1 / temperature) / (odds ** (1 / temperature)).sum()
        for temperature, weight in zip(TEMPERATURES, WEIGHTS, strict=True)
    )
    np.testing.assert_allclose(shares, expected, atol=0.03)
