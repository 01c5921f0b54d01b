# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import json
import re
import shutil

import numpy as np
import pytest

from improv_ros.event_text import SECOND
from improv_ros.improvising.network.improviser_model import Bias, Model
from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL, load_runtime
from improv_ros.improvising.network.vocabulary import (
    EVENT_TYPES,
    FIRST_STEP,
    KEYS,
    PEDAL_DOWN,
    TIME_BINS,
    VERSION,
    Step,
)
from improv_ros.inference.model_error import ModelError


def random_performance(seed: int, steps: int) -> list[Step]:
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


@pytest.fixture(scope='module', params=['per_event', 'per_note'])
def model(request, tmp_path_factory):
    """Return the file of an untrained network of each recurrence."""
    from improv_ros.improvising.network.note_network import NETWORKS
    from improv_ros.training.improviser.improviser_files import export

    network = NETWORKS[request.param](units=48, depth=2)
    network.build()
    path = tmp_path_factory.mktemp(request.param) / 'improviser.tflite'
    export(network, path)
    return path


def test_tensorflow_and_litert_agree(model):
    litert, tensorflow = load_runtime(model, 'litert'), load_runtime(model, 'tensorflow')
    states = [litert.start(), tensorflow.start()]
    for step in random_performance(seed=1, steps=200):
        states = [
            runtime.advance(state, step)
            for runtime, state in zip((litert, tensorflow), states, strict=True)
        ]
    light, full = states
    for one, other in zip(light, full, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(litert.time_logits(light), tensorflow.time_logits(full), atol=1e-3)
    np.testing.assert_allclose(  # what is impossible is a large number
        litert.event_type_logits(light, 5),
        tensorflow.event_type_logits(full, 5),
        atol=1e-3,
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        litert.velocity_logits(light, 5, 40), tensorflow.velocity_logits(full, 5, 40), atol=1e-3
    )


def test_tensorflow_and_litert_make_the_same_choices(model):
    models = [Model(load_runtime(model, runtime)) for runtime in ('litert', 'tensorflow')]
    randoms = [np.random.default_rng(1), np.random.default_rng(1)]
    rng = np.random.default_rng(2)
    bias = Bias(rng.normal(size=TIME_BINS), rng.normal(size=EVENT_TYPES), 0.0)
    for number in range(150):
        drawn = [
            each.sample_event(random, 0, 60 * SECOND, everything, 0.9, 0.95, bias)
            for each, random in zip(models, randoms, strict=True)
        ]
        assert drawn[0] is not None and drawn[0] == drawn[1], number
        for each, event in zip(models, drawn, strict=True):
            each.observe(event)


def everything(time: int) -> np.ndarray:
    return np.ones(EVENT_TYPES, bool)


def test_tensorflow_and_litert_give_a_performance_the_same_likelihood(model):
    nats = []
    for name in ('litert', 'tensorflow'):
        runtime, total = load_runtime(model, name), np.zeros(3)
        state = runtime.advance(runtime.start(), FIRST_STEP)
        for step in random_performance(seed=3, steps=60)[1:]:
            total[0] -= np.log(softmax(runtime.time_logits(state))[step.time])
            types = softmax(runtime.event_type_logits(state, step.time))
            total[1] -= np.log(types[step.event_type])
            if step.velocity:
                velocities = runtime.velocity_logits(state, step.time, step.event_type)
                total[2] -= np.log(softmax(velocities)[step.velocity - 1])
            state = runtime.advance(state, step)
        nats.append(total)
    assert (nats[0] > 60).all()
    np.testing.assert_allclose(*nats, rtol=1e-5)


def test_advance_does_not_change_the_earlier_state(model):
    runtime = load_runtime(model, 'litert')
    before = runtime.advance(runtime.advance(runtime.start(), FIRST_STEP), Step(0, 40, 16))
    kept = [array.copy() for array in before]
    for step in random_performance(seed=2, steps=20)[1:]:
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
@pytest.mark.parametrize('recurrence', ['per_bar', ['per_note'], None])
def test_an_unknown_recurrence_is_refused_by_name(shipped, runtime, recurrence):
    about = json.loads(shipped.with_suffix('.json').read_text())
    shipped.with_suffix('.json').write_text(json.dumps({**about, 'recurrence': recurrence}))
    named = re.escape(f'the recurrence {recurrence!r}')
    with pytest.raises(ModelError, match=f'{named}.* per_event or per_note: .*`improv train`'):
        load_runtime(shipped, runtime)


@pytest.mark.parametrize('runtime', ['litert', 'tensorflow'])
def test_a_damaged_model_is_refused(shipped, runtime):
    for suffix in ('.tflite', '.keras'):
        file = shipped.with_suffix(suffix)
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match='damaged or not a model'):
        load_runtime(shipped, runtime)


def test_a_model_without_its_description_is_refused(shipped):
    shipped.with_suffix('.json').unlink()
    with pytest.raises(ModelError, match=r'improviser\.json beside it'):
        load_runtime(shipped)
    shipped.with_suffix('.json').write_text('{"vocabulary"')
    with pytest.raises(ModelError, match=r'description .* is damaged'):
        load_runtime(shipped)


@pytest.mark.parametrize('change', [{'units': 7}, {'recurrence': 'per_event'}])
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
    with pytest.raises(ModelError, match="'abacus' is unknown"):
        load_runtime('', 'abacus')


def test_the_shipped_litert_file_is_small_and_nearly_as_exact():
    assert DEFAULT_MODEL.stat().st_size < 5e6
    small, whole = load_runtime('', 'litert'), load_runtime('', 'tensorflow')
    states = [small.start(), whole.start()]
    differences = []
    for step in random_performance(seed=1, steps=200):
        states = [
            runtime.advance(state, step)
            for runtime, state in zip((small, whole), states, strict=True)
        ]
        probabilities = [
            softmax(runtime.time_logits(state))
            for runtime, state in zip((small, whole), states, strict=True)
        ]
        differences.append(np.abs(probabilities[0] - probabilities[1]).sum() / 2)
    assert np.mean(differences) < 0.05


def softmax(logits: np.ndarray) -> np.ndarray:
    probabilities = np.exp(logits - logits.max())
    return probabilities / probabilities.sum()


def test_without_the_litert_file_the_keras_file_is_run(shipped):
    shipped.unlink()
    runtime = load_runtime(shipped)
    assert runtime.advance(runtime.start(), Step(0, 40, 16)).h.any()
