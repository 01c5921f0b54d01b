# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import csv
import os
from pathlib import Path
import random
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from toy_run import PLAN, toy, weights

from improv_ros.training.engine.checkpoint import CheckpointError
from improv_ros.training.engine.trainer import Plan, cosine_with_warmup

TOY = [sys.executable, str(Path(__file__).with_name('toy_run.py'))]
ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, 'PYTHONPATH': ROOT, 'TF_CPP_MIN_LOG_LEVEL': '3'}


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
    """Provide the folder, the trainer and the progress of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp('straight')
    trainer = toy(folder)
    return folder, trainer, trainer.run(False)


def curve(folder):
    with (folder / 'curve.csv').open() as file:
        return list(csv.DictReader(file))


def test_training_keeps_the_network_with_the_best_validation(straight):
    folder, trainer, progress = straight
    np.testing.assert_allclose(weights(trainer)[0], [[2], [-1]], atol=0.05)
    rows = curve(folder)
    assert [int(float(row['batch'])) for row in rows] == [20, 40, 60, 80, 100, 120]
    assert float(rows[-1]['validation']) < 0.01 * float(rows[0]['validation'])
    assert progress.best == pytest.approx(min(float(row['validation']) for row in rows))
    assert (folder / 'curve.png').read_bytes().startswith(b'\x89PNG')
    assert (folder / 'best.keras').is_file()
    assert not list(folder.glob('part-*'))


def run_until(folder, batches, number):
    """Run the toy and send it a signal once it has learnt from so many batches."""
    with subprocess.Popen(
        [*TOY, str(folder)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        begun = 0
        for line in process.stdout:
            begun = int(line)
            if begun >= batches:
                process.send_signal(number)
                break
        process.stdout.read()
    return begun, process.returncode


@pytest.mark.nightly
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(straight, tmp_path):
    moments = random.Random(3)
    reached, deaths = 0, 0
    while reached < 60:
        reached, code = run_until(tmp_path, reached + moments.randint(30, 50), signal.SIGKILL)
        assert code == -signal.SIGKILL
        deaths += 1
    assert deaths >= 2
    trainer = toy(tmp_path)
    trainer.run(False)
    for one, other in zip(weights(trainer), weights(straight[1]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(curve(tmp_path), curve(straight[0]), strict=True):
        for name in ('batch', 'training', 'validation'):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


@pytest.mark.nightly
def test_asked_to_stop_it_keeps_every_batch(tmp_path):
    reached, code = run_until(tmp_path, 30, signal.SIGTERM)
    assert code not in (0, -signal.SIGKILL)
    seen = []
    toy(tmp_path, seen=seen.append).run(False)
    # The signal came while that batch or, on a busy machine, a later one was learnt from.
    assert reached < seen[0] and seen == list(range(seen[0], 120))


@pytest.mark.nightly
def test_on_a_full_disk_it_says_so_and_loses_nothing(tmp_path):
    toy(tmp_path, Plan(batches=40, learning_rate=PLAN.learning_rate, evaluate_every=20)).run(False)
    before = (tmp_path / 'checkpoint.npz').read_bytes()

    def a_small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    full = subprocess.run(
        [*TOY, str(tmp_path)],
        env=ENVIRONMENT,
        preexec_fn=a_small_disk,
        capture_output=True,
        text=True,
    )
    assert full.returncode == 1
    assert 'could not be written' in full.stderr and 'Free some disk space' in full.stderr
    assert (tmp_path / 'checkpoint.npz').read_bytes() == before
    assert not list(tmp_path.glob('part-*'))
    seen = []
    toy(tmp_path, seen=seen.append).run(False)
    assert seen == list(range(40, 120))


def test_stops_early_when_it_gets_no_better(tmp_path):
    trainer = toy(tmp_path, Plan(batches=500, learning_rate=1e-9, evaluate_every=5, patience=3))
    trainer.evaluate = lambda: {'validation': 1.0}
    assert trainer.run(False).batch == 20


def test_a_loss_that_explodes_is_named(tmp_path):
    trainer = toy(tmp_path)
    trainer.train_step = lambda batch: float('nan')
    with pytest.raises(FloatingPointError, match='lower --learning-rate'):
        trainer.run(False)


def test_another_runs_checkpoint_is_refused(straight):
    with pytest.raises(CheckpointError, match=r'learning_rate 0\.2 there, 0\.3 here'):
        toy(straight[0], Plan(batches=10, learning_rate=0.3)).run(False)
    with pytest.raises(CheckpointError, match='another network'):
        toy(straight[0], layers=2).run(False)


def test_a_damaged_checkpoint_is_named(tmp_path):
    toy(tmp_path, Plan(batches=5, learning_rate=PLAN.learning_rate, evaluate_every=5)).run(False)
    kept = tmp_path / 'checkpoint.npz'
    whole = kept.read_bytes()
    for data in (b'', whole[:-100], b'junk' * 50, whole[: len(whole) // 2]):
        kept.write_bytes(data)
        with pytest.raises(CheckpointError, match=r'checkpoint\.npz is damaged'):
            toy(tmp_path).run(False)


def test_a_run_without_an_end_is_refused():
    with pytest.raises(ValueError, match='--minutes or --epochs'):
        Plan()


def test_the_learning_rate_rises_then_falls_to_almost_nothing():
    rates = [cosine_with_warmup(batch / 1000, batch) for batch in range(1001)]
    assert rates[0] < 0.1 and max(rates) > 0.98 and rates[-1] == pytest.approx(0.02)
    assert np.argmax(rates) < 100
