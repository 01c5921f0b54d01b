"""Letting the improviser go on from the opening of a real performance, faster than real time."""

from __future__ import annotations

import numpy as np

from improv_ros.event_text import TimedEvent, control_change, note_off
from improv_ros.improvising import Conversation, Settings
from improv_ros.improvising.model import Model
from improv_ros.improvising.vocabulary import LOWEST_PITCH, SUSTAIN, Keyboard

from .dataset import events_of

SECOND = 1_000_000_000
CALL = SECOND // 50  # how often the conversation is asked, as by the node


def opening_of(performance: np.ndarray, seconds: float) -> list[TimedEvent]:
    """Return the events of a performance's first seconds."""
    return [event for event in events_of(performance) if event.time < seconds * SECOND]


def go_on(
    model: Model, opening: list[TimedEvent], seconds: float, seed: int = 1
) -> list[TimedEvent]:
    """Return what the robot plays in so many seconds after it heard an opening.

    It plays as in the mode 'solo', with every rule that it keeps when it plays live.
    """
    model.reset()
    conversation = Conversation(model, Settings(mode='solo'), seed)
    now = 0
    keyboard = Keyboard()
    for event in opening:
        now = event.time
        conversation.hear(event, now)
        keyboard.take(event)
    played = let_go(keyboard, now)
    end = now + round(seconds * SECOND)
    while now < end:
        now += CALL
        played += conversation.advance(now)
    keyboard = Keyboard()
    for event in played:
        keyboard.take(event)
    return [*played, *let_go(keyboard, max((event.time for event in played), default=end))]


def let_go(keyboard: Keyboard, time: int) -> list[TimedEvent]:
    """Return the events that bring every key and the pedal up."""
    keys = [note_off(time, LOWEST_PITCH + key) for key in sorted(keyboard.down)]
    return [*keys, *([control_change(time, SUSTAIN, 0)] if keyboard.pedal else [])]
