# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from collections import Counter

from midi_folder import folder_of_scales
import numpy as np
import pytest

from improv_ros.improvising.network.vocabulary import TIME_BINS
from improv_ros.training.improviser.dataset import load_dataset
from improv_ros.training.improviser.ngram import BackOff, NGram, event_variables
from improv_ros.training.improviser.representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING


def discounted(letters, outcomes, letter, context):
    """Return p(letter | context) by the book, counting one at a time."""
    odds = 1 / outcomes
    for length in range(len(context) + 1):
        known = context[len(context) - length :]
        padded = [-1] * length + letters
        grams = Counter(tuple(padded[i : i + length + 1]) for i in range(len(letters)))
        times = Counter(grams.values())
        off = times[1] / (times[1] + 2 * times[2]) if times[1] else 0.5
        after = {gram[-1]: n for gram, n in grams.items() if list(gram[:-1]) == known}
        heard = sum(after.values())
        if heard:
            kept = max(after.get(letter, 0) - off, 0)
            odds = (kept + off * len(after) * odds) / heard
    return odds


def before(letters, lag):
    return np.concatenate([np.full(lag, -1), letters[:-lag]]).astype(int)


def test_is_absolute_discounting():
    random = np.random.default_rng(1)
    letters = random.integers(0, 4, 60).tolist()
    model = BackOff(outcomes=5)
    model.count(np.array(letters), [before(letters, 1), before(letters, 2)])
    for context in ([0, 1], [3, 3], [2, 0], [4, 4]):
        odds = []
        for letter in range(5):
            one = model.nats(np.array([letter]), [np.array([c]) for c in reversed(context)])
            odds.append(np.exp(-one))
            assert odds[-1] > 0  # also for a letter that was never counted
            assert odds[-1] == pytest.approx(discounted(letters, 5, letter, context))
        assert sum(odds) == pytest.approx(1)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('music')
    return load_dataset([folder_of_scales(folder, 8, 100)], folder / 'cache', progress=False)


@pytest.mark.parametrize('representation', [AS_PLAYED, SOUNDING, PERFORMANCE_RNN])
def test_a_longer_context_predicts_the_counted_music_better(dataset, representation):
    found = [
        NGram(representation, order).count(dataset, range(8)).evaluate(dataset, [6, 7])
        for order in (1, 2, 5)
    ]
    assert found[0].notes == found[2].notes == 200
    assert found[2].per_note < 0.8 * found[0].per_note
    assert found[1].per_note < found[0].per_note
    assert found[0].seconds == found[2].seconds > 20


def test_the_context_does_not_reach_into_another_piece(dataset):
    steps = [AS_PLAYED.steps(dataset.performance(number)) for number in (0, 1)]
    time, event_type, velocity = event_variables(steps, order=3)
    start = len(steps[0])
    first = steps[1][0]
    nothing = -1 - (TIME_BINS + 1)
    assert [column[start] for column in time.context] == [-1, nothing]
    assert [column[start] for column in event_type.context] == [-1, first[0], nothing]
    assert [column[start + 1] for column in time.context] == [
        first[1],
        first[0] - (TIME_BINS + 1),
    ]
    notes = AS_PLAYED.is_note(steps[0]).sum()
    assert velocity.context[0][notes] == -1 and len(velocity.values) == 200
