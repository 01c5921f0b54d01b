# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a reader makes of messages: the shared vectors, read and written.

    python test/vectors_event_text.py      # writes them anew from the Python reader

Look at the difference before it is kept: the vectors say what is right, for every language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from improv_ros.event_text import EventTextError, StreamReader, TimedEvent

VECTORS = Path(__file__).parent / 'vectors' / 'event_text.txt'
REFUSED = ['refused']

Case = list[tuple[str, list[str]]]
"""Messages in turn, each with the lines that its events are written as, or REFUSED."""

HEAD = 'rs_500\nat_1763830800_250000000\nsq_0\n'


def head(sequence: int, at: str = '1763830800_250000000', resolution: int = 500) -> str:
    """Return the header of a message."""
    return f'rs_{resolution}\nat_{at}\nsq_{sequence}\n'


MESSAGES = {
    'a note': [HEAD + '0_no_60_64\n180_no_60_0\n'],
    'no events': [HEAD],
    'no line end': [HEAD + '0_no_60_64\n180_no_60_0'],
    'the id of a publisher': [
        HEAD + 'id_5f3a9c\n0_no_60_64\n180_no_60_0\n',
        'rs_500\nid_0123456789abcdef\nat_1763830801_0\nsq_1\n0_no_60_64\n180_no_60_0\n',
    ],
    'a channel': [HEAD + '0_no_60_64_9\n180_no_60_0_9\n'],
    'a channel 0 in full': [HEAD + '0_no_60_64_0\n180_nf_60_40_0\n'],
    'the edges of the ranges': [HEAD + '0_no_0_1\n0_no_127_127_15\n0_nf_0_0\n0_nf_127_127_15\n'],
    'every kind': [
        HEAD + '1_cc_0_64_127\n2_pc_15_127\n3_pw_0_-8192\n4_pw_1_8191\n5_ca_0_1\n6_ka_2_60_3\n'
        '7_sx_00ff7f\n',
        HEAD + '1_cc_0_64_127\n2_pc_15_127\n3_pw_0_-8192\n4_pw_1_8191\n5_ca_0_1\n6_ka_2_60_3\n'
        '7_sx_00047f\n8_sx\n9_sy_f20102\n10_sy_f8\n11_mt_1_616263\n12_mt_47\n13_cl\n',
    ],
    'a tempo': [HEAD + '100_no_60_64\n0_st_60_1000000\n100_no_60_0\n100_no_61_1\n1_no_61_0\n'],
    'thirds of a microsecond do not drift': [
        head(0, resolution=480) + '1_no_60_1\n1_no_60_0\n1_no_60_1\n1_no_60_0\n400_no_60_1\n'
    ],
    'a tempo of zero': [HEAD + '0_st_0_0\n100_no_60_64\n5_no_60_0\n'],
    'SMPTE': [
        head(0, resolution=-6360) + '25_no_60_64\n40_no_60_0\n',  # 25 frames, 40 ticks
        head(1, resolution=-7384) + '25_no_60_64\n40_no_60_0\n',  # 29.97 frames, 40 ticks
    ],
    'an hour is allowed': [HEAD + '3600000_cl\n'],
    'over an hour is not': [HEAD + '3600001_cl\n'],
    'far over is not either': [HEAD + '9223372036854775807_cl\n'],
    'a note struck again ends first': [HEAD + '0_no_60_64\n100_no_60_80\n50_no_60_0\n'],
    'an end without a note': [HEAD + '0_no_60_0\n0_nf_61_0\n5_no_62_1\n5_no_62_0\n'],
    'a clear': [HEAD + '0_no_60_64\n10_cl\n10_no_60_0\n'],
    'a loss releases what sounds': [
        head(0) + '0_no_60_64\n0_cc_0_64_127\n',
        head(2, '1763830801_0') + '0_no_61_64\n',
    ],
    'a loss lifts every pedal': [
        head(0) + '0_cc_0_64_127\n5_cc_1_66_30\n5_cc_1_66_90\n5_cc_0_67_1\n0_cc_0_69_127\n'
        '0_cc_0_7_90\n5_cc_0_69_0\n',
        head(2, '1763830801_0') + '0_no_61_64\n',
    ],
    'a restart releases what sounds': [
        head(7) + '0_no_60_64\n',
        head(0, '1763830801_0') + '0_no_61_64\n',
    ],
    'a message that comes twice': [HEAD + '0_no_60_64\n', HEAD + '0_no_60_64\n'],
    'a message that comes late': [
        head(4, '1763830800_0') + '0_no_60_64\n',
        head(6, '1763830802_0') + '0_no_61_64\n',
        head(5, '1763830801_0') + '0_no_62_64\n',
    ],
    'a malformed message changes nothing': [
        HEAD + '0_no_60_64\n',
        head(1) + '0_no_60\n',
        head(1) + '10_no_60_0\n',
    ],
    'what is refused': [
        'hello\n',
        'rs_500\n0_no_60_64\n',
        'rs_500\nat_1_0\n0_no_60_64\n',
        'rs_500\nsq_0\n0_no_60_64\n',
        'at_1_0\nsq_0\nrs_500\n0_no_60_64\n',
        'rs_0\nat_1_0\nsq_0\n',
        'rs_32768\nat_1_0\nsq_0\n',
        'rs_500\nrs_500\nat_1_0\nsq_0\n',
        'rs_500\nat_1_1000000000\nsq_0\n',
        'rs_500\nat_1\nsq_0\n',
        'rs_500\nat_1_0\nsq_-1\n',
        'rs_500\nat_1_0\nsq_9223372036854775808\n',
        'rs_500\nat_1_0\nsq_0\n\n0_no_60_64\n',
        HEAD + 'id_\n',
        HEAD + 'id_5F\n',
        HEAD + 'id_x\n',
        HEAD + 'id_5f_3a\n',
        HEAD + 'id_0123456789abcdef0\n',
        HEAD + 'id_5f\nid_5f\n',
        HEAD + '0_no_60_64\nid_5f\n',
        *(
            HEAD + line + '\n'
            for line in (
                '0',
                '0_',
                '0_xx_1',
                '_no_60_64',
                '-1_no_60_64',
                '01_no_60_64',
                '+1_no_60_64',
                ' 1_no_60_64',
                '1_no_60_64 ',
                '1_no_060_64',
                '1_no_128_64',
                '1_no_60_128',
                '1_no_60_64_16',
                '1_no_60_64_0_0',
                '1_no_60',
                '1_no_60_-0',
                '1_no_six_64',
                '1_cc_0_64',
                '1_pw_0_8192',
                '1_pw_0_-8193',
                '1_st_121_500000',
                '1_sx_0g',
                '1_sx_0',
                '1_sx_0A',
                '1_sx_80',
                '1_sy_f2',
                '1_sy',
                '1_mt_81_07a120',
                '1_mt_256',
                '1_cl_0',
                '9223372036854775808_cl',
            )
        ),
    ],
}


def written(event: TimedEvent) -> str:
    """Return an event as a line of the vectors."""
    fields = [field.hex() if isinstance(field, bytes) else str(field) for field in event.values]
    return ' '.join([str(event.time), event.kind, *filter(None, fields)])


def vectors_of(messages: Mapping[str, Sequence[str]]) -> dict[str, Case]:
    """Return what the Python reader makes of messages, by case."""
    found: dict[str, Case] = {}
    for name, texts in messages.items():
        reader = StreamReader()
        found[name] = []
        for text in texts:
            try:
                lines = [written(event) for event in reader.read(text)]
            except EventTextError:
                lines = REFUSED
            found[name].append((text, lines))
    return found


def write_cases(cases: Mapping[str, Case]) -> str:
    """Return the text of a file of vectors."""
    lines = [
        '# Messages of event text, and the events that a reader makes of them, in turn: time in',
        '# nanoseconds, kind, values, bytes as hexadecimal digits; or refused. A case begins with',
        '# a new reader. A message is all lines after "message", each with its line end.',
    ]
    for name, case in cases.items():
        lines += ['', f'case {name}']
        for text, events in case:
            expected = REFUSED if events == REFUSED else ['events', *events]
            lines += ['message', *text.removesuffix('\n').split('\n'), *expected, 'end']
    return '\n'.join(lines) + '\n'


def cases() -> dict[str, Case]:
    """Return the shared vectors."""
    found: dict[str, Case] = {}
    text: list[str] = []
    events: list[str] = []
    lines = text
    for line in VECTORS.read_text().splitlines():
        if line.startswith('case '):
            case = found[line.removeprefix('case ')] = []
        elif line == 'message':
            text, events = [], []
            lines = text
        elif line in ('events', 'refused'):
            lines = events
            events += REFUSED if line == 'refused' else []
        elif line == 'end':
            case.append(('\n'.join(text) + '\n', events))
        elif lines is text or (line and not line.startswith('#')):
            lines.append(line)
    return found


if __name__ == '__main__':
    VECTORS.write_text(write_cases(vectors_of(MESSAGES)))
