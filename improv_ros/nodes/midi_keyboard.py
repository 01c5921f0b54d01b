# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keyboard node: publishes what MIDI keyboards play, like the transcriber.

What a keyboard tells is sure at once: `heard_notes` and `confirmed_notes` carry the same.
"""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import midi_keyboard

    raise SystemExit(midi_keyboard())

from queue import SimpleQueue
import sys

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import HEARING_TOPICS, NotePublisher
from improv_ros.nodes.common.parameters import Setting, split_list
from improv_ros.nodes.common.problem_log import ProblemLog
from improv_ros.playing import PlayingError
from improv_ros.playing.midi.keyboards import CURVES, Keyboards, velocity_curve
from improv_ros.playing.midi.port_names import input_names

SETTINGS = (
    Setting(
        'ports',
        '',
        'Parts of the names of the MIDI ports to receive from, comma-separated; empty: the first',
    ),
    Setting('virtual_port', False, 'Create ports of those names that others connect to'),
    Setting(
        'midi_api', '', 'MIDI system; empty: the first that works', choices=('', 'alsa', 'jack')
    ),
    Setting(
        'velocity_curve',
        'normal',
        'Change of velocities: light makes soft notes louder, heavy softer, fixed sets all to 80',
        choices=CURVES,
        live=True,
    ),
)


class MidiKeyboard(ManagedNode):
    """Publishes each event when it is received."""

    def __init__(self) -> None:
        super().__init__('midi_keyboard', SETTINGS)
        self._keyboards: Keyboards = None  # type: ignore[assignment]  # not before configure
        self._outlets: list[NotePublisher] = []
        self._received: SimpleQueue[TimedEvent] = SimpleQueue()
        self._receiving = False
        self._wake = self.create_guard_condition(self._publish_received)

    def configure(self) -> None:
        """Open the ports."""
        settings = self.settings
        self._keyboards = Keyboards(
            split_list(settings['ports']) or [''],
            self._on_event,
            settings['virtual_port'],
            settings['midi_api'],
        )
        try:
            self._keyboards.open()
        except PlayingError as error:
            raise NotReadyError(str(error)) from error
        self._problems = ProblemLog(self.get_logger())
        self._problems.update(self._keyboards.problems)
        self._outlets = [NotePublisher(self, topic, self.time) for topic in HEARING_TOPICS]

    def activate(self) -> None:
        """Begin to publish."""
        self._events = 0
        self._receiving = True

    def deactivate(self) -> None:
        """Release the keys and pedals that are held."""
        self._keyboards.release()
        self._receiving = False
        self._publish_received()

    def cleanup(self) -> None:
        """Close the ports."""
        if self._keyboards:
            self._keyboards.close()
            self._keyboards = None  # type: ignore[assignment]
        while self._outlets:
            self._outlets.pop().destroy()

    def health(self) -> tuple[str, dict[str, object]]:
        """Return what is wrong with which keyboard, and the number of events."""
        problems = self._keyboards.problems
        self._problems.update(problems)
        problem = '; '.join(f'{name}: {text}' for name, text in problems.items())
        return problem, {'events received': self._events}

    def _on_event(self, event: TimedEvent) -> None:
        """Queue an event and wake the node; called in the thread of the MIDI library."""
        if self._receiving:
            self._received.put(event)
            self._wake.trigger()

    def _publish_received(self) -> None:
        offset = self.time.minus_monotonic()
        curve = velocity_curve(self.settings['velocity_curve'])
        events = []
        while not self._received.empty():
            event = self._received.get()
            if is_note_on(event):
                pitch, velocity, channel = event.values
                event = event._replace(values=(pitch, curve[velocity], channel))
            events.append(event._replace(time=event.time + offset))
        if events:
            self._events += len(events)
            for publisher in self._outlets:
                publisher.publish(events)


def main() -> int:
    """Run the node; with --list, print the ports instead."""
    if parse_arguments('midi_keyboard', SETTINGS, 'list the MIDI input ports and exit').list:
        try:
            names = input_names()
        except PlayingError as error:
            print(error, file=sys.stderr)
            return 1
        print('\n'.join(names) or 'there is no MIDI input port: plug in a keyboard')
        return 0
    return run(MidiKeyboard)
