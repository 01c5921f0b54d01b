# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a browser may say: each command of the table, and everything else refused by name."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from improv_ros.page.protocol import (
    COMMANDS,
    LONGEST_MESSAGE,
    Flag,
    Number,
    ProtocolError,
    Text,
    Value,
    read_command,
    write_frame,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


def good(field: object) -> st.SearchStrategy:
    """Return values that a field allows."""
    if isinstance(field, Number):
        kind = st.integers if field.whole else st.floats
        return kind(field.low, field.high)
    if isinstance(field, Flag):
        return st.booleans()
    if isinstance(field, Text) and field.choices:
        return st.sampled_from(field.choices)
    assert isinstance(field, Text | Value)
    return st.text('abcde_ é', max_size=field.longest if isinstance(field, Text) else 20)


@pytest.mark.parametrize('name', COMMANDS)
@given(st.data())
def test_every_command_is_read(name: str, data: st.DataObject) -> None:
    fields = {field: data.draw(good(kind)) for field, kind in COMMANDS[name].fields.items()}
    assert read_command(json.dumps({'do': name, **fields})) == (name, fields)


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200), ANYTHING.map(json.dumps)))
def test_whatever_comes_is_read_or_refused_with_a_reason(message: str | bytes) -> None:
    try:
        name, fields = read_command(message)
    except ProtocolError as reason:
        assert 0 < len(str(reason)) < 400
    else:
        assert fields.keys() == COMMANDS[name].fields.keys()


@given(
    st.sampled_from(sorted(COMMANDS)),
    st.dictionaries(st.sampled_from(['pitch', 'velocity', 'time', 'on', 'x', 'value']), ANYTHING),
)
def test_fields_out_of_their_bounds_are_refused(name: str, fields: dict) -> None:
    try:
        read, values = read_command(json.dumps({**fields, 'do': name}))
    except (ProtocolError, ValueError):
        return
    for field, kind in COMMANDS[read].fields.items():
        assert kind.refusal(values[field]) == ''


@pytest.mark.parametrize(
    ('message', 'named'),
    [
        ('{"do":"shutdown"}', 'shutdown'),
        ('{"do":"key","pitch":60,"velocity":64}', 'pitch, velocity, time'),
        ('{"do":"key","pitch":128,"velocity":64,"time":0}', 'pitch'),
        ('{"do":"key","pitch":60.5,"velocity":64,"time":0}', 'pitch'),
        ('{"do":"key","pitch":60,"velocity":64,"time":NaN}', 'time'),
        ('{"do":"key","pitch":60,"velocity":64,"time":1e999}', 'time'),
        ('{"do":"key","pitch":true,"velocity":64,"time":0}', 'pitch'),
        ('{"do":"act","action":"rm -rf"}', 'rm -rf'),
        ('{"do":"act","action":["stop"]}', 'action'),
        ('{"do":"set","parameter":"a\\u0000b","value":1}', 'parameter'),
        ('{"do":"set","parameter":"pause","value":{"a":1}}', 'value'),
        ('{"do":"devices","more":1}', 'more'),
        ('[]', 'object'),
        ('{"do":' * 3000, 'bytes'),
        ('[' * 2000, 'JSON'),
    ],
)
def test_what_is_refused_is_named(message: str, named: str) -> None:
    with pytest.raises(ProtocolError, match=None) as refused:
        read_command(message)
    assert named in str(refused.value)


def test_a_message_is_bounded() -> None:
    with pytest.raises(ProtocolError, match=str(LONGEST_MESSAGE)):
        read_command(' ' * (LONGEST_MESSAGE + 1))


def test_frames_are_strict_json_whatever_is_in_them() -> None:
    frame = write_frame({'facts': {'level': float('-inf'), 'more': [float('nan'), 1.5]}})
    assert json.loads(frame) == {'facts': {'level': None, 'more': [None, 1.5]}}
