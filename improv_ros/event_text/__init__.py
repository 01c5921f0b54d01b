# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Event text: the format in which music is stored, learnt, sent and logged."""

from improv_ros.event_text.events import (
    PEDALS,
    SECOND,
    Event,
    EventTextError,
    HeldNotes,
    Text,
    TimedEvent,
    TimestampOutOfRangeError,
    clear,
    control_change,
    is_note_off,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.event_text.latency_curve import LatencyCurve
from improv_ros.event_text.midi_files import (
    ORIGINAL_KINDS,
    MidiFileError,
    midi_to_text,
    read_midi,
    text_to_midi,
    write_midi,
)
from improv_ros.event_text.midi_messages import event_of, message_of, timed_event_of
from improv_ros.event_text.stream import HORIZON, StreamReader, StreamWriter, TopicReader
from improv_ros.event_text.tempo import TempoMap, from_timed, to_timed
from improv_ros.event_text.text_format import LIVE_LIMITS, Limits, format_body, format_text, parse

__all__ = [
    'HORIZON',
    'LIVE_LIMITS',
    'ORIGINAL_KINDS',
    'PEDALS',
    'SECOND',
    'Event',
    'EventTextError',
    'HeldNotes',
    'LatencyCurve',
    'Limits',
    'MidiFileError',
    'StreamReader',
    'StreamWriter',
    'TempoMap',
    'Text',
    'TimedEvent',
    'TimestampOutOfRangeError',
    'TopicReader',
    'clear',
    'control_change',
    'event_of',
    'format_body',
    'format_text',
    'from_timed',
    'is_note_off',
    'is_note_on',
    'message_of',
    'midi_to_text',
    'note_off',
    'note_on',
    'parse',
    'read_midi',
    'text_to_midi',
    'timed_event_of',
    'to_timed',
    'write_midi',
]
