# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writing event text, and that it reads back."""

from event_text_strategies import texts
from hypothesis import given
import pytest

from improv_ros.event_text import Event, EventTextError, Text, format_body, format_text, parse


def test_one_track_has_no_track_line():
    text = Text(480, [[Event(240, 'no', (60, 64, 0)), Event(12, 'cc', (0, 64, 127))]])
    assert format_text(text) == 'rs_480\n240_no_60_64\n12_cc_0_64_127\n'


def test_tracks_and_header():
    text = Text(500, [[Event(0, 'cl', ())], []], at=5_000_000_001, sequence=7, publisher='0f')
    assert format_text(text) == 'rs_500\nat_5_1\nsq_7\nid_0f\ntr_0\n0_cl\ntr_1\n'


def test_a_last_field_is_left_out_at_its_default():
    assert format_body('no', (60, 64, 0)) == 'no_60_64'
    assert format_body('nf', (60, 64, 1)) == 'nf_60_64_1'
    assert format_body('mt', (47, b'')) == 'mt_47'
    assert format_body('cc', (0, 64, 0)) == 'cc_0_64_0'


@pytest.mark.parametrize(
    ('event', 'reason'),
    [
        (Event(-1, 'no', (60, 64, 0)), 'delta -1'),
        (Event(0.5, 'no', (60, 64, 0)), 'delta 0.5 is not a whole number'),
        (Event(0, 'no', (60, 64)), 'no has 3 values, not 2'),
        (Event(0, 'no', (128, 64, 0)), 'pitch 128'),
        (Event(0, 'no', (60, '64', 0)), 'velocity'),
        (Event(0, 'xx', ()), "no kind 'xx'"),
        (Event(0, 'st', (100, 500_000)), '120 whole beats'),
        (Event(0, 'sx', ('7f',)), 'str, not bytes'),
    ],
)
def test_what_cannot_be_written_is_named(event, reason):
    with pytest.raises(EventTextError) as raised:
        format_text(Text(480, [[Event(3, 'no', (1, 1, 1)), event]]))
    assert raised.value.line_number == 3
    assert reason in raised.value.reason


@pytest.mark.parametrize(
    'text',
    [
        Text(40_000),
        Text(480, at=-1),
        Text(480, sequence=-1),
        Text(480, at=2**63),
        Text(480, publisher=''),
    ],
)
def test_a_header_that_cannot_be_written(text):
    with pytest.raises(EventTextError):
        format_text(text)


@given(texts)
def test_what_is_written_reads_back_the_same(text):
    written = format_text(text)
    assert parse(written) == text
    assert parse(written.encode()) == text
    assert format_text(parse(written)) == written
