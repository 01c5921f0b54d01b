# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from improv_ros.listening.transcription.decoder import Decision, Decoder
from improv_ros.listening.transcription.estimator import PITCHES, Estimate

KEY = 40


def run(decoder: Decoder, onset, frame, velocity=None, offset=None) -> list[Decision]:
    decisions = []
    velocity, offset = velocity or [0.5] * len(onset), offset or [0] * len(onset)
    for values in zip(onset, frame, velocity, offset, strict=True):
        arrays = [np.zeros(PITCHES, np.float32) for _ in values]
        for array, value in zip(arrays, values, strict=True):
            array[KEY] = value
        decisions += decoder.step(Estimate(*arrays))
    return decisions


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(0.01, refractory=0.05)


def test_a_note_begins_at_the_peak_and_ends_when_the_frame_posterior_is_low(decoder):
    onset = [0, 0, 0.2, 0.6, 0.9, 0.6, 0.2] + [0] * 20
    frame = [0, 0, 0.2, 0.6, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6] + [0] * 17
    down, up = run(decoder, onset, frame)
    assert (down.hop, down.key, down.velocity) == (pytest.approx(4), KEY, 64)
    assert up.hop in range(10, 16)
    assert up.velocity == 0


def test_the_velocity_is_the_mean_output_around_the_peak(decoder):
    onset = [0, 0, 0.5, 1, 0.5, 0, 0, 0, 0, 0]
    velocity = [1, 1, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1]
    down = run(decoder, onset, [1] * 10, velocity)[0]
    assert down.velocity == round((0.4 + 0.8 / 2) / 1.5 * 127)


@pytest.mark.parametrize('onset', [4.0, 4.2, 4.5, 4.9, 5.3])
def test_an_onset_time_is_interpolated_between_hops(decoder, onset):
    curve = np.maximum(0, 1 - np.abs(np.arange(12) - onset) / 2.5)
    down = run(decoder, curve, [1] * 12)[0]
    assert down.hop == pytest.approx(onset, abs=0.01)


@pytest.mark.parametrize(('share', 'count'), [(0.0, 1), (0.5, 0), (1.0, 0)])
def test_the_frame_posterior_weighs_in_the_onset_score(decoder, share, count):
    decoder.frame_weight = share
    onset = [0, 0, 0, 0.9, 0, 0, 0, 0, 0, 0]
    assert len([d for d in run(decoder, onset, [0.1] * 10) if d.velocity]) == count
    assert len([d for d in run(decoder, onset, [0.9] * 10) if d.velocity]) == 1


def test_a_key_that_sounds_needs_a_higher_onset_score(decoder):
    onset = [0, 0, 0, 0.9, 0.1, 0, 0, 0, 0, 0.6, 0, 0, 0, 0, 0, 0]
    assert [d.velocity > 0 for d in run(decoder, onset, [1] * 16)] == [True, False, True]
    decoder.reset()
    decoder.restrike_threshold = 0.8
    assert [d.velocity > 0 for d in run(decoder, onset, [1] * 16)] == [True]
    decoder.reset()
    assert len([d for d in run(decoder, [0, *onset[5:], 0, 0], [1] * 14) if d.velocity]) == 1


def test_the_onset_posterior_must_rise_between_onsets(decoder):
    onset = [0, 0, 0, 0.9, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.7, 0.6, 0, 0, 0]
    assert len([d for d in run(decoder, onset, [1] * 15) if d.velocity]) == 2
    decoder.reset()
    decoder.rise = 0.2
    assert len([d for d in run(decoder, onset, [1] * 15) if d.velocity]) == 1


def test_a_note_ends_where_the_offset_posterior_is_high(decoder):
    onset = [0, 0, 0, 0.9] + [0] * 16
    frame = [1] * 20
    decoder.offset_threshold = 0.5
    down, up = run(decoder, onset, frame, offset=[0] * 11 + [0.3, 0.6, 0.9, 0.6] + [0] * 5)
    assert (down.hop, up.hop, up.velocity) == (3, 12, 0)


def test_more_lookahead_waits_longer_for_a_higher_peak():
    onset = [0, 0, 0, 0.6, 0.5, 0.9, 0, 0, 0, 0, 0]
    hops = {}
    for lookahead in (0, 1, 2):
        decisions = run(Decoder(0.01, lookahead=lookahead), onset, [1] * 11)
        hops[lookahead] = round(decisions[0].hop)
    assert hops == {0: 3, 1: 3, 2: 5}


def test_a_plateau_is_one_onset_at_its_beginning(decoder):
    decisions = run(decoder, [0, 0, 0, 0.8, 0.8, 0.8, 0.8, 0, 0, 0, 0, 0], [1] * 12)
    assert [d.hop for d in decisions if d.velocity] == [pytest.approx(3, abs=0.5)]


def test_a_low_peak_is_no_onset_until_the_threshold_is_lowered(decoder):
    onset = [0, 0, 0, 0.4, 0, 0, 0, 0, 0, 0]
    assert run(decoder, onset, [0] * 10) == []
    decoder.onset_threshold = 0.3
    assert len([d for d in run(decoder, onset, [1] * 10) if d.velocity]) == 1


@pytest.mark.parametrize(('refractory', 'count'), [(0.05, 2), (0.15, 1)])
def test_a_key_goes_down_again_only_after_the_refractory_time(decoder, refractory, count):
    decoder.refractory = refractory
    onset = ([0] * 3 + [0.9] + [0] * 6) * 2
    decisions = run(decoder, onset, [1] * 20)
    assert len([d for d in decisions if d.velocity]) == count


def test_a_key_struck_again_goes_up_first(decoder):
    decisions = run(decoder, ([0] * 3 + [0.9] + [0] * 16) * 2, [1] * 40)
    assert [(d.hop, d.velocity > 0) for d in decisions] == [(3, True), (23, False), (23, True)]


def test_a_short_dip_does_not_end_a_note(decoder):
    frame = [1] * 10 + [0] * 2 + [1] * 10
    decisions = run(decoder, [0, 0, 0, 0.9] + [0] * 18, frame)
    assert [d.velocity > 0 for d in decisions] == [True]
    assert [d.velocity for d in decoder.release()] == [0]
    assert decoder.release() == []


def test_reset_forgets_what_sounds(decoder):
    run(decoder, [0, 0, 0, 0.9, 0, 0, 0], [1] * 7)
    decoder.reset()
    assert decoder.release() == []
    assert run(decoder, [0] * 10, [0] * 10) == []


@pytest.mark.parametrize('lookahead', [0, 1, 2])
def test_decisions_come_in_order_of_time(lookahead):
    generator = np.random.default_rng(3)
    decoder = Decoder(0.01, lookahead=lookahead, release_hops=1, offset_threshold=0.95)
    decisions = []
    for _ in range(500):
        decisions += decoder.step(Estimate(*generator.random((4, PITCHES)).astype(np.float32)))
    decisions += decoder.release()
    assert [d.hop for d in decisions] == sorted(d.hop for d in decisions)
    for key in range(PITCHES):
        downs = [d.velocity > 0 for d in decisions if d.key == key]
        assert downs == [True, False] * (len(downs) // 2)
        assert len(downs) > 2
