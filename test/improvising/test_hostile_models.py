# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hostile model files: nothing in them is executed, and they do not crash this process."""

from __future__ import annotations

from collections.abc import Callable
import json
import os
from pathlib import Path
import random
import shutil

from hostile_models import (
    called_on_loading,
    crashing_litert,
    file_writing_litert,
    lambda_in_the_configuration,
    lambda_model,
    shipped_to,
    with_external_links,
    with_outside_paths,
)
import numpy as np
import pytest

from improv_ros.improvising.network.improviser_runtime import (
    DEFAULT_MODEL,
    NetworkState,
    load_runtime,
)
from improv_ros.improvising.network.vocabulary import FIRST_STEP, Step
from improv_ros.inference.model_error import ModelError
from improv_ros.inference.sandbox import check_in_sandbox


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return the path of the file that a hostile model would create."""
    return tmp_path / 'executed'


def test_a_model_that_is_python_code_is_refused_by_name(tmp_path: Path, marker: Path) -> None:
    path = lambda_model(tmp_path / 'model', marker)
    with pytest.raises(ModelError, match=f'{path} is damaged or not a model of 512 units'):
        load_runtime(path, 'tensorflow')
    assert not marker.exists()


@pytest.fixture(scope='module')
def shipped_state() -> NetworkState:
    """Return the state of the shipped network after its first step, by TensorFlow."""
    runtime = load_runtime('', 'tensorflow')
    return runtime.advance(runtime.start(), FIRST_STEP)


@pytest.mark.parametrize(
    'make', [called_on_loading, lambda_in_the_configuration, with_outside_paths]
)
def test_only_the_weights_are_read_from_a_keras_file(
    tmp_path: Path, marker: Path, make: Callable[[Path, Path], Path], shipped_state: NetworkState
) -> None:
    path = make(tmp_path / 'model', marker)
    before = sorted(tmp_path.rglob('*'))
    tampered = load_runtime(path, 'tensorflow')
    state = tampered.advance(tampered.start(), FIRST_STEP)
    np.testing.assert_array_equal(state.h, shipped_state.h)
    assert sorted(tmp_path.rglob('*')) == before and not marker.exists()


def test_a_keras_file_cannot_link_to_another_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='damaged'):
        load_runtime(with_external_links(tmp_path / 'model'), 'tensorflow')


def test_a_litert_file_cannot_call_tensorflow(tmp_path: Path, marker: Path) -> None:
    path = file_writing_litert(tmp_path / 'model', marker)
    with pytest.raises(ModelError, match=str(path)):
        load_runtime(path, 'litert')
    assert not marker.exists()


def test_a_litert_file_that_crashes_is_refused_by_name(tmp_path: Path) -> None:
    path = crashing_litert(tmp_path / 'model')
    # LiteRT reads memory that it does not own, and sometimes notices.
    reasons = 'is damaged: loading it ended with SIG|does not fit its description'
    with pytest.raises(ModelError, match=f'{path} ({reasons})'):
        load_runtime(path, 'litert')


def test_a_crash_of_the_sandbox_is_told_by_its_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'crashing_loader.py').write_text(
        'import os, signal\n\ndef load_here(path):\n    os.kill(os.getpid(), signal.SIGSEGV)\n'
    )
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join((str(tmp_path), os.getcwd())))
    with pytest.raises(ModelError, match='is damaged: loading it ended with SIGSEGV'):
        check_in_sandbox(tmp_path / 'model.tflite', 'crashing_loader')


@pytest.mark.parametrize('suffix', ['.tflite', '.keras'])
def test_garbage_and_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = shipped_to(tmp_path).with_suffix(suffix)
    whole = DEFAULT_MODEL.with_suffix(suffix).read_bytes()
    garbage = random.Random(1).randbytes(20_000)
    for data in (b'', garbage, b'0000TFL3' + garbage, whole[: len(whole) // 2], whole[:-1000]):
        path.write_bytes(data)
        with pytest.raises(ModelError, match=str(path)):
            load_runtime(path, 'litert' if suffix == '.tflite' else 'tensorflow')


@pytest.mark.parametrize('units', ['512', 512.0, True, 0, -1, 10**12, [512], None])
def test_a_description_with_invalid_sizes_is_refused(tmp_path: Path, units) -> None:
    path = shipped_to(tmp_path)
    about = json.loads(path.with_suffix('.json').read_text())
    path.with_suffix('.json').write_text(json.dumps({**about, 'units': units}))
    with pytest.raises(ModelError, match=r'improviser\.json is damaged.*units'):
        load_runtime(path)


def test_a_valid_litert_file_passes_the_sandbox(tmp_path: Path) -> None:
    path = shipped_to(tmp_path).with_suffix('.tflite')
    shutil.copy(DEFAULT_MODEL, path)
    assert load_runtime(path, 'litert').advance(load_runtime().start(), Step(0, 40, 16)).h.any()
