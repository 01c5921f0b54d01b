"""Several keyboards as one: a key or pedal is down while it is down on any of them."""

from collections import defaultdict

from improv_ros.event_text import TimedEvent, control_change, is_note_off, is_note_on, note_off

PEDALS = frozenset({64, 66, 67})  # controllers: sustain, sostenuto, soft


class Merger:
    """
    Merges the events of keyboards, told apart by number; channels stay as they are.

    Each note-on it returns is followed by one note-off of its channel and pitch before the next,
    if each keyboard releases what it holds. A pedal is as far down as the lowest of them.
    """

    def __init__(self) -> None:
        self._holding: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        self._pressed: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)

    def take(self, keyboard: int, event: TimedEvent) -> list[TimedEvent]:
        """Return what an event of one of the keyboards means for all."""
        if is_note_on(event):
            pitch, _, channel = event.values
            holding = self._holding[channel, pitch]
            struck_again = [note_off(event.time, pitch, channel)] if holding else []
            holding.add(keyboard)
            return [*struck_again, event]
        if is_note_off(event):
            pitch, _, channel = event.values
            holding = self._holding[channel, pitch]
            was_held = keyboard in holding
            holding.discard(keyboard)
            return [event] if was_held and not holding else []
        if event.kind == 'cc' and event.values[1] in PEDALS:
            channel, controller, value = event.values
            pressed = self._pressed[channel, controller]
            before = max(pressed.values(), default=0)
            pressed[keyboard] = value
            after = max(pressed.values())
            return (
                [control_change(event.time, controller, after, channel)] if after != before else []
            )
        return [event]
