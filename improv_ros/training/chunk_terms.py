"""The improviser beside the original's method, on that method's own terms.

The original learns one text by heart and goes on with it; it can say only lines that are in it.
So all are judged by the last tenth of one text, and told it in the same quantisation, that of
the vocabulary: a line is a step. The chunk model learns the first nine tenths, as many times
over as it is given, and so does a copy of the improviser; another has only just heard them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from improv_ros.event_text import format_text, from_timed, parse, to_timed
from improv_ros.improvising.vocabulary import decode, encode

from .chunk import WINDOW, train_chunk_model
from .loop import learn_from
from .representations import AS_PLAYED
from .schedule import warm_cosine
from .windows import batches

LEARNT = 0.9
HEADER = (
    '| model | events of the text that it can say | nats per event that all can say |\n'
    '|---|---|---|'
)
_STEPS, _RATE = 64, 5e-4  # between two updates while a text is learnt by heart


class Line(NamedTuple):
    """A line of the last tenth, and each model's nats for it."""

    chunk: float  # infinite for a line that it cannot say
    improviser: float
    by_heart: float  # the improviser's, after learning the text


def compare(text: str, network: Any, folder: Path, epochs: int = 60, seed: int = 1) -> list[str]:
    """Learn a text's first nine tenths; return a table's rows on the rest.

    network: an improviser's of the vocabulary, which stays as it is; folder: where the chunk
    model goes. Raises ValueError for a text that is too short or holds no keys.
    """
    lines = judged(text, network, folder, epochs, seed)
    all_can = [line for line in lines if math.isfinite(line.chunk)]
    if not all_can:
        raise ValueError('no line of the last tenth is among those before: nothing to compare')
    share = len(all_can) / len(lines)
    chunk, improviser, by_heart = np.mean(all_can, axis=0)
    return [
        f'| chunk, which learnt the text | {share:.1%} | {chunk:.3f} |',
        f'| improviser, which just heard it | 100.0% | {improviser:.3f} |',
        f'| improviser, which learnt the text, too | 100.0% | {by_heart:.3f} |',
    ]


def judged(text: str, network: Any, folder: Path, epochs: int, seed: int = 1) -> list[Line]:
    """Return all models' nats for every line of a text's last tenth."""
    steps = encode(event for event in to_timed(parse(text)) if event.kind in ('no', 'nf'))
    if len(steps) <= WINDOW / LEARNT + 1:
        raise ValueError(f'the text moves a key {len(steps)} times; that is too few to learn from')
    cut = round(LEARNT * len(steps))
    told = replace(from_timed(decode(steps)), at=None)
    resolution, *body = format_text(told).splitlines()
    train_chunk_model('\n'.join([resolution, *body[:cut]]) + '\n', folder, epochs, seed, False)
    columns = [_chunk_nats(body, cut, folder), _nats(network, steps)[cut:]]
    columns.append(_nats(_by_heart(network, steps[:cut], epochs), steps)[cut:])
    return [Line(*map(float, row)) for row in zip(*columns, strict=True)]


def _chunk_nats(body: Sequence[str], cut: int, folder: Path) -> np.ndarray:
    """Return nats of the lines from `cut` on; a line never learnt is all zeros in a window."""
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
            odds = np.asarray(model.predict_on_batch(one_hot[None, place - WINDOW : place]))[0]
            nats[place - cut] = -math.log(max(float(odds[known[body[place]]]), 1e-12))
    return nats


def _nats(network: Any, steps: np.ndarray) -> np.ndarray:
    """Return a network's nats of each step, of when, what and how loud together."""
    from keras import ops

    given = np.concatenate([[AS_PLAYED.first], steps]).astype(np.int32)
    surprise, _ = network.nats(given[None], network.start())
    return ops.convert_to_numpy(surprise)[0].sum(axis=-1)


def _by_heart(network: Any, steps: np.ndarray, epochs: int) -> Any:
    """Return a copy of a network that has learnt one performance, so many times over."""
    import keras

    from . import networks
    from .streams import Streams, surprise

    copy = networks.build(AS_PLAYED, network.units, network.depth, moved_by=network.moved_by)
    for ours, theirs in zip(copy.trainable_variables, network.trainable_variables, strict=True):
        ours.assign(theirs)
    model = Streams(copy, streams=1)
    optimizer = keras.optimizers.Adam(_RATE, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=surprise)
    updates = epochs * math.ceil(len(steps) / _STEPS)
    for number, batch in enumerate(batches(repeat(steps, epochs), 1, _STEPS)):
        optimizer.learning_rate = _RATE * warm_cosine(number / updates, number)
        learn_from(model, (batch.events, batch.fresh), batch.real[..., None])
    return copy
