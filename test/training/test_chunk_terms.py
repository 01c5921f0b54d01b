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
    strange = ['7_no_61_33', '473_no_61_0']
    text = '\n'.join(['rs_480', '0_st_120_500000', *PATTERN * 20, *strange, *PATTERN]) + '\n'
    lines = judged(text, network, tmp_path, epochs=30)
    assert len(lines) == round(0.1 * 128)
    said = [line for line in lines if math.isfinite(line.chunk)]
    assert len(lines) - len(said) == len(strange)
    assert min(line.chunk for line in said) < 1  # it has learnt the pattern by heart
    assert all(0 < line.improviser < 40 for line in lines)
    assert sum(line.by_heart for line in said) < sum(line.improviser for line in said)
    rows = compare(text, network, tmp_path, epochs=1)
    assert rows[0].startswith(f'| chunk, which learnt the text | {len(said) / len(lines):.1%} |')
    assert '| improviser, which just heard it | 100.0% |' in rows[1]
    assert '| improviser, which learnt the text, too | 100.0% |' in rows[2]


def test_a_text_that_is_too_short_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match='moves a key 6 times'):
        judged('\n'.join(['rs_480', *PATTERN]), network, tmp_path, epochs=1)
