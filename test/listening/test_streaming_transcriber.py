# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The streaming transcriber, with an estimator that is a plain function of the samples."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from improv_ros.event_text import is_note_off, is_note_on
from improv_ros.listening.transcription.decoder import Decoder
from improv_ros.listening.transcription.estimator import (
    LOWEST_PITCH,
    PITCHES,
    Confirmation,
    Estimate,
    Estimator,
)
from improv_ros.listening.transcription.streaming_transcriber import (
    StreamingTranscriber,
    confirming_decoder_for,
)

HOP = 160
MIDDLE_C = 60 - LOWEST_PITCH


class Switch(Estimator):
    """Outputs that middle C sounds wherever a sample is 1, with one hop of memory."""

    sample_rate = 16000
    hop = HOP
    latency_hops = 1

    def reset(self) -> None:
        self._before = 0.0

    def step(self, samples: np.ndarray) -> Estimate:
        now = max(0.0, float(samples.max()))
        onset, frame, velocity = np.zeros((3, PITCHES), np.float32)
        onset[MIDDLE_C] = max(0.0, now - self._before)
        frame[MIDDLE_C] = velocity[MIDDLE_C] = now
        self._before = now
        return Estimate(onset, frame, velocity)


def notes(*hops: tuple[int, int], length: int = 60) -> np.ndarray:
    """Sound in which middle C sounds in these ranges of hops (heard one hop late)."""
    samples = np.zeros(length * HOP, np.float32)
    for begin, end in hops:
        samples[(begin + 1) * HOP : (end + 1) * HOP] = 1
    return samples


def test_a_note_has_the_time_of_its_sound():
    transcriber = StreamingTranscriber(Switch())
    on, off = transcriber.process(notes((10, 30)))
    assert is_note_on(on)
    assert on.values[:2] == (60, 127)
    assert on.time == 100_000_000
    assert is_note_off(off)
    assert 300_000_000 <= off.time <= 350_000_000


def test_the_latency_is_what_is_promised():
    transcriber = StreamingTranscriber(Switch())
    sound = notes((10, 30))
    heard = 0
    while not transcriber.process(sound[heard : heard + 1]):
        heard += 1
    assert abs((heard + 1) / 16000 - 0.1 - transcriber.latency) <= 1 / 16000


def test_flush_releases_and_begins_again():
    transcriber = StreamingTranscriber(Switch())
    assert [is_note_on(event) for event in transcriber.process(notes((10, 60)))] == [True]
    released = transcriber.flush()
    assert [is_note_off(event) for event in released] == [True]
    assert released[0].time >= 590_000_000
    assert transcriber.flush() == []
    assert transcriber.process(notes((10, 30)))[0].time == 100_000_000


def test_flush_returns_a_note_that_had_just_begun():
    transcriber = StreamingTranscriber(Switch())
    assert transcriber.process(notes((10, 12), length=12)) == []
    on, off = transcriber.flush()
    assert is_note_on(on) and is_note_off(off)
    assert on.time == 100_000_000 < off.time


def test_long_digital_silence_is_not_processed_and_keeps_later_times_right():
    class Counting(Switch):
        steps = 0

        def step(self, samples: np.ndarray) -> Estimate:
            self.steps += 1
            return super().step(samples)

    transcriber = StreamingTranscriber(Counting())
    sound = notes((10, 30), (100_000, 100_020), length=100_100)
    events = transcriber.process(sound)
    assert [is_note_on(event) for event in events] == [True, False, True, False]
    assert events[2].time == 1_000_000_000_000
    assert transcriber.estimator.steps < 500


def test_the_onset_bias_of_an_estimator_is_subtracted():
    class Late(Switch):
        onset_bias = 0.004

    on, off = StreamingTranscriber(Late()).process(notes((10, 30)))
    assert on.time == 96_000_000
    assert off.time - on.time > 190_000_000


def test_ends_have_a_bias_of_their_own_and_events_stay_in_order():
    class Late(Switch):
        offset_bias = 0.02

    plain = StreamingTranscriber(Switch()).process(notes((10, 30)))
    on, off = StreamingTranscriber(Late()).process(notes((10, 30)))
    assert on.time == plain[0].time
    assert off.time == plain[1].time - 20_000_000

    class Later(Switch):
        offset_bias = 0.5

    events = StreamingTranscriber(Later()).process(notes((10, 30), (40, 60), length=80))
    times = [event.time for event in events]
    assert len(times) == 4
    assert times == sorted(times)


@settings(max_examples=50)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), max_size=8),
    lengths=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
)
def test_the_events_do_not_depend_on_the_chunks(ranges, lengths):
    sound = notes(*((begin, begin + length) for begin, length in ranges), length=130)
    whole = StreamingTranscriber(Switch(), Decoder(0.01, lookahead=2))
    expected = whole.process(sound) + whole.flush()

    pieces = StreamingTranscriber(Switch(), Decoder(0.01, lookahead=2))
    cuts = np.cumsum(lengths)
    events = [
        e for piece in np.split(sound, cuts[cuts < len(sound)]) for e in pieces.process(piece)
    ]
    assert events + pieces.flush() == expected
    assert [e.time for e in expected] == sorted(e.time for e in expected)
    assert [is_note_on(e) for e in expected] == [True, False] * (len(expected) // 2)


class Doubtful(Switch):
    """Hears a note and its fifth at once, and five hops later that there was no fifth."""

    confirmation = Confirmation(latency_hops=6, onset_bias=0.01)

    def reset(self) -> None:
        super().reset()
        silence = Estimate(*np.zeros((3, PITCHES), np.float32))
        self._late = deque([silence] * 5)

    def step_both(self, samples: np.ndarray) -> tuple[Estimate, Estimate]:
        sure = self.step(samples)
        self._late.append(sure)
        prompt = Estimate(*(np.maximum(each, np.roll(each, 7)) for each in sure))
        return prompt, self._late.popleft()


def test_notes_are_confirmed_later_and_more_surely_from_the_same_pass():
    estimator = Doubtful()
    transcriber = StreamingTranscriber(
        estimator, confirming_decoder=confirming_decoder_for(estimator)
    )
    assert transcriber.confirmed_latency == pytest.approx(transcriber.latency + 0.05)
    sound, told = notes((10, 30), length=80), {}
    prompt, confirmed = [], []
    for hop in range(80):
        new = transcriber.process(sound[hop * HOP : (hop + 1) * HOP])
        sure = transcriber.take_confirmed()
        prompt, confirmed = prompt + new, confirmed + sure
        for name, events in (('prompt', new), ('confirmed', sure)):
            if any(map(is_note_on, events)):
                told.setdefault(name, hop)
    assert told['confirmed'] == told['prompt'] + 5
    assert sorted({event.values[0] for event in prompt}) == [60, 67]
    assert [event.values[:2] for event in confirmed] == [(60, 127), (60, 0)]
    assert confirmed[0].time == prompt[0].time - 10_000_000  # its bias is its own


def test_flush_confirms_what_had_just_begun_and_a_new_stream_begins():
    estimator = Doubtful()
    transcriber = StreamingTranscriber(
        estimator, confirming_decoder=confirming_decoder_for(estimator)
    )
    for _ in range(2):
        heard = transcriber.process(notes((10, 14), length=14))
        assert transcriber.take_confirmed() == []
        heard += transcriber.flush()
        assert [is_note_on(event) for event in heard] == [True, True, False, False]
        on, off = transcriber.take_confirmed()
        assert on.time == 90_000_000 < off.time


def test_digital_silence_is_processed_for_neither():
    estimator = Doubtful()
    transcriber = StreamingTranscriber(
        estimator, confirming_decoder=confirming_decoder_for(estimator)
    )
    transcriber.process(notes((10, 30), length=500))
    transcriber.take_confirmed()
    estimator.step_both = None  # a call would raise
    assert transcriber.process(np.zeros(100 * HOP, np.float32)) == []
    assert transcriber.take_confirmed() == []
    del estimator.step_both
    on, *_ = transcriber.process(notes((10, 30)))
    assert on.time == 6_100_000_000
