from collections import Counter

from midi_folder import folder_of_scales
import numpy as np
import pytest

from improv_ros.improvising.vocabulary import TIMES
from improv_ros.training.dataset import load_dataset
from improv_ros.training.ngram import BackOff, NGram, event_questions
from improv_ros.training.representations import AS_PLAYED, PERFORMANCE_RNN, SOUNDING


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
    model.learn(np.array(letters), [before(letters, 1), before(letters, 2)])
    for context in ([0, 1], [3, 3], [2, 0], [4, 4]):
        odds = []
        for letter in range(5):
            one = model.nats(np.array([letter]), [np.array([c]) for c in reversed(context)])
            odds.append(np.exp(-one))
            assert odds[-1] > 0  # what never came can still come
            assert odds[-1] == pytest.approx(discounted(letters, 5, letter, context))
        assert sum(odds) == pytest.approx(1)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('music')
    return load_dataset([folder_of_scales(folder, 8, 100)], folder / 'cache', progress=False)


@pytest.mark.parametrize('representation', [AS_PLAYED, SOUNDING, PERFORMANCE_RNN])
def test_longer_memory_knows_better_what_it_heard(dataset, representation):
    found = [
        NGram(representation, order).learn(dataset, range(8)).measure(dataset, [6, 7])
        for order in (1, 2, 5)
    ]
    assert found[0].notes == found[2].notes == 200
    assert found[2].per_note < 0.8 * found[0].per_note
    assert found[1].per_note < found[0].per_note
    assert found[0].seconds == found[2].seconds > 20


def test_nothing_of_another_piece_is_known(dataset):
    steps = [AS_PLAYED.steps(dataset.performance(number)) for number in (0, 1)]
    when, what, loud = event_questions(steps, order=3)
    start = len(steps[0])
    first = steps[1][0]
    nothing = -1 - (TIMES + 1)
    assert [column[start] for column in when.context] == [-1, nothing]
    assert [column[start] for column in what.context] == [-1, first[0], nothing]
    assert [column[start + 1] for column in when.context] == [
        first[1],
        first[0] - (TIMES + 1),
    ]
    notes = AS_PLAYED.is_note(steps[0]).sum()
    assert loud.context[0][notes] == -1 and len(loud.answers) == 200
