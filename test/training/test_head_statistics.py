# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv export --heads`: what a network of one's own needs to learn from its partner."""

from __future__ import annotations

import json
from pathlib import Path

from midi_folder import folder_of_scales
import numpy as np
import pytest

from improv_ros.cli import main
from improv_ros.improvising.network.improviser_runtime import load_runtime
from improv_ros.improvising.network.vocabulary import PRESS, Step
from improv_ros.improvising.partner.heads_files import heads_path, load_heads
from improv_ros.improvising.partner.partner_learner import EVENTS_PER_UPDATE, PartnerLearner


@pytest.fixture(scope='module', params=['per_event', 'per_note'])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `.keras` file of an untrained network of each recurrence."""
    from improv_ros.improvising.network.note_network import NETWORKS
    from improv_ros.training.improviser.improviser_files import export

    network = NETWORKS[request.param](units=32, depth=1)
    network.build()
    path = tmp_path_factory.mktemp(request.param) / 'improviser.keras'
    export(network, path)
    return path


def test_a_network_of_ones_own_learns_from_its_partner(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    music = folder_of_scales(tmp_path / 'music', 3, 30)
    code = main(['export', str(model), '--heads', str(music)])
    if json.loads(model.with_suffix('.json').read_text())['recurrence'] == 'per_event':
        assert code == 1
        assert 'has the recurrence per_event, not per_note' in capsys.readouterr().err
        return
    assert code == 0
    assert 'gradients of 186 events' in capsys.readouterr().out
    runtime = load_runtime(model)
    heads = load_heads(model, runtime)
    every = np.concatenate([rms.ravel() for rms in heads.rms])
    assert np.isfinite(every).all() and (every >= 0).all() and every.max() > 0
    learner = PartnerLearner(runtime, heads)
    for _ in range(4 * EVENTS_PER_UPDATE):
        learner.hear(Step(20, PRESS + 40, 16))
        learner.hear(Step(20, PRESS + 88 + 40, 0))
    assert learner.learnt.gain > 1


def test_folders_without_music_are_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if 'per_event' in str(model):
        pytest.skip('it is refused before its folders are read')
    before = heads_path(model).exists() and heads_path(model).read_bytes()
    assert main(['export', str(model), '--heads', str(tmp_path / 'nowhere')]) == 1
    assert 'there is no folder' in capsys.readouterr().err
    assert before == (heads_path(model).exists() and heads_path(model).read_bytes())
