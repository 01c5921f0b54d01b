# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from itertools import pairwise
import math

import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.event_text import EventTextError, parse
from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL, load_network
from improv_ros.training.improviser.chunk_baseline import (
    TEMPERATURES,
    WEIGHTS,
    compare,
    draw,
    evaluate_lines,
    generate,
    read_chunks,
)

PATTERN = ['0_no_60_64', '120_no_60_0', '0_no_64_64', '120_no_64_0', '0_no_67_70', '240_no_67_0']


@pytest.fixture(scope='module')
def text():
    return '\n'.join(['rs_480', '0_st_120_500000', *PATTERN * 20]) + '\n'


def test_learns_a_pattern_and_writes_it_as_event_text(text, tmp_path, capsys):
    (tmp_path / 'in.txt').write_text(text)
    words = ['train', 'chunk', str(tmp_path / 'in.txt'), '--out', str(tmp_path)]
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


@pytest.fixture(scope='module')
def network():
    return load_network(DEFAULT_MODEL.with_suffix('.keras'))


@pytest.mark.nightly
def test_it_predicts_the_lines_it_was_trained_on_and_no_others(network, tmp_path):
    strange = ['7_no_61_33', '473_no_61_0']
    text = '\n'.join(['rs_480', '0_st_120_500000', *PATTERN * 20, *strange, *PATTERN]) + '\n'
    lines = evaluate_lines(text, network, tmp_path, epochs=30)
    assert len(lines) == round(0.1 * 128)
    predictable = [line for line in lines if math.isfinite(line.chunk)]
    assert len(lines) - len(predictable) == len(strange)
    assert min(line.chunk for line in predictable) < 1
    assert all(0 < line.improviser < 40 for line in lines)
    of_improviser = sum(line.improviser for line in predictable)
    assert sum(line.fine_tuned for line in predictable) < of_improviser
    rows = compare(text, network, tmp_path, epochs=1)
    assert rows[0].startswith(
        f'| chunk, trained on the text | {len(predictable) / len(lines):.1%} |'
    )
    assert '| improviser, not trained on the text | 100.0% |' in rows[1]
    assert '| improviser, fine-tuned on the text | 100.0% |' in rows[2]


def test_a_text_that_is_too_short_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match='the text has 6 note events'):
        evaluate_lines('\n'.join(['rs_480', *PATTERN]), network, tmp_path, epochs=1)
