# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Continuations of real performances by the improviser, faster than real time."""

from __future__ import annotations

import numpy as np

from improv_ros.event_text import SECOND, TimedEvent, control_change, note_off
from improv_ros.event_text.events import SUSTAIN
from improv_ros.improvising import Dialogue, ImproviserSettings
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.vocabulary import LOWEST_PITCH, KeyboardState
from improv_ros.training.improviser.dataset import events_of

PERIOD = SECOND // 50  # nanoseconds between two calls of the dialogue, as in the node


def opening_of(performance: np.ndarray, seconds: float) -> list[TimedEvent]:
    """Return the events of a performance's first seconds."""
    return [event for event in events_of(performance) if event.time < seconds * SECOND]


def continue_from(
    model: Model, opening: list[TimedEvent], seconds: float, seed: int = 1
) -> list[TimedEvent]:
    """Return what the robot plays in the given seconds after an opening, in the mode 'solo'.

    All rules of the dialogue apply, as when the node plays.
    """
    model.reset()
    dialogue = Dialogue(model, ImproviserSettings(mode='solo'), seed)
    now = 0
    keyboard = KeyboardState()
    for event in opening:
        now = event.time
        dialogue.hear(event, now)
        keyboard.apply(event)
    played = release_all(keyboard, now)
    end = now + round(seconds * SECOND)
    while now < end:
        now += PERIOD
        played += dialogue.advance(now)
    keyboard = KeyboardState()
    for event in played:
        keyboard.apply(event)
    return [*played, *release_all(keyboard, max((event.time for event in played), default=end))]


def release_all(keyboard: KeyboardState, time: int) -> list[TimedEvent]:
    """Return the events that release every key and the pedal."""
    keys = [note_off(time, LOWEST_PITCH + key) for key in sorted(keyboard.down)]
    return [*keys, *([control_change(time, SUSTAIN, 0)] if keyboard.pedal else [])]
