"""The improviser beside the original's method, on that method's own terms.

The chunk model knows one text and can say only lines that are in it. So both are judged by the
last tenth of one text: the chunk model learnt the rest of that very text, the improviser only
heard it just now. A line tells its tick and its velocity exactly; the improviser's figure
includes what its 10 ms and its 32 velocities leave open.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from improv_ros.event_text import TimedEvent, parse
from improv_ros.event_text.tempo import TempoMap
from improv_ros.improvising.vocabulary import BIN_WIDTHS, RELEASE, TICK, Keyboard

from .chunk import WINDOW, read_chunks, train_chunk_model
from .dataset import MILLISECOND
from .representations import AS_PLAYED

LEARNT = 0.9
HEADER = (
    '| model | events of the text that it can say | nats per event that both can say |\n'
    '|---|---|---|'
)


class Line(NamedTuple):
    """A line of the last tenth that presses or releases a key, and each model's nats for it."""

    chunk: float  # infinite for a line that it cannot say
    improviser: float


def compare(text: str, network: Any, folder: Path, epochs: int = 60, seed: int = 1) -> list[str]:
    """Train the chunk model on a text's first nine tenths; return a table's rows on the rest.

    network: an `EventNetwork` of the vocabulary; folder: where the chunk model goes. Raises
    ValueError for a text that is too short or has several tracks.
    """
    lines = judged(text, network, folder, epochs, seed)
    both = [line for line in lines if math.isfinite(line.chunk)]
    if not both:
        raise ValueError('no line of the last tenth is among those before: nothing to compare')
    share = len(both) / len(lines)
    chunk, improviser = np.mean(both, axis=0)
    return [
        f'| chunk | {share:.1%} | {chunk:.3f} |',
        f'| improviser | 100.0% | {improviser:.3f} |',
    ]


def judged(text: str, network: Any, folder: Path, epochs: int, seed: int = 1) -> list[Line]:
    """Return both models' nats for every line of a text's last tenth that moves a key."""
    whole = read_chunks(text)
    body = [whole.distinct[number] for number in whole.sequence]
    cut = round(LEARNT * len(body))
    train_chunk_model(
        '\n'.join([whole.resolution, *body[:cut]]) + '\n', folder, epochs, seed, False
    )
    by_chunk = _chunk_nats(body, cut, folder)
    by_improviser = _improviser_nats(text, network)
    return [
        Line(by_chunk[number - cut], by_improviser[number])
        for number in range(cut, len(body))
        if number in by_improviser
    ]


def _chunk_nats(body: list[str], cut: int, folder: Path) -> np.ndarray:
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


def _improviser_nats(text: str, network: Any) -> dict[int, float]:
    """Return nats of each line that moves a key, to its exact tick and velocity."""
    from keras import ops

    parsed = parse(text)
    time_at = TempoMap(parsed).time_at
    keyboard, moves, owners, tick = Keyboard(), [], [], 0
    before: int | None = None
    for number, event in enumerate(parsed.events):
        tick += event.delta
        for what, velocity in keyboard.take(TimedEvent(time_at(tick), event.kind, event.values)):
            now = (time_at(tick) + MILLISECOND // 2) // MILLISECOND
            moves.append((0 if before is None else min(now - before, 65535), what, velocity))
            owners.append(number)
            before = now
    steps = AS_PLAYED.steps(np.array(moves, np.uint16))
    given = np.concatenate([[AS_PLAYED.first], steps]).astype(np.int32)
    surprise, _ = network.nats(given[None], network.start())
    nats = ops.convert_to_numpy(surprise)[0].sum(axis=-1) + np.log(BIN_WIDTHS[steps[:, 0]])
    ticks = TICK * (tick / max(time_at(tick), 1))  # of the text in one of the grid, on average
    nats += math.log(max(ticks, 1.0)) + np.where(steps[:, 1] < RELEASE, math.log(4), 0)
    found: dict[int, float] = {}
    for owner, step, cost in zip(owners, steps, nats, strict=True):
        if step[1] < 2 * RELEASE:
            found[owner] = found.get(owner, 0.0) + float(cost)
    return found
