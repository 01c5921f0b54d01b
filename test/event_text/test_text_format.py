# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reading event text: what is taken, and what is refused with which words."""

import pytest

from improv_ros.event_text import LIVE_LIMITS, Event, EventTextError, Limits, Text, parse

HOUR_TICKS = 3600 * 1000  # at rs_500 and 120 beats a minute


def test_the_original_script_pairs_form():
    text = 'rs_480\n240_no_60_64\n0_st_120_500000\n12_cc_0_64_127\n240_no_60_0\n'
    assert parse(text) == Text(
        480,
        [
            [
                Event(240, 'no', (60, 64, 0)),
                Event(0, 'st', (120, 500_000)),
                Event(12, 'cc', (0, 64, 127)),
                Event(240, 'no', (60, 0, 0)),
            ]
        ],
    )


@pytest.mark.parametrize(
    ('line', 'event'),
    [
        ('0_no_60_64', Event(0, 'no', (60, 64, 0))),
        ('0_no_60_64_0', Event(0, 'no', (60, 64, 0))),
        ('7_no_0_127_15', Event(7, 'no', (0, 127, 15))),
        ('9223372036854775807_nf_60_33_2', Event(2**63 - 1, 'nf', (60, 33, 2))),
        ('0_st_114_523560', Event(0, 'st', (114, 523_560))),
        ('0_st_0_0', Event(0, 'st', (0, 0))),
        ('0_pc_3_9', Event(0, 'pc', (3, 9))),
        ('0_pw_1_-8192', Event(0, 'pw', (1, -8192))),
        ('0_ca_1_99', Event(0, 'ca', (1, 99))),
        ('0_ka_1_60_99', Event(0, 'ka', (1, 60, 99))),
        ('0_sx', Event(0, 'sx', (b'',))),
        ('0_sx_7e7f0901', Event(0, 'sx', (b'\x7e\x7f\x09\x01',))),
        ('0_sy_f20102', Event(0, 'sy', (b'\xf2\x01\x02',))),
        ('0_mt_47', Event(0, 'mt', (47, b''))),
        ('0_mt_3_4d6fff', Event(0, 'mt', (3, b'Mo\xff'))),
        ('0_cl', Event(0, 'cl', ())),
    ],
)
def test_every_kind(line, event):
    assert parse(f'rs_480\n{line}').events == [event]
    assert parse(f'rs_480\n{line}\n'.encode()).events == [event]


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('', 'delta'),
        ('0', 'written <delta>_<kind>'),
        ('0_', 'written <delta>_<kind>'),
        ('_no_60_64', 'delta'),
        ('-1_no_60_64', 'delta -1 is not in 0 to'),
        ('9223372036854775808_no_60_64', 'delta 9223372036854775808 is not in'),
        ('1' * 5000 + '_no_60_64', 'whole number'),
        ('00_no_60_64', 'plain digits'),
        ('+1_no_60_64', 'plain digits'),
        (' 1_no_60_64', 'plain digits'),
        ('1.0_no_60_64', 'plain digits'),
        ('0_no_60_64 ', 'plain digits'),
        ('0_no_60_64\r', 'plain digits'),
        ('0_no_060_64', 'pitch'),
        ('0_no_６０_64', 'pitch'),
        ('0_no_--6_64', 'pitch'),
        ('0_no_-_64', 'pitch'),
        ('0_no_-0_64', 'pitch'),
        ('0_no_128_64', 'pitch 128 is not in 0 to 127'),
        ('0_no_60_128', 'velocity 128'),
        ('0_no_60_64_16', 'channel 16'),
        ('0_no_60', 'no is written <delta>_no_<pitch>_<velocity>[_<channel>]'),
        ('0_no_60_64_0_0', 'no is written'),
        ('0_no_60_64_', 'channel'),
        ('0_NO_60_64', "no kind 'NO', only no, nf"),
        ('0_xx', "no kind 'xx'"),
        ('0_st_119_500000', '120 whole beats a minute, not 119'),
        ('0_st_3_16777216', 'microseconds per quarter note 16777216'),
        ('0_cc_0_64', 'cc is written'),
        ('0_pw_0_8192', 'bend 8192'),
        ('0_sx_', 'pairs of digits'),
        ('0_sx_7', 'pairs of digits'),
        ('0_sx_7E', 'pairs of digits'),
        ('0_sx_7e 7f', 'pairs of digits'),
        ('0_sx_80', 'over 7f'),
        ('0_sy_f2', 'not one whole system message'),
        ('0_sy_ff', 'not one whole system message'),
        ('0_sy_f1ff', 'not one whole system message'),
        ('0_mt_81_07a120', 'a tempo is written st'),
        ('0_cl_0', 'cl is written <delta>_cl'),
        ('rs_480', 'rs is there twice'),
        ('at_1', 'at_<seconds>_<nanoseconds>'),
        ('at_1_1000000000', 'nanoseconds 1000000000'),
        ('at_-1_0', 'seconds -1'),
        ('sq_-1', 'sequence number -1'),
        ('sq_1_2', 'sq_<number>'),
        ('id_5F', 'digits 0-9 and a-f'),
        ('id_0123456789abcdef0', '1 to 16'),
        ('id_5f_3a', 'id_<hexadecimal digits>'),
        ('tr_1', 'the track here is 0'),
        ('tr_00', 'plain digits'),
        ('tr_', 'plain digits'),
    ],
)
def test_a_malformed_line_is_named(line, reason):
    with pytest.raises(EventTextError) as raised:
        parse(f'rs_480\n{line}\n')
    error = raised.value
    assert error.line_number == 2
    assert error.line == (line if len(line) <= 80 else line[:80] + '...')
    assert reason in error.reason
    assert str(error) == f'line 2, {error.line!r}: {error.reason}'
    assert len(str(error)) < 300


@pytest.mark.parametrize('text', ['', '\n', 'rs_', 'rs_480_1', 'rs_32768', '0_no_60_64', 'RS_480'])
def test_a_text_begins_with_its_resolution(text):
    with pytest.raises(EventTextError) as raised:
        parse(text)
    assert raised.value.line_number == 1


@pytest.mark.parametrize('resolution', [-32768, -6360, 0, 1, 384, 32767])
def test_odd_resolutions(resolution):
    assert parse(f'rs_{resolution}\n') == Text(resolution, [[]])


def test_the_header_of_a_live_message():
    text = parse('rs_500\nat_1763830800_250000000\nsq_1042\n0_no_60_64\n180_no_60_0\n')
    assert text.at == 1_763_830_800_250_000_000
    assert text.sequence == 1042
    assert len(text.events) == 2


def test_the_tracks_of_a_text_are_kept_apart():
    text = parse('rs_480\ntr_0\n0_st_120_500000\ntr_1\ntr_2\n5_no_60_64\n')
    assert text.tracks == [[Event(0, 'st', (120, 500_000))], [], [Event(5, 'no', (60, 64, 0))]]
    with pytest.raises(ValueError, match='3 tracks'):
        _ = text.events


@pytest.mark.parametrize(
    ('text', 'number'),
    [
        ('rs_480\n0_no_60_64\ntr_0\n', 2),
        ('rs_480\ntr_0\n0_no_60_64\ntr_2\n', 4),
        ('rs_480\ntr_0\n0_no_60_64\ntr_0\n', 4),
        ('rs_480\ntr_0\n0_no_60_64\ntr_1\n0_no_60_64\n0_no_60\n', 6),
        ('rs_480\n0_no_60_64\nat_5_5\n', 3),
        ('rs_480\n0_no_60_64\n\n', 3),
        ('rs_480\n\n0_no_60_64', 2),
    ],
)
def test_lines_are_counted_from_1(text, number):
    with pytest.raises(EventTextError) as raised:
        parse(text)
    assert raised.value.line_number == number
    assert raised.value.line == text.split('\n')[number - 1]


def test_the_size_of_a_live_text_is_bounded():
    exact = 'rs_480\n0_mt_10_' + '61' * 32760 + '\n'
    assert len(exact) == LIVE_LIMITS.size
    parse(exact, LIVE_LIMITS)
    for text in ('1' + exact, ('1' + exact).encode()):
        with pytest.raises(EventTextError, match='over 65536 bytes'):
            parse(text, LIVE_LIMITS)


def test_the_events_of_a_live_text_are_bounded():
    text = 'rs_500\n' + '0_no_60_64\n' * 4096
    assert len(parse(text, LIVE_LIMITS).events) == 4096
    with pytest.raises(EventTextError, match='more than 4096 events') as raised:
        parse(text + '0_no_60_64\n', LIVE_LIMITS)
    assert raised.value.line_number == 4098


def test_the_delta_of_a_live_text_is_bounded():
    assert parse(f'rs_500\n{HOUR_TICKS}_no_60_64', LIVE_LIMITS).events[0].delta == HOUR_TICKS
    with pytest.raises(EventTextError, match='over 3600 seconds') as raised:
        parse(f'rs_500\n0_no_60_64\n{HOUR_TICKS + 1}_no_60_0', LIVE_LIMITS)
    assert raised.value.line_number == 3


def test_the_bound_on_a_delta_follows_the_tempo():
    parse(f'rs_500\n0_st_240_250000\n{2 * HOUR_TICKS}_no_60_64', LIVE_LIMITS)
    with pytest.raises(EventTextError, match='over 3600 seconds'):
        parse(f'rs_500\n0_st_60_1000000\n{HOUR_TICKS // 2 + 1}_no_60_64', LIVE_LIMITS)
    # The tempo of one track holds in another.
    with pytest.raises(EventTextError, match='over 3600 seconds') as raised:
        parse(f'rs_500\ntr_0\n0_st_60_1000000\ntr_1\n{HOUR_TICKS}_no_60_64', LIVE_LIMITS)
    assert raised.value.line_number == 5


def test_a_live_tick_has_a_length():
    assert parse('rs_0\n1_no_60_64').resolution == 0
    with pytest.raises(EventTextError, match='rs_0 gives a tick no length'):
        parse('rs_0\n1_no_60_64', LIVE_LIMITS)


def test_the_limits_given_to_parse_apply():
    limits = Limits(size=100, events=1, delta=10**9)
    parse('rs_500\n1000_no_60_64\n', limits)
    with pytest.raises(EventTextError, match='over 1 seconds'):
        parse('rs_500\n1001_no_60_64\n', limits)
