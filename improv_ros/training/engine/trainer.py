# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The training loop of every network: train, evaluate, save the best network, resume.

The caller supplies a compiled Keras model, its batches, and a function that evaluates it. The
loop owns the learning rate, the checkpoint, the learning curve, early stopping and the progress
bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
import math
import signal
import threading
import time
from typing import Any

import numpy as np

from improv_ros.training.engine.checkpoint import Checkpoint
from improv_ros.training.engine.learning_curve import write_curve
from improv_ros.training.engine.local_sgd import LocalSGD, WorkerLostError, size_of


@dataclass(frozen=True)
class Plan:
    """How long to train, and with which learning rate.

    A run ends after `minutes` or `batches`, whichever comes first (0: no limit), or after
    `patience` evaluations without an improvement. Raises ValueError without any limit.
    """

    minutes: float = 0.0
    batches: int = 0
    learning_rate: float = 1e-3  # the highest
    warmup_batches: int = 50
    evaluate_every: int = 300  # batches
    checkpoint_minutes: float = 5.0
    patience: int = 12  # evaluations

    def __post_init__(self) -> None:
        if not (self.minutes > 0 or self.batches > 0):
            raise ValueError('a run needs a limit: --minutes or --epochs')


@dataclass
class Progress:
    """The progress of a run; its checkpoint holds it."""

    batch: int = 0
    seconds: float = 0.0
    best: float = math.inf  # smallest value of the monitored metric
    evaluations_without_improvement: int = 0
    loss: float = 0.0  # sum since the last evaluation, over `losses` batches
    losses: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    def fraction(self, plan: Plan) -> float:
        """Return which fraction of the run is over, 0 to 1."""
        in_time = self.seconds / (60 * plan.minutes) if plan.minutes else 0.0
        in_batches = self.batch / plan.batches if plan.batches else 0.0
        return min(1.0, max(in_time, in_batches))


class Trainer:
    """One training run.

    model: compiled and built; the trainer sets the learning rate of its optimizer.
    batches: returns the endless sequence of batches from a batch number on, always the same.
    train_step: trains on one batch and returns its loss.
    evaluate: returns metrics of the network as it is; one of them is `validation`.
    monitor: the name of the metric whose smallest value is the best.
    save_best: saves the network; called whenever the monitored metric has improved.
    unit: of the loss, for the plot of the learning curve.
    local_sgd: averages the weights with other processes; None: this process trains alone.
    """

    def __init__(
        self,
        model: Any,
        batches: Callable[[int], Iterator[Any]],
        train_step: Callable[[Any], float],
        evaluate: Callable[[], Mapping[str, float]],
        monitor: str,
        save_best: Callable[[], None],
        checkpoint: Checkpoint,
        plan: Plan,
        unit: str = 'loss',
        local_sgd: LocalSGD | None = None,
    ) -> None:
        self.model, self.batches, self.train_step = model, batches, train_step
        self.evaluate, self.monitor, self.save_best = evaluate, monitor, save_best
        self.checkpoint, self.plan = checkpoint, plan
        self.unit, self.local_sgd = unit, local_sgd

    def run(self, progress_bar: bool = True) -> Progress:
        """Train to the end of the plan and return the progress.

        Resumes from the checkpoint if there is one. SIGINT and SIGTERM finish the batch, write
        the checkpoint and raise KeyboardInterrupt. SIGKILL loses the batches since the last
        checkpoint. Raises FloatingPointError if the loss is not finite, WorkerLostError if a
        process that trains with this one has ended.
        """
        progress = self._resume()
        plan, optimizer = self.plan, self.model.optimizer
        if self.local_sgd:
            self.local_sgd.first_batch.value = progress.batch
            self.local_sgd.broadcast(self.averaged_variables(), 0)
        batches = self.batches(progress.batch)
        saved = progress.seconds
        with _bar(progress_bar, progress.fraction(plan)) as bar, _stop_signals() as signals:
            while (
                progress.fraction(plan) < 1
                and progress.evaluations_without_improvement < plan.patience
            ):
                began = time.monotonic()
                learning_rate = plan.learning_rate * cosine_with_warmup(
                    progress.fraction(plan), progress.batch, plan.warmup_batches
                )
                optimizer.learning_rate = learning_rate
                if self.local_sgd:
                    self.local_sgd.learning_rate.value = learning_rate
                loss = self.train_step(next(batches))
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f'the loss is {loss} at batch {progress.batch}; the last checkpoint is '
                        'valid: train again with a lower --learning-rate'
                    )
                progress.loss += loss
                progress.losses += 1
                progress.batch += 1
                if self.local_sgd and progress.batch % self.local_sgd.interval == 0:
                    self.local_sgd.average(self.averaged_variables(), 0)
                progress.seconds += time.monotonic() - began
                if progress.batch % plan.evaluate_every == 0 or progress.fraction(plan) >= 1:
                    self._evaluate(progress)
                    self._save_checkpoint(progress)
                    saved = progress.seconds
                elif signals or progress.seconds - saved > 60 * plan.checkpoint_minutes:
                    self._save_checkpoint(progress)
                    saved = progress.seconds
                bar.n = round(1000 * progress.fraction(plan))
                bar.set_postfix(loss=f'{loss:.3f}', best=f'{progress.best:.3f}')
                if signals:
                    raise KeyboardInterrupt
        return progress

    def run_worker(self, index: int) -> None:
        """Train as process `index` of local SGD, from 1, until process 0 ends."""
        assert self.local_sgd
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 says when to end
        try:
            self.local_sgd.broadcast(self.averaged_variables(), index)
            first = self.local_sgd.first_batch.value
            for number, batch in enumerate(self.batches(first), first + 1):
                self.model.optimizer.learning_rate = self.local_sgd.learning_rate.value
                self.train_step(batch)
                if number % self.local_sgd.interval == 0:
                    self.local_sgd.average(self.averaged_variables(), index)
        except WorkerLostError:
            if not self.local_sgd.ended:
                raise

    def averaged_variables(self) -> list[Any]:
        """Return the variables that training changes: weights and the optimizer's state."""
        return [*self.model.trainable_variables, *self.model.optimizer.variables]

    def _resume(self) -> Progress:
        stored = self.checkpoint.load(self._variables())
        return Progress(**stored) if stored else Progress()

    def _evaluate(self, progress: Progress) -> None:
        began = time.monotonic()
        metrics = dict(self.evaluate())
        row = {
            'batch': progress.batch,
            'minutes': progress.seconds / 60,
            'training': progress.loss / max(progress.losses, 1),
            **metrics,
        }
        progress.curve.append({name: float(value) for name, value in row.items()})
        progress.loss, progress.losses = 0.0, 0
        monitored = float(metrics[self.monitor])
        progress.evaluations_without_improvement += 1
        if monitored < progress.best:
            progress.best, progress.evaluations_without_improvement = monitored, 0
            self.save_best()
        write_curve(progress.curve, self.checkpoint.path.parent, self.unit)
        progress.seconds += time.monotonic() - began

    def _save_checkpoint(self, progress: Progress) -> None:
        self.checkpoint.save(self._variables(), asdict(progress))

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]


def train_in_processes(
    make_trainer: Callable[..., Trainer],
    arguments: tuple[Any, ...],
    processes: int,
    interval: int,
    progress_bar: bool = True,
) -> tuple[Trainer, Progress]:
    """Train by local SGD in several processes, or in this one alone.

    Returns the trainer of this process, whose model has the last weights, and the progress.
    make_trainer: a function of a module, called in every process with the arguments and the
    index of the process, which begins at 0; interval: batches between two averages.
    """
    trainer = make_trainer(*arguments, 0)
    if processes == 1:
        return trainer, trainer.run(progress_bar)
    local_sgd = LocalSGD(processes, size_of(trainer.averaged_variables()), interval)
    trainer.local_sgd = local_sgd
    local_sgd.start_workers(_run_worker, make_trainer, arguments)
    try:
        return trainer, trainer.run(progress_bar)
    finally:
        local_sgd.stop_workers()


def _run_worker(
    make_trainer: Callable[..., Trainer],
    arguments: tuple[Any, ...],
    local_sgd: LocalSGD,
    index: int,
) -> None:
    trainer = make_trainer(*arguments, index)
    trainer.local_sgd = local_sgd
    trainer.run_worker(index)


def cosine_with_warmup(
    fraction: float, batch: int, warmup_batches: int = 50, least: float = 0.02
) -> float:
    """Return the factor on the learning rate: a linear rise, then half a cosine down to `least`.

    fraction: of the run that is over, 0 to 1; batch: its number, from 0. The cosine is that of
    Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", 2017, without
    restarts.
    """
    fraction = min(max(fraction, 0.0), 1.0)
    return min(1.0, (batch + 1) / warmup_batches) * (
        least + (1 - least) * (1 + math.cos(math.pi * fraction)) / 2
    )


def train_on_batch(model: Any, x: Any, y: Any) -> float:
    """Train a compiled Keras model on one batch and return the loss of that batch alone."""
    loss = model.train_on_batch(x, y)
    model.reset_metrics()  # otherwise Keras returns the mean over all batches so far
    return float(np.asarray(loss).ravel()[0])


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list; a second one of a kind ends the process."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def receive(number: int, _: Any) -> None:
        received.append(number)
        signal.signal(number, before[number])

    try:
        for number in signals:
            signal.signal(number, receive)
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(shown: bool, fraction: float) -> Iterator[Any]:
    from tqdm import tqdm

    layout = '{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}'
    with tqdm(
        total=1000,
        initial=round(1000 * fraction),
        desc='training',
        bar_format=layout,
        disable=not shown,
        mininterval=1,
    ) as bar:
        yield bar
