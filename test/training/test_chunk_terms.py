import math

import pytest

from improv_ros.improvising.runtime import DEFAULT_MODEL
from improv_ros.training.chunk_terms import compare, judged

PATTERN = ['0_no_60_64', '120_no_60_0', '0_no_64_64', '120_no_64_0', '0_no_67_70', '240_no_67_0']


@pytest.fixture(scope='module')
def network():
    from improv_ros.improvising.runtime import load_network

    return load_network(DEFAULT_MODEL.with_suffix('.keras'))


def test_the_chunk_model_knows_its_own_lines_and_cannot_say_others(network, tmp_path):
    strange = ['7_no_61_33', '113_no_61_0']
    text = '\n'.join(['rs_480', '0_st_120_500000', *PATTERN * 20, *strange, *PATTERN]) + '\n'
    lines = judged(text, network, tmp_path, epochs=30)
    assert len(lines) == round(0.1 * 129)
    said = [line.chunk for line in lines if math.isfinite(line.chunk)]
    assert len(lines) - len(said) == len(strange)
    assert min(said) < 1  # it has learnt the pattern by heart
    assert all(0 < line.improviser < 40 for line in lines)
    rows = compare(text, network, tmp_path, epochs=1)
    assert rows[0].startswith(f'| chunk | {len(said) / len(lines):.1%} |')
    assert '| improviser | 100.0% |' in rows[1]
