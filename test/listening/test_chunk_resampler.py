# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from improv_ros.listening.capture.audio_chunk import SEQUENCE_MODULUS, AudioChunk
from improv_ros.listening.capture.resampling import ChunkResampler

START = 7_000_000_123


def cut(samples: np.ndarray, rate: int, frames: int, sequence: int = 0) -> list[AudioChunk]:
    return [
        AudioChunk(
            samples[begin : begin + frames],
            rate,
            START + begin * 10**9 // rate,
            (sequence + number) % SEQUENCE_MODULUS,
        )
        for number, begin in enumerate(range(0, len(samples), frames))
    ]


def resample(resampler: ChunkResampler, chunks: list[AudioChunk]) -> list[AudioChunk]:
    pieces = [piece for chunk in chunks for piece in resampler.process(chunk)]
    return pieces + resampler.flush()


def peak_time(pieces: list[AudioChunk]) -> float:
    loudest = max(pieces, key=lambda piece: int(np.abs(piece.samples).max()))
    return loudest.time + int(np.abs(loudest.samples).argmax()) * 1e9 / loudest.sample_rate


@pytest.mark.parametrize('rate', [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize('channels', [1, 2])
def test_an_impulse_keeps_its_time(rate, channels):
    samples = np.zeros((rate, channels), np.int16)
    at = round(0.6 * rate)
    samples[at] = 30000
    pieces = resample(ChunkResampler(16000), cut(samples, rate, rate // 50))
    assert abs(peak_time(pieces) - (START + at * 1e9 / rate)) < 1e9 / 16000
    assert {piece.channels for piece in pieces} == {1}
    assert abs(sum(piece.frames for piece in pieces) - 16000) <= 1


@pytest.mark.parametrize('rate', [8000, 44100, 48000])
def test_a_tone_stays_what_it_is(rate):
    time = np.arange(rate) / rate
    sine = (20000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)[:, np.newaxis]
    pieces = resample(ChunkResampler(16000), cut(sine, rate, 441))
    heard = np.concatenate([piece.samples[:, 0] for piece in pieces])[1000:-1000]
    wanted = 20000 * np.sin(2 * np.pi * 1000 * (np.arange(len(heard)) + 1000) / 16000)
    assert np.abs(heard - wanted).max() < 100


def test_mono_chunks_at_the_rate_pass_unchanged():
    samples = np.random.default_rng(1).integers(-(2**15), 2**15, (1600, 1)).astype(np.int16)
    chunks = cut(samples, 16000, 160)
    pieces = resample(ChunkResampler(16000), chunks)
    assert all(
        piece.samples is chunk.samples and piece.time == chunk.time
        for piece, chunk in zip(pieces, chunks, strict=True)
    )


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=20).filter(
        lambda lengths: sum(lengths) > 2
    )
)
def test_the_sound_does_not_depend_on_the_chunks(lengths):
    noise = np.random.default_rng(1).integers(-9000, 9000, (sum(lengths), 1)).astype(np.int16)
    whole = resample(ChunkResampler(16000), cut(noise, 44100, len(noise)))
    begins = np.cumsum([0, *lengths[:-1]])
    chunks = [
        AudioChunk(noise[begin : begin + n], 44100, START + int(begin) * 10**9 // 44100, number)
        for number, (begin, n) in enumerate(zip(begins, lengths, strict=True))
    ]
    pieces = resample(ChunkResampler(16000), chunks)
    join = [np.concatenate([piece.samples for piece in parts]) for parts in (whole, pieces)]
    assert np.array_equal(*join)


def test_the_output_is_numbered_and_stamped_without_seams():
    pieces = resample(ChunkResampler(16000), cut(np.ones((44100, 1), np.int16), 44100, 882))
    for one, next_one in pairwise(pieces):
        assert next_one.sequence == one.sequence + 1
        assert abs(next_one.time - one.time - one.duration) < 100_000


def test_a_lost_chunk_leaves_a_gap_and_right_times():
    samples = np.zeros((48000, 1), np.int16)
    samples[36000] = 30000
    chunks = cut(samples, 48000, 960)
    del chunks[20]
    resampler = ChunkResampler(16000)
    pieces = resample(resampler, chunks)
    assert resampler.gaps == 1
    jumps = [b.sequence - a.sequence for a, b in pairwise(pieces)]
    assert sorted(jumps)[-2:] == [1, 2]
    assert abs(peak_time(pieces) - (START + 0.75e9)) < 1e9 / 16000
    after = pieces[jumps.index(2) + 1]
    assert after.time == START + 21 * 20_000_000
    assert pieces[jumps.index(2)].time + pieces[jumps.index(2)].duration <= START + 401_000_000


def test_a_jump_of_the_stamp_is_a_gap():
    chunks = cut(np.zeros((16000, 1), np.int16), 16000, 320)
    later = [AudioChunk(c.samples, 16000, c.time + 500_000_000, c.sequence) for c in chunks[25:]]
    resampler = ChunkResampler(16000)
    pieces = resample(resampler, chunks[:25] + later)
    assert resampler.gaps == 1
    assert pieces[-1].time + pieces[-1].duration == START + 1_500_000_000


def test_jitter_of_the_stamp_is_no_gap():
    generator = np.random.default_rng(2)
    resampler = ChunkResampler(16000)
    for chunk in cut(np.zeros((44100, 1), np.int16), 44100, 882):
        jitter = int(generator.integers(-20, 20)) * 1_000_000
        resampler.process(AudioChunk(chunk.samples, 44100, chunk.time + jitter, chunk.sequence))
    assert resampler.gaps == 0


def test_the_sequence_number_may_wrap():
    resampler = ChunkResampler(16000)
    samples = np.zeros((3200, 1), np.int16)
    resample(resampler, cut(samples, 16000, 320, sequence=SEQUENCE_MODULUS - 3))
    assert resampler.gaps == 0


def test_another_rate_begins_a_new_stream():
    resampler = ChunkResampler(16000)
    first = cut(np.zeros((960, 1), np.int16), 48000, 960)
    second = AudioChunk(np.zeros((441, 1), np.int16), 44100, START + 20_000_000, 1)
    pieces = resample(resampler, [*first, second])
    assert resampler.gaps == 1
    assert sum(piece.frames for piece in pieces) == 320 + 160


def test_a_slow_sound_card_stays_in_step():
    """The device claims 48,000 Hz and delivers 47,990 Hz."""
    resampler = ChunkResampler(16000)
    samples = np.zeros((960, 1), np.int16)
    pieces = []
    for number in range(1500):
        chunk = AudioChunk(samples, 48000, round(number * 960 / 47990 * 1e9), number)
        pieces += resampler.process(chunk)
    assert resampler.gaps == 0
    end = pieces[-1].time + pieces[-1].duration
    assert abs(end - 1500 * 960 / 47990 * 1e9) < 0.05e9
