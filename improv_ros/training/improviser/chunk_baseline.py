# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The chunk baseline: the network of the original script pair, for `improv train chunk`.

A *chunk* is a whole line of event text: wait, event type, pitch and velocity in one symbol. One
LSTM of 256 units reads the last 15 chunks, one-hot over the distinct chunks of one text, and
predicts the next one. It can predict no line that is not in that text.

`compare` evaluates it and the improviser on the last tenth of a text, in the same quantisation:
that of the improviser's vocabulary, so that a line is a step.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from improv_ros.event_text import format_text, from_timed, parse, to_timed
from improv_ros.improvising.network.vocabulary import decode, encode
from improv_ros.training.engine.trainer import cosine_with_warmup, train_on_batch
from improv_ros.training.improviser.representations import AS_PLAYED
from improv_ros.training.improviser.windows import batches

WINDOW = 15
UNITS = 256
LEARNING_RATE = 0.01
BATCH = 128
EPOCHS = 60

TEMPERATURES = (0.2, 0.6, 1.0, 1.4)
WEIGHTS = (0.25, 0.35, 0.3, 0.1)
"""Probability of each temperature; one is drawn per chunk.

The original script drew among these temperatures with other weights and gave no source for them.
These favour the two in the middle; the highest is the rarest.
"""

TRAINING_SHARE = 0.9  # of a text, in `compare`
HEADER = (
    '| model | events that it can predict | nats per event that all can predict |\n|---|---|---|'
)
_STEPS, _FINE_TUNING_RATE = 64, 5e-4  # of the improviser, in `compare`


def add_arguments(parser: argparse.ArgumentParser, _model: str) -> None:
    """Declare the options of `improv train chunk`."""
    parser.add_argument('text', metavar='FILE.txt', help='event text to train on')
    parser.add_argument(
        '--generate',
        type=int,
        default=0,
        metavar='N',
        help='write N chunks to generated.txt after training; 0: none (default: 0)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    out = Path(arguments.out)
    text = Path(arguments.text).read_text(encoding='utf-8')
    epochs = max(1, round(arguments.epochs)) if arguments.epochs else EPOCHS
    losses = train_chunk_model(text, out, epochs, arguments.seed, not arguments.quiet)
    print(f'{out / "chunk.keras"}: {losses[-1]:.3f} nats per chunk after {epochs} epochs')
    if arguments.generate:
        generated = out / 'generated.txt'
        generated.write_text(generate(out, arguments.generate, arguments.seed), encoding='utf-8')
        print(f'{generated}: {arguments.generate} chunks')
    return 0


@dataclass
class Chunks:
    """A text as numbers: its resolution line, its distinct chunks, and the text in them."""

    resolution: str
    distinct: list[str]
    sequence: np.ndarray


def read_chunks(text: str) -> Chunks:
    """Return the chunks of an event text.

    Raises EventTextError if it is malformed, and ValueError if it is too short or has several
    tracks.
    """
    if len(parse(text).tracks) > 1:
        raise ValueError('the text has several tracks; the chunk model reads one')
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    body = lines[1:]
    if len(body) <= WINDOW:
        raise ValueError(f'the text has {len(body)} events; it needs more than {WINDOW}')
    distinct = sorted(set(body))
    number = {chunk: index for index, chunk in enumerate(distinct)}
    return Chunks(lines[0], distinct, np.array([number[chunk] for chunk in body]))


def build(distinct: int) -> Any:
    """Return the untrained, compiled network for a number of distinct chunks."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((WINDOW, distinct)),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(distinct, activation='softmax'),
        ]
    )
    model.compile(
        loss='categorical_crossentropy',
        optimizer=keras.optimizers.RMSprop(learning_rate=LEARNING_RATE),
    )
    return model


def train_chunk_model(
    text: str, out: Path, epochs: int, seed: int = 1, progress_bar: bool = True
) -> list[float]:
    """Train on an event text; write chunk.keras and chunk.json. Return the loss of each epoch."""
    import keras
    from tqdm import tqdm

    chunks = read_chunks(text)
    keras.utils.set_random_seed(seed)
    model = build(len(chunks.distinct))
    random = np.random.default_rng(seed)
    starts = np.arange(len(chunks.sequence) - WINDOW)
    losses = []
    bar = tqdm(range(epochs), desc='training', unit='epoch', disable=not progress_bar)
    for _ in bar:
        random.shuffle(starts)
        model.reset_metrics()
        for first in range(0, len(starts), BATCH):
            windows = starts[first : first + BATCH, None] + np.arange(WINDOW + 1)
            one_hot = np.eye(len(chunks.distinct), dtype=np.float32)[chunks.sequence[windows]]
            loss = model.train_on_batch(one_hot[:, :-1], one_hot[:, -1])
        losses.append(float(np.asarray(loss).ravel()[0]))
        bar.set_postfix(nats_per_chunk=f'{losses[-1]:.3f}')
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / 'chunk.keras')
    description = {
        'resolution': chunks.resolution,
        'chunks': chunks.distinct,
        'opening': chunks.sequence[:WINDOW].tolist(),
        'epochs': epochs,
        'seed': seed,
        'nats_per_chunk': losses,
    }
    (out / 'chunk.json').write_text(json.dumps(description, indent=1) + '\n', encoding='utf-8')
    return losses


def generate(folder: Path, chunks: int, seed: int | None = None) -> str:
    """Return an event text of so many chunks, which continues the opening of the trained text."""
    import keras

    description = json.loads((folder / 'chunk.json').read_text(encoding='utf-8'))
    model = keras.models.load_model(folder / 'chunk.keras', safe_mode=True)
    random = np.random.default_rng(seed)
    distinct = description['chunks']
    window, generated = list(description['opening']), []
    for _ in range(chunks):
        one_hot = np.eye(len(distinct), dtype=np.float32)[window]
        probabilities = np.asarray(model.predict_on_batch(one_hot[None]))[0]
        generated.append(draw(probabilities, random))
        window = [*window[1:], generated[-1]]
    lines = [description['resolution'], *(distinct[number] for number in generated)]
    return '\n'.join(lines) + '\n'


def draw(probabilities: np.ndarray, random: np.random.Generator) -> int:
    """Draw a chunk at a temperature that is itself drawn from `TEMPERATURES`."""
    temperature = random.choice(TEMPERATURES, p=WEIGHTS)
    scaled = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    scaled = np.exp(scaled - scaled.max())
    return int(random.choice(len(probabilities), p=scaled / scaled.sum()))


class Line(NamedTuple):
    """The negative log-likelihood in nats of a line of the last tenth, under each model."""

    chunk: float  # infinite for a line that the chunk model cannot predict
    improviser: float  # which has only read the first nine tenths
    fine_tuned: float  # a copy of it, trained on the first nine tenths like the chunk model


def compare(
    text: str, network: Any, folder: Path, epochs: int = EPOCHS, seed: int = 1
) -> list[str]:
    """Return the rows of a Markdown table on the last tenth of an event text.

    network: of the improviser's vocabulary, which is not changed; folder: for the chunk model.
    Raises ValueError for a text that is too short.
    """
    lines = evaluate_lines(text, network, folder, epochs, seed)
    predictable = [line for line in lines if math.isfinite(line.chunk)]
    if not predictable:
        raise ValueError('no line of the last tenth of the text occurs before: nothing to compare')
    share = len(predictable) / len(lines)
    chunk, improviser, fine_tuned = np.mean(predictable, axis=0)
    return [
        f'| chunk, trained on the text | {share:.1%} | {chunk:.3f} |',
        f'| improviser, not trained on the text | 100.0% | {improviser:.3f} |',
        f'| improviser, fine-tuned on the text | 100.0% | {fine_tuned:.3f} |',
    ]


def evaluate_lines(
    text: str, network: Any, folder: Path, epochs: int, seed: int = 1
) -> list[Line]:
    """Train the models on the first nine tenths of a text; evaluate them on each line of the rest.

    Arguments and errors are those of `compare`.
    """
    steps = encode(event for event in to_timed(parse(text)) if event.kind in ('no', 'nf'))
    if len(steps) <= WINDOW / TRAINING_SHARE + 1:
        raise ValueError(f'the text has {len(steps)} note events; that is too few to train on')
    cut = round(TRAINING_SHARE * len(steps))
    quantised = replace(from_timed(decode(steps)), at=None)
    resolution, *body = format_text(quantised).splitlines()
    train_chunk_model('\n'.join([resolution, *body[:cut]]) + '\n', folder, epochs, seed, False)
    columns = [_chunk_nats(body, cut, folder), _nats(network, steps)[cut:]]
    columns.append(_nats(_fine_tuned(network, steps[:cut], epochs), steps)[cut:])
    return [Line(*map(float, row)) for row in zip(*columns, strict=True)]


def _chunk_nats(body: Sequence[str], cut: int, folder: Path) -> np.ndarray:
    """Return the nats of the lines from `cut` on; an unknown line is all zeros in a window."""
    import keras

    known = {line: number for number, line in enumerate(sorted(set(body[:cut])))}
    model = keras.models.load_model(folder / 'chunk.keras', safe_mode=True)
    one_hot = np.zeros((len(body), len(known)), np.float32)
    for place, line in enumerate(body):
        if line in known:
            one_hot[place, known[line]] = 1
    nats = np.full(len(body) - cut, np.inf)
    for place in range(cut, len(body)):
        if body[place] in known:
            window = one_hot[None, place - WINDOW : place]
            probabilities = np.asarray(model.predict_on_batch(window))[0]
            nats[place - cut] = -math.log(max(float(probabilities[known[body[place]]]), 1e-12))
    return nats


def _nats(network: Any, steps: np.ndarray) -> np.ndarray:
    """Return the nats of each step: time, event type and velocity together."""
    from keras import ops

    events = np.concatenate([[AS_PLAYED.first], steps]).astype(np.int32)
    nats, _ = network.negative_log_likelihood(events[None], network.start())
    return ops.convert_to_numpy(nats)[0].sum(axis=-1)


def _fine_tuned(network: Any, steps: np.ndarray, epochs: int) -> Any:
    """Return a copy of a network that was trained on one performance."""
    import keras

    from improv_ros.training.improviser import network_files
    from improv_ros.training.improviser.performance_streams import Streams, nll_loss

    copy = network_files.build(
        AS_PLAYED, network.units, network.depth, recurrence=network.recurrence
    )
    for target, source in zip(copy.trainable_variables, network.trainable_variables, strict=True):
        target.assign(source)
    model = Streams(copy, streams=1)
    optimizer = keras.optimizers.Adam(_FINE_TUNING_RATE, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=nll_loss)
    updates = epochs * math.ceil(len(steps) / _STEPS)
    for number, batch in enumerate(batches(repeat(steps, epochs), 1, _STEPS)):
        optimizer.learning_rate = _FINE_TUNING_RATE * cosine_with_warmup(number / updates, number)
        train_on_batch(model, (batch.events, batch.fresh), batch.real[..., None])
    return copy
