# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
from partner_music import motif, notes, shipped

from improv_ros.improvising.network.vocabulary import FIRST_STEP, PRESS
from improv_ros.improvising.partner import mixture
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.output_heads import log_softmax
from improv_ros.improvising.partner.partner_learner import EVENTS_PER_UPDATE, PartnerLearner

MUSIC = [step for key in (30, 37, 25, 41) * 8 for step in notes(motif(key))]


def learn(steps=MUSIC):
    learner = PartnerLearner(*shipped())
    nats = [each for step in steps if (each := learner.hear(step)) is not None]
    return learner, np.concatenate(nats)


def state_after(runtime, steps):
    state = runtime.advance(runtime.start(), FIRST_STEP)
    for step in steps:
        state = runtime.advance(state, step)
    return state


def test_what_is_repeated_is_learnt():
    learner, nats = learn()
    half = len(nats) // 2
    shipped_nats, learnt_nats = nats[half:].sum(axis=(0, 1)) / (len(nats) - half)
    assert learnt_nats < shipped_nats - 1
    assert learner.learnt.gain > 1
    assert learner.learnt.notes == len(nats) // 2


def test_events_are_evaluated_before_they_are_learnt():
    _, nats = learn(MUSIC[:EVENTS_PER_UPDATE])
    plain = nats[0, :, 0], nats[0, :, 1]
    # Nothing is learnt yet, and the memory is empty: only the sum of the weights may differ.
    np.testing.assert_allclose(*plain, rtol=1e-3)


def test_the_mixture_is_never_much_worse_than_the_shipped_network():
    random = np.random.default_rng(1)
    learner, _ = learn(MUSIC)
    noise = notes(random.permutation(80).tolist() * 3, wait=30)
    worse = [each for step in noise if (each := learner.hear(step)) is not None]
    totals = np.concatenate(worse).sum(axis=(0, 1))
    assert totals[1] < totals[0] * 1.1


def test_no_adaptation_is_the_shipped_network():
    runtime, heads = shipped()
    learner, _ = learn()
    adaptive = AdaptiveRuntime(runtime, heads)
    adaptive.learnt, adaptive.memory = learner.learnt, learner.memory
    steps = MUSIC[:8]
    state, plain = state_after(adaptive, steps), state_after(runtime, steps)
    wanted = steps[-2].event_type - PRESS
    assert wanted != motif(30)[4]
    probabilities = []
    for adapt in (0.0, 0.5, 1.0):
        adaptive.adapt = adapt
        logits = adaptive.event_type_logits(state, 20)
        probabilities.append(float(np.exp(log_softmax(logits))[PRESS + motif(30)[4]]))
    theirs = np.exp(log_softmax(runtime.event_type_logits(plain, 20)))
    np.testing.assert_allclose(probabilities[0], theirs[PRESS + motif(30)[4]], atol=0.01)
    assert probabilities[0] < probabilities[1] < probabilities[2]
    assert probabilities[2] > 0.3
    adaptive.motifs = 0.0
    without = np.exp(log_softmax(adaptive.event_type_logits(state, 20)))[PRESS + motif(30)[4]]
    assert without < probabilities[2]


def test_logits_of_impossible_events_stay_impossible():
    runtime, heads = shipped()
    adaptive = AdaptiveRuntime(runtime, heads)
    state = state_after(adaptive, MUSIC[:1])
    assert adaptive.event_type_logits(state, 5)[MUSIC[0].event_type] < -1e4


def test_packing_keeps_everything():
    learner, _ = learn(MUSIC[:64])
    packed = learner.learnt.pack()
    again = Learnt.nothing(shipped()[1]).unpack(packed)
    np.testing.assert_array_equal(again.pack(), packed)
    assert again.notes == learner.learnt.notes == 32


def test_mixtures_learn_which_expert_is_right():
    good, bad = np.log([0.7, 0.2, 0.1]), np.log([0.1, 0.2, 0.7])
    weights, nats = np.array([0.1, 0.9]), []
    for outcome in [0, 0, 1, 0, 2, 0, 0] * 40:
        weights, each = mixture.learn(np.stack([good, bad]), weights, outcome, 0.02)
        nats.append(each)
    assert weights[0] > weights[1]
    assert np.mean(nats[-70:]) < np.mean(nats[:70]) - 0.2
