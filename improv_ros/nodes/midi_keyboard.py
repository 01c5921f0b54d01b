"""The keyboard node: a MIDI input port in the microphone's place, published on `heard_notes`."""

from __future__ import annotations

from queue import SimpleQueue
import sys

from improv_ros.event_text import TimedEvent
from improv_ros.nodes.clock import ros_minus_monotonic
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NotePublisher
from improv_ros.nodes.parameters import Setting
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.input import KeyboardInput

SETTINGS = (
    Setting('port', '', 'Any part of the name of the MIDI port to hear; empty: the first'),
    Setting('virtual_port', False, 'Make a port of that name for others to connect to'),
    Setting(
        'midi_api', '', 'MIDI system; empty: the first that works', choices=('', 'alsa', 'jack')
    ),
)


class MidiKeyboard(ManagedNode):
    """Publishes each event as it comes from the port's own thread."""

    def __init__(self) -> None:
        super().__init__('midi_keyboard', SETTINGS)
        self._keyboard: KeyboardInput | None = None
        self._notes: NotePublisher | None = None
        self._played: SimpleQueue[TimedEvent] = SimpleQueue()
        self._wake = self.create_guard_condition(self._publish_played)

    def configure(self) -> None:
        """Open the port."""
        settings = self.settings
        self._keyboard = KeyboardInput(
            settings['port'], self._on_event, settings['virtual_port'], settings['midi_api']
        )
        try:
            self._keyboard.open()
        except PlayingError as error:
            raise NotReadyError(str(error)) from error
        self._notes = NotePublisher(self, 'heard_notes')

    def activate(self) -> None:
        """Begin to publish; what was played before is forgotten."""
        while not self._played.empty():
            self._played.get()
        self._events = 0

    def deactivate(self) -> None:
        """Release the keys that are held."""
        self._keyboard.release()
        self._publish_played()

    def cleanup(self) -> None:
        """Close the port."""
        if self._keyboard:
            self._keyboard.close()
            self._keyboard = None
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell how much came."""
        return '', {'events heard': self._events}

    def _on_event(self, event: TimedEvent) -> None:
        """Called in the MIDI library's thread: take note and wake the node, no more."""
        self._played.put(event)
        self._wake.trigger()

    def _publish_played(self) -> None:
        if not self.active:
            return
        offset = ros_minus_monotonic(self.get_clock())
        events = []
        while not self._played.empty():
            event = self._played.get()
            events.append(event._replace(time=event.time + offset))
        if events:
            self._events += len(events)
            self._notes.publish(events)


def main() -> int:
    """Run the node."""
    return run(MidiKeyboard)


if __name__ == '__main__':
    sys.exit(main())
