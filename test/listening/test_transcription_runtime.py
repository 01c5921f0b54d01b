# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber's network by LiteRT and by TensorFlow, from files that may be anything."""

from __future__ import annotations

import json
from pathlib import Path
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from improv_ros.inference.litert import litert_functions
from improv_ros.inference.model_error import ModelError
from improv_ros.listening.transcription.estimator import PITCHES, Estimator
from improv_ros.listening.transcription.spectral_estimator import SpectralEstimator
from improv_ros.listening.transcription.transcription_runtime import (
    DEFAULT_MODEL,
    OUTPUTS,
    SPECTRAL,
    VERSION,
    NetworkEstimator,
    load_estimator,
    load_here,
    velocity_estimator_for,
)
from listening.transcriber_models import DELAYS, export_to, lively_network, noise

MOST_MEGABYTES = 250  # that the node may have; see below what else is in it
MOST_HOP_SECONDS = 0.004


@pytest.fixture(scope='module')
def network():
    return lively_network()


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory, network) -> Path:
    """Provide the `.tflite` of a model, its other files beside it."""
    return export_to(
        tmp_path_factory.mktemp('model'), network, onset_bias=0.004, decoding={'lookahead': 2}
    )


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """Provide a copy of the model to do harm to."""
    for file in model.parent.glob('float.*'):
        shutil.copy(file, tmp_path)
    return tmp_path / model.name


def run(estimator: Estimator, hops: np.ndarray) -> np.ndarray:
    """Return the posteriors of each hop, (hops, Estimate, 88)."""
    return np.array([np.stack(estimator.step(samples)) for samples in hops])


def test_litert_and_tensorflow_agree(model: Path) -> None:
    hops = noise(100)
    litert = run(load_estimator(model, 'litert'), hops)
    tensorflow = run(load_estimator(model, 'tensorflow'), hops)
    assert litert.std(axis=0).mean() > 0.02  # there is something to agree about
    np.testing.assert_allclose(litert, tensorflow, atol=1e-4)


def test_hop_by_hop_is_the_network_over_the_whole_sound(model: Path, network) -> None:
    from improv_ros.listening.transcription.spectra import FrontEnd

    hops = noise(60)
    spectra = FrontEnd().analyse(hops.ravel())
    logits, _ = network.read(spectra[np.newaxis], network.start())
    whole = 1 / (1 + np.exp(-np.asarray(logits)[0, :, :, DELAYS.index(5)]))
    estimator, velocity_estimator = load_estimator(model, 'litert'), velocity_estimator_for(5)
    for samples, row, outputs in zip(hops, spectra, whole, strict=True):
        wanted = dict(zip(OUTPUTS, outputs.T, strict=True))
        wanted['velocity'] = velocity_estimator.step(row, wanted['onset'], wanted['velocity'])
        for name, posterior in estimator.step(samples)._asdict().items():
            np.testing.assert_allclose(posterior, wanted[name], atol=1e-4)


@pytest.mark.nightly
def test_eight_bits_agree_within_tolerance(model: Path, network, tmp_path: Path) -> None:
    quantised = export_to(tmp_path, network, int8=True)
    assert quantised.stat().st_size < 0.7 * model.stat().st_size
    hops = noise(200)
    full, light = (run(load_estimator(path, 'litert'), hops) for path in (model, quantised))
    difference = np.abs(full - light)
    assert difference.mean() < 0.02
    assert np.percentile(difference, 99) < 0.1


def test_the_description_says_when_and_how(model: Path) -> None:
    estimator = load_estimator(model)
    assert (estimator.sample_rate, estimator.hop, estimator.latency_hops) == (16000, 160, 5)
    assert (estimator.onset_bias, estimator.decoding) == (0.004, {'lookahead': 2})


@pytest.mark.parametrize('delay', [8, 20])
def test_another_delay_of_the_same_files_gives_other_outputs(
    copy: Path, model: Path, delay: int
) -> None:
    beside = copy.with_suffix('.json')
    beside.write_text(json.dumps({**json.loads(beside.read_text()), 'delay': delay}))
    later = load_estimator(copy)
    assert later.latency_hops == delay
    hops = noise(20)
    assert np.abs(run(later, hops) - run(load_estimator(model), hops)).max() > 0.1


def test_several_delays_come_from_one_pass(copy: Path) -> None:
    beside = copy.with_suffix('.json')
    description = json.loads(beside.read_text())
    functions = litert_functions(copy, ['advance'])
    both = NetworkEstimator(functions['advance'], description, [20])
    beside.write_text(json.dumps({**description, 'delay': 20}))
    later = load_estimator(copy, 'litert')
    for samples in noise(30):
        outputs = both.outputs(samples)
        assert list(outputs) == [5, 20]
        for one, other in zip(outputs[20], later.step(samples), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_confirmed_notes_are_read_from_the_longest_delay_or_the_named_one(copy: Path) -> None:
    confirmation = load_estimator(copy).confirmation
    assert confirmation == (20, 0.004, 0.004, {'lookahead': 2})  # the rest is as of the others
    beside = copy.with_suffix('.json')
    own = {'onset_bias': 0.001, 'decoding': {'rise': 0.2}}
    description = {**json.loads(beside.read_text()), 'confirmed_delay': 12, 'confirmed': own}
    beside.write_text(json.dumps(description))
    estimator = load_estimator(copy)
    assert estimator.confirmation == (12, 0.001, 0.004, {'lookahead': 2, 'rise': 0.2})
    beside.write_text(json.dumps({**description, 'delay': 12}))
    later = load_estimator(copy)
    assert later.confirmation is None
    for samples in noise(30):
        _, confirmed = estimator.step_both(samples)
        for one, other in zip(confirmed, later.step(samples), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_reset_forgets_everything(model: Path) -> None:
    estimator = load_estimator(model)
    first = run(estimator, noise(30))
    assert not np.array_equal(run(estimator, noise(30)), first)
    estimator.reset()
    np.testing.assert_array_equal(run(estimator, noise(30)), first)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_forgotten_like_any_noise(model: Path, value: float) -> None:
    estimator = load_estimator(model)
    hops = noise(50)
    hops[5, 20:40] = value
    outputs = run(estimator, hops)
    assert np.isfinite(outputs).all()
    assert outputs.min() >= 0 and outputs.max() <= 1


def test_a_hop_is_quick_and_the_network_small(model: Path) -> None:
    estimator = load_estimator(model, 'litert')
    seconds = []
    for samples in noise(500):
        began = time.thread_time()
        estimator.step(samples)
        seconds.append(time.thread_time() - began)
    assert np.median(seconds) < MOST_HOP_SECONDS
    code = (
        'import sys; from pathlib import Path; import numpy as np; import rclpy\n'
        'from improv_ros.nodes import transcriber\n'
        'from improv_ros.listening.transcription.transcription_runtime import load_here\n'
        'estimator = load_here(Path(sys.argv[1]))\n'
        'for _ in range(100): estimator.step(np.zeros(160, np.float32))\n'
        'lines = Path("/proc/self/status").read_text().splitlines()\n'
        'print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))\n'
        'print("tensorflow" in sys.modules, file=sys.stderr)'
    )
    said = subprocess.run(
        [sys.executable, '-c', code, str(model)], capture_output=True, text=True, check=True
    )
    assert int(said.stdout.split()[-1]) / 1024 < MOST_MEGABYTES
    assert said.stderr.split()[-1] == 'False'


def test_spectral_needs_no_model() -> None:
    assert isinstance(load_estimator(SPECTRAL), SpectralEstimator)


@pytest.mark.skipif(not DEFAULT_MODEL.exists(), reason='no network is shipped')
def test_tensorflow_and_litert_agree_on_the_shipped_network() -> None:
    hops = noise(100)
    litert = run(load_estimator('', 'litert'), hops)
    np.testing.assert_allclose(litert, run(load_estimator('', 'tensorflow'), hops), atol=1e-3)


def test_a_model_of_another_version_is_refused_by_name(copy: Path) -> None:
    beside = copy.with_suffix('.json')
    beside.write_text(json.dumps({**json.loads(beside.read_text()), 'front_end': 'ears-0'}))
    with pytest.raises(ModelError, match=f"{copy}.*'ears-0'.*'{VERSION}'.*improv train"):
        load_estimator(copy)


def test_a_model_of_the_improviser_is_refused_by_name(tmp_path: Path) -> None:
    from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL as IMPROVISER

    with pytest.raises(
        ModelError, match=rf'{IMPROVISER.with_suffix(".json")}.*another kind.*front_end'
    ):
        load_estimator(IMPROVISER)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('units', 0),
        ('channels', 10**9),
        ('channels', 24.0),
        ('delays', []),
        ('delays', ['3', 5]),
        ('delays', [5] * 1000),
        ('delays', 5),
        ('delay', 4),
        ('delay', None),
        ('delays', [3, 5, 8, 12, 21]),
        ('delays', [3, 5, 8, 7, 20]),
        ('late', 5),
        ('late', -1),
        ('late', 2.0),
        ('decoding', {'lookahead': -1}),
        ('decoding', {'lookahead': 1.5}),
        ('decoding', {'onset_threshold': 2}),
        ('decoding', {'foresight': 1}),
        ('decoding', 3),
        ('onset_bias', 'late'),
        ('onset_bias', 3.0),
        ('onset_bias', float('nan')),
        ('confirmed_delay', 3),
        ('confirmed_delay', 9),
        ('confirmed_delay', '20'),
        ('confirmed', 3),
        ('confirmed', {'delay': 20}),
        ('confirmed', {'onset_bias': 3.0}),
        ('confirmed', {'decoding': {'foresight': 1}}),
    ],
)
def test_a_description_that_asks_for_the_impossible_is_refused(
    copy: Path, name: str, value: object
) -> None:
    beside = copy.with_suffix('.json')
    beside.write_text(json.dumps({**json.loads(beside.read_text()), name: value}))
    with pytest.raises(ModelError, match=rf'{beside} is damaged'):
        load_here(copy)


def test_a_description_of_another_network_is_refused(copy: Path) -> None:
    beside = copy.with_suffix('.json')
    beside.write_text(json.dumps({**json.loads(beside.read_text()), 'units': 7}))
    with pytest.raises(ModelError, match='does not fit its description'):
        load_here(copy)
    with pytest.raises(ModelError, match='not a model of 24 channels and 7 units'):
        load_here(copy.with_suffix('.keras'))
    delays = [3, 5, 8, 10, 12, 20]
    description = {**json.loads(beside.read_text()), 'units': 40, 'delays': delays, 'delay': 20}
    beside.write_text(json.dumps(description))
    with pytest.raises(ModelError, match='does not fit its description'):
        load_here(copy)


def test_missing_files_and_runtimes_are_named(copy: Path) -> None:
    with pytest.raises(ModelError, match=r'there is no model file .*absent\.tflite: give another'):
        load_estimator(copy.with_name('absent.tflite'))
    with pytest.raises(ModelError, match=r'give a \.tflite or a \.keras file'):
        load_estimator('spectrum')
    with pytest.raises(
        ModelError, match="'abacus' is unknown; choose one of auto, litert, tensorflow"
    ):
        load_estimator(copy, 'abacus')
    copy.with_suffix('.keras').unlink()
    with pytest.raises(ModelError, match='which the runtime tensorflow needs'):
        load_estimator(copy, 'tensorflow')
    copy.with_suffix('.json').unlink()
    with pytest.raises(ModelError, match=r'float\.json beside it'):
        load_estimator(copy)


def test_garbage_and_what_is_cut_short_is_refused(copy: Path) -> None:
    whole = copy.read_bytes()
    garbage = random.Random(1).randbytes(20_000)
    for data in (b'', b'0000TFL3' + garbage, whole[: len(whole) // 2]):
        copy.write_bytes(data)
        with pytest.raises(ModelError, match=str(copy)):
            load_estimator(copy, 'litert')
    keras = copy.with_suffix('.keras')
    keras.write_bytes(keras.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=f'{keras} is damaged'):
        load_estimator(copy, 'tensorflow')


def test_a_litert_file_that_crashes_is_refused_by_name(copy: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema
    import flatbuffers

    data = copy.read_bytes()
    made = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    operator = made.subgraphs[0].operators[0]
    operator.inputs = [-1, *list(operator.inputs)[1:]]
    builder = flatbuffers.Builder(len(data))
    builder.Finish(made.Pack(builder), b'TFL3')
    copy.write_bytes(builder.Output())
    with pytest.raises(ModelError, match=f'{copy}'):
        load_estimator(copy, 'litert')


def test_the_estimates_are_of_88_keys(model: Path) -> None:
    for posterior in load_estimator(model).step(np.zeros(160, np.float32)):
        assert posterior.shape == (PITCHES,)
        assert posterior.dtype == np.float32
