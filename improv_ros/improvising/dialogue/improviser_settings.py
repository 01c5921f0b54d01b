# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The settings of the improviser: default, description, unit and range of each."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from improv_ros.event_text import SECOND
from improv_ros.improvising.network.vocabulary import HIGHEST_PITCH, LOWEST_PITCH

MODES = ('respond', 'accompany', 'solo')
PAUSE_MODES = ('adaptive', 'fixed')
CHOICES = {'mode': MODES, 'pause_mode': PAUSE_MODES}
"""The settings that have one of a few values."""


def _setting(
    default: Any, description: str, unit: str = '', low: float | None = None, high: Any = None
) -> Any:
    metadata = {'description': description, 'unit': unit, 'low': low, 'high': high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ImproviserSettings:
    """How the robot plays; immutable, so replace the whole object to change one setting.

    The metadata of each field holds its `description`, its `unit` and its range, `low` to `high`.
    They are the parameters of the improviser node, except `playable`: the pitches that the
    robot's body can play, None for all.

    Raises ValueError naming a setting that is out of its range.
    """

    mode: str = _setting(
        'respond',
        'respond: answer when the person pauses; accompany: play along; solo: play alone',
    )
    pause_mode: str = _setting(
        'adaptive',
        'adaptive: answer when the network expects no note soon; fixed: after `pause`',
    )
    pause: float = _setting(
        0.8, 'Silence that ends a phrase, in pause_mode fixed and mode accompany', 's', 0.1, 10.0
    )
    shortest_pause: float = _setting(
        0.3, 'Shortest silence before an answer, in pause_mode adaptive', 's', 0.1, 10.0
    )
    longest_pause: float = _setting(
        1.5, 'Longest silence before an answer, in pause_mode adaptive', 's', 0.1, 10.0
    )
    lookahead: float = _setting(
        0.25, 'Time from publishing a note to when it sounds', 's', 0.02, 5.0
    )
    temperature: float = _setting(
        0.95, 'Sampling temperature: below 1 less random, above 1 more random', '', 0.05, 3.0
    )
    top_p: float = _setting(
        0.99,
        'Sample times and keys only from the most likely ones that together have this probability',
        '',
        0.05,
        1.0,
    )
    repetition_penalty: float = _setting(
        0.5,
        'Penalty on a key for each time but the first that it followed the same three keys',
        'nats',
        0.0,
        4.0,
    )
    follow: float = _setting(
        0.7,
        'How closely an answer follows the density, register, loudness and tonic of its phrase',
        '',
        0.0,
        1.0,
    )
    lowest_pitch: int = _setting(
        LOWEST_PITCH, 'Lowest pitch to play', 'MIDI pitch', LOWEST_PITCH, HIGHEST_PITCH
    )
    highest_pitch: int = _setting(
        HIGHEST_PITCH, 'Highest pitch to play', 'MIDI pitch', LOWEST_PITCH, HIGHEST_PITCH
    )
    max_polyphony: int = _setting(10, 'Most keys held at once', 'keys', 1, 88)
    max_note_seconds: float = _setting(
        6.0,
        'Longest time to hold a key; a key that the person holds longer counts as released',
        's',
        0.1,
        30.0,
    )
    max_silence: float = _setting(
        2.0, 'Longest silence within a phrase that the robot plays', 's', 0.2, 8.0
    )
    max_density: float = _setting(20.0, 'Most notes that begin within a second', '', 1.0, 100.0)
    adapt: float = _setting(
        1.0,
        'How far the robot plays as it has learnt from the person: 0 as shipped, without learning',
        '',
        0.0,
        1.0,
    )
    motifs: float = _setting(
        1.0, 'How much the motifs of the person come back in what the robot plays', '', 0.0, 1.0
    )
    playable: frozenset[int] | None = None
    min_repeat_interval: float = _setting(
        0.0, 'Shortest time between two presses of one key', 's', 0.0, 10.0
    )
    shortest_answer: float = _setting(
        2.0, 'Shortest answer, however short the phrase', 's', 0.5, 60.0
    )
    longest_answer: float = _setting(
        20.0, 'Longest answer, however long the phrase', 's', 0.5, 600.0
    )
    ignore_while_playing: bool = _setting(
        False, 'Ignore what is heard while the robot plays; for use where cancel_echo fails'
    )

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            chosen = getattr(self, name)
            if chosen not in choices:
                raise ValueError(f'{name} is {chosen!r}: it must be one of {", ".join(choices)}')
        for setting in fields(self):
            low, high = setting.metadata.get('low'), setting.metadata.get('high')
            value = getattr(self, setting.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f'{setting.name} is {value}: it must be from {low} to {high}')
        for low_name, high_name in (
            ('lowest_pitch', 'highest_pitch'),
            ('shortest_pause', 'longest_pause'),
            ('shortest_answer', 'longest_answer'),
        ):
            low, high = getattr(self, low_name), getattr(self, high_name)
            if low > high:
                raise ValueError(f'{low_name} is {low}, above {high_name}, which is {high}')
        if not self.pitches:
            raise ValueError(
                f'lowest_pitch is {self.lowest_pitch} and highest_pitch is {self.highest_pitch}: '
                'the instrument has no pitch between them'
            )

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """The pitches that the robot may play, ascending."""
        between = range(self.lowest_pitch, self.highest_pitch + 1)
        return tuple(p for p in between if self.playable is None or p in self.playable)


MAX_REPEAT_INTERVAL: float = next(
    setting.metadata['high']
    for setting in fields(ImproviserSettings)
    if setting.name == 'min_repeat_interval'
)


def nanoseconds(seconds: float) -> int:
    """Return a time in nanoseconds."""
    return round(seconds * SECOND)
