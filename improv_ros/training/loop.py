"""The training loop: learn, measure, keep the best, go on after a kill.

It is the same for every network. What is trained comes in as a compiled Keras model, its
batches, and a function that measures it; the loop owns the learning rate, the checkpoint, the
learning curve, early stopping and the progress bar.
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

from .averaging import PartnerLostError, Partners
from .checkpoint import Checkpoint
from .curve import write_curve
from .schedule import warm_cosine


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    A run ends when its minutes or its batches are over, whichever is first (0: no limit), or
    after `patience` measurements without a better one. Raises ValueError if it had no end.
    """

    minutes: float = 0.0
    batches: int = 0
    rate: float = 1e-3
    warm_up: int = 50  # batches
    measure_every: int = 300  # batches
    save_every: float = 5.0  # minutes
    patience: int = 12

    def __post_init__(self) -> None:
        if not (self.minutes > 0 or self.batches > 0):
            raise ValueError('say how long to train: --minutes or --epochs')


@dataclass
class Progress:
    """How far a run has come; kept in its checkpoint."""

    batch: int = 0
    seconds: float = 0.0
    best: float = math.inf
    worse: int = 0  # measurements since the best
    loss: float = 0.0  # summed since the last measurement, over `losses` batches
    losses: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    def done(self, plan: Plan) -> float:
        """Return how much of the run is over, 0 to 1."""
        in_time = self.seconds / (60 * plan.minutes) if plan.minutes else 0.0
        in_batches = self.batch / plan.batches if plan.batches else 0.0
        return min(1.0, max(in_time, in_batches))


class Course:
    """One training run.

    model: compiled and built; its optimiser's learning rate is set before every batch.
    batches: batch number to an endless supply from there on, the same one every time.
    learn: trains on one batch and returns its loss, as it goes into the curve.
    measure: returns figures of the network as it is; the one named by `judge` is to be small.
    keep: called whenever that one is the smallest so far: save the network.
    leader: False for all but one of several processes that train together: they write nothing.
    partners: processes that train on batches of their own and meet this one now and then.
    """

    def __init__(
        self,
        model: Any,
        batches: Callable[[int], Iterator[Any]],
        learn: Callable[[Any], float],
        measure: Callable[[], Mapping[str, float]],
        judge: str,
        keep: Callable[[], None],
        checkpoint: Checkpoint,
        plan: Plan,
        unit: str = 'loss',
        leader: bool = True,
        partners: Partners | None = None,
    ) -> None:
        self.model, self.batches, self.learn, self.measure = model, batches, learn, measure
        self.judge, self.keep, self.checkpoint, self.plan = judge, keep, checkpoint, plan
        self.unit, self.leader, self.partners = unit, leader, partners

    def run(self, progress_bar: bool = True) -> Progress:
        """Train to the end of the plan and return the progress.

        Goes on from the checkpoint where there is one. After SIGINT or SIGTERM it finishes the
        batch, writes the checkpoint and raises KeyboardInterrupt; after SIGKILL what is lost is
        the time since the last checkpoint.
        """
        progress = self._resume()
        plan, optimizer = self.plan, self.model.optimizer
        if self.partners:
            self.partners.first.value = progress.batch
            self.partners.begin(self.learnt(), 0)
        batches = self.batches(progress.batch)
        saved = progress.seconds
        with _bar(progress_bar, progress.done(plan)) as bar, _asked_to_stop() as asked:
            while progress.done(plan) < 1 and progress.worse < plan.patience:
                began = time.monotonic()
                factor = warm_cosine(progress.done(plan), progress.batch, plan.warm_up)
                optimizer.learning_rate = plan.rate * factor
                if self.partners:
                    self.partners.rate.value = plan.rate * factor
                loss = self.learn(next(batches))
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f'the loss became {loss} at batch {progress.batch}; the last checkpoint '
                        'is sound: train anew with a lower --rate'
                    )
                progress.loss += loss
                progress.losses += 1
                progress.batch += 1
                if self.partners and progress.batch % self.partners.every == 0:
                    self.partners.meet(self.learnt(), 0)
                progress.seconds += time.monotonic() - began
                if progress.batch % plan.measure_every == 0 or progress.done(plan) >= 1:
                    self._judge(progress)
                    self._save(progress)
                    saved = progress.seconds
                elif asked or progress.seconds - saved > 60 * plan.save_every:
                    self._save(progress)
                    saved = progress.seconds
                bar.n = round(1000 * progress.done(plan))
                bar.set_postfix(loss=f'{loss:.3f}', best=f'{progress.best:.3f}')
                if asked:
                    raise KeyboardInterrupt
        return progress

    def follow(self, index: int) -> None:
        """Train beside the process that runs this course, until that one ends."""
        assert self.partners
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader says when to end
        try:
            self.partners.begin(self.learnt(), index)
            first = self.partners.first.value
            for number, batch in enumerate(self.batches(first), first + 1):
                self.model.optimizer.learning_rate = self.partners.rate.value
                self.learn(batch)
                if number % self.partners.every == 0:
                    self.partners.meet(self.learnt(), index)
        except PartnerLostError:
            if not self.partners.ended:
                raise

    def _resume(self) -> Progress:
        kept = self.checkpoint.load(self._variables())
        return Progress(**kept) if kept else Progress()

    def _judge(self, progress: Progress) -> None:
        began = time.monotonic()
        figures = dict(self.measure())
        row = {
            'batch': progress.batch,
            'minutes': progress.seconds / 60,
            'training': progress.loss / max(progress.losses, 1),
            **figures,
        }
        progress.curve.append({name: float(value) for name, value in row.items()})
        progress.loss, progress.losses = 0.0, 0
        judged = float(figures[self.judge])
        progress.worse = 0 if judged < progress.best else progress.worse + 1
        progress.best = min(progress.best, judged)
        if self.leader:
            if progress.worse == 0:
                self.keep()
            drawn = {'training': 'training', 'development': 'development'}
            write_curve(progress.curve, self.checkpoint.path.parent, drawn, self.unit)
        progress.seconds += time.monotonic() - began

    def _save(self, progress: Progress) -> None:
        if self.leader:
            self.checkpoint.save(self._variables(), asdict(progress))

    def learnt(self) -> list[Any]:
        """Return the variables that training changes."""
        return [*self.model.trainable_variables, *self.model.optimizer.variables]

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]


def learn_from(model: Any, x: Any, y: Any, weight: Any = None) -> float:
    """Train a compiled Keras model on one batch and return its loss on that batch alone.

    weight: of each sample in the loss, None: 1. Processes that train together must give it:
    Keras fails to share out among them what is None.
    """
    loss = model.train_on_batch(x, y, sample_weight=weight)
    model.reset_metrics()  # or it would be the mean over all batches so far
    return float(np.asarray(loss).ravel()[0])


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them; a second one kills."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def ask(number: int, _: Any) -> None:
        asked.append(number)
        signal.signal(number, before[number])

    try:
        for number in signals:
            signal.signal(number, ask)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(shown: bool, done: float) -> Iterator[Any]:
    from tqdm import tqdm

    layout = '{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}'
    with tqdm(
        total=1000,
        initial=round(1000 * done),
        desc='training',
        bar_format=layout,
        disable=not shown,
        mininterval=1,
    ) as bar:
        yield bar
