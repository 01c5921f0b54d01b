# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv export` of a transcriber."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.listening.transcription.transcription_runtime import load_estimator
from listening.transcriber_models import lively_network, noise


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a `.keras` file with its description, as training leaves it."""
    from improv_ros.training.transcriber.transcriber_files import save

    path = tmp_path_factory.mktemp('trained') / 'transcriber.keras'
    save(lively_network(channels=6, units=8), path, 5, onset_bias=0.002)
    return path


def test_a_transcriber_is_exported_with_another_delay(trained: Path) -> None:
    assert main(['export', str(trained), '--delay', '8', '--int8']) == 0
    exported = load_estimator(trained.with_name('transcriber-int8.tflite'), 'litert')
    assert (exported.latency_hops, exported.onset_bias) == (8, 0.002)
    about = json.loads(trained.with_suffix('.json').read_text())
    trained.with_suffix('.json').write_text(json.dumps({**about, 'delay': 8}))
    original = load_estimator(trained, 'tensorflow')
    trained.with_suffix('.json').write_text(json.dumps(about))
    for samples in noise(30):
        for one, other in zip(exported.step(samples), original.step(samples), strict=True):
            np.testing.assert_allclose(one, other, atol=0.1)


def test_an_export_keeps_the_settings_of_both_decoders(trained: Path) -> None:
    path = trained.with_suffix('.json')
    about = json.loads(path.read_text())
    settings = {
        'decoding': {'rise': 0.2},
        'confirmed_delay': 12,
        'confirmed': {'onset_bias': 0.004, 'decoding': {'onset_threshold': 0.4}},
    }
    path.write_text(json.dumps({**about, **settings}))

    assert main(['export', str(trained)]) == 0

    exported = json.loads(path.read_text())
    assert {name: exported[name] for name in settings} == settings
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (['--delay', '4'], ['4', '[3, 5, 8, 12, 20]']),
        (['--out', 'ears.bin'], ['ears.bin', '.tflite']),
    ],
)
def test_what_cannot_be_exported_is_named(
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: list[str],
) -> None:
    assert main(['export', str(trained), *arguments]) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in named), said
