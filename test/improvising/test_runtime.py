import json
import re
import shutil

import numpy as np
import pytest

from improv_ros.improvising.runtime import DEFAULT_MODEL, load_runtime
from improv_ros.improvising.vocabulary import FIRST_STEP, KEYS, PEDAL_DOWN, VERSION, Step
from improv_ros.inference.errors import ModelError


def a_performance(seed: int, steps: int) -> list[Step]:
    random = np.random.default_rng(seed)
    down, performance = [], [FIRST_STEP, Step(0, PEDAL_DOWN, 0)]
    for _ in range(steps):
        time = int(random.integers(0, 40))
        if down and random.random() < 0.5:
            performance.append(Step(time, KEYS + down.pop(0), 0))
        else:
            key = int(random.choice([key for key in range(KEYS) if key not in down]))
            down.append(key)
            performance.append(Step(time, key, int(random.integers(1, 33))))
    return performance


@pytest.fixture(scope='module', params=['events', 'notes'])
def model(request, tmp_path_factory):
    """Provide the file of an untrained network whose memory moves with every event, or note."""
    from improv_ros.improvising.note_network import NETWORKS
    from improv_ros.training.export import export

    network = NETWORKS[request.param](units=48, depth=2)
    network.build()
    path = tmp_path_factory.mktemp(request.param) / 'improviser.tflite'
    export(network, path)
    return path


def test_tensorflow_and_litert_agree(model):
    litert, tensorflow = load_runtime(model, 'litert'), load_runtime(model, 'tensorflow')
    memories = [litert.start(), tensorflow.start()]
    for step in a_performance(seed=1, steps=200):
        memories = [
            runtime.advance(memory, step)
            for runtime, memory in zip((litert, tensorflow), memories, strict=True)
        ]
    light, full = memories
    for one, other in zip(light, full, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(litert.time_logits(light), tensorflow.time_logits(full), atol=1e-3)
    np.testing.assert_allclose(  # what is impossible is a large number
        litert.what_logits(light, 5), tensorflow.what_logits(full, 5), atol=1e-3, rtol=1e-6
    )
    np.testing.assert_allclose(
        litert.velocity_logits(light, 5, 40), tensorflow.velocity_logits(full, 5, 40), atol=1e-3
    )


def test_an_older_memory_stays_as_it_was(model):
    runtime = load_runtime(model, 'litert')
    before = runtime.advance(runtime.advance(runtime.start(), FIRST_STEP), Step(0, 40, 16))
    kept = [array.copy() for array in before]
    for step in a_performance(seed=2, steps=20)[1:]:
        after = runtime.advance(before, step)
    assert not np.array_equal(after.h, before.h)
    for array, copy in zip(before, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.fixture
def shipped(tmp_path):
    for file in DEFAULT_MODEL.parent.glob('improviser.*'):
        shutil.copy(file, tmp_path)
    return tmp_path / 'improviser.tflite'


def test_a_model_of_another_vocabulary_is_refused_by_name(shipped):
    about = json.loads(shipped.with_suffix('.json').read_text())
    about['vocabulary'] = 'piano-0'
    shipped.with_suffix('.json').write_text(json.dumps(about))
    with pytest.raises(ModelError, match=f"'piano-0'.*'{VERSION}'"):
        load_runtime(shipped)


@pytest.mark.parametrize('runtime', ['litert', 'tensorflow'])
@pytest.mark.parametrize('kind', ['bars', ['notes'], None])
def test_an_unknown_kind_of_network_is_refused_by_name(shipped, runtime, kind):
    about = json.loads(shipped.with_suffix('.json').read_text())
    shipped.with_suffix('.json').write_text(json.dumps({**about, 'memory': kind}))
    named = re.escape(f'moved by {kind!r}')
    with pytest.raises(ModelError, match=f'{named}.* events or notes: .*`improv train`'):
        load_runtime(shipped, runtime)


@pytest.mark.parametrize('runtime', ['litert', 'tensorflow'])
def test_a_damaged_model_is_refused(shipped, runtime):
    for suffix in ('.tflite', '.keras'):
        file = shipped.with_suffix(suffix)
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match='damaged or no model'):
        load_runtime(shipped, runtime)


def test_a_model_without_its_description_is_refused(shipped):
    shipped.with_suffix('.json').unlink()
    with pytest.raises(ModelError, match=r'improviser\.json beside it'):
        load_runtime(shipped)
    shipped.with_suffix('.json').write_text('{"vocabulary"')
    with pytest.raises(ModelError, match=r'description .* is damaged'):
        load_runtime(shipped)


@pytest.mark.parametrize('change', [{'units': 7}, {'memory': 'events'}])
def test_a_description_of_another_model_is_refused(shipped, change):
    about = json.loads(shipped.with_suffix('.json').read_text())
    shipped.with_suffix('.json').write_text(json.dumps({**about, **change}))
    with pytest.raises(ModelError, match='does not fit its description'):
        load_runtime(shipped, 'litert')


def test_a_missing_model_and_an_unknown_runtime_are_named(tmp_path):
    with pytest.raises(ModelError, match=r'there is no model file .*absent\.tflite'):
        load_runtime(tmp_path / 'absent.tflite', 'litert')
    with pytest.raises(ModelError, match=r'give a \.tflite or a \.keras file'):
        load_runtime(tmp_path / 'model.h5')
    with pytest.raises(ModelError, match="'abacus' is none of"):
        load_runtime('', 'abacus')


def test_what_is_shipped_for_litert_is_small_and_believes_nearly_the_same():
    assert DEFAULT_MODEL.stat().st_size < 5e6
    small, whole = load_runtime('', 'litert'), load_runtime('', 'tensorflow')
    memories = [small.start(), whole.start()]
    apart = []
    for step in a_performance(seed=1, steps=200):
        memories = [
            runtime.advance(memory, step)
            for runtime, memory in zip((small, whole), memories, strict=True)
        ]
        odds = [
            softmax(runtime.time_logits(memory))
            for runtime, memory in zip((small, whole), memories, strict=True)
        ]
        apart.append(np.abs(odds[0] - odds[1]).sum() / 2)
    assert np.mean(apart) < 0.05


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def test_without_the_litert_file_the_keras_file_is_run(shipped):
    shipped.unlink()
    runtime = load_runtime(shipped)
    assert runtime.advance(runtime.start(), Step(0, 40, 16)).h.any()
