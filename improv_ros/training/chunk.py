"""The original's method, kept as the baseline that every other is measured against.

A *chunk* is a line of event text, taken whole: time, pitch and loudness in one. One LSTM(256)
reads the last 15 chunks, each one-hot among all distinct chunks of one text, and guesses the
next. It can say nothing that is not, line for line, in that text.
"""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np

from improv_ros.event_text import parse

WINDOW = 15
UNITS = 256
RATE = 0.01
BATCH = 128

TEMPERATURES = (0.2, 0.6, 1.0, 1.4)
WEIGHTS = (0.25, 0.35, 0.3, 0.1)
"""How often each temperature is drawn, one draw a chunk.

The original drew among these four with weights it did not give reasons for; here most draws
are near the middle, and the wildest is the rarest.
"""


@dataclass
class Chunks:
    """A text as numbers: its resolution line, its distinct chunks, and the text in them."""

    resolution: str
    distinct: list[str]
    sequence: np.ndarray


def read_chunks(text: str) -> Chunks:
    """Return the chunks of an event text.

    Raises EventTextError if it is malformed and ValueError if it is too short to learn from.
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
    """Return the untrained network for so many distinct chunks."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((WINDOW, distinct)),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(distinct, activation='softmax'),
        ]
    )
    model.compile(
        loss='categorical_crossentropy', optimizer=keras.optimizers.RMSprop(learning_rate=RATE)
    )
    return model


def train_chunk_model(
    text: str, out: Path, epochs: int, seed: int = 1, progress_bar: bool = True
) -> list[float]:
    """Train on an event text; write chunk.keras and chunk.json. Return each epoch's loss."""
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
    about = {
        'resolution': chunks.resolution,
        'chunks': chunks.distinct,
        'opening': chunks.sequence[:WINDOW].tolist(),
        'epochs': epochs,
        'seed': seed,
        'nats_per_chunk': losses,
    }
    (out / 'chunk.json').write_text(json.dumps(about, indent=1) + '\n', encoding='utf-8')
    return losses


def generate(folder: Path, chunks: int, seed: int | None = None) -> str:
    """Return an event text of so many chunks, going on from the opening of the text learnt."""
    import keras

    about = json.loads((folder / 'chunk.json').read_text(encoding='utf-8'))
    model = keras.models.load_model(folder / 'chunk.keras', safe_mode=True)
    random = np.random.default_rng(seed)
    distinct = about['chunks']
    window, said = list(about['opening']), []
    for _ in range(chunks):
        one_hot = np.eye(len(distinct), dtype=np.float32)[window]
        odds = np.asarray(model.predict_on_batch(one_hot[None]))[0]
        said.append(draw(odds, random))
        window = [*window[1:], said[-1]]
    return '\n'.join([about['resolution'], *(distinct[number] for number in said)]) + '\n'


def draw(odds: np.ndarray, random: np.random.Generator) -> int:
    """Return a chunk drawn at a temperature that is itself drawn from `TEMPERATURES`."""
    temperature = random.choice(TEMPERATURES, p=WEIGHTS)
    scaled = np.log(np.maximum(odds.astype(np.float64), 1e-12)) / temperature
    scaled = np.exp(scaled - scaled.max())
    return int(random.choice(len(odds), p=scaled / scaled.sum()))
