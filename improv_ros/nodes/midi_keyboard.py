"""The keyboard node: MIDI input ports in the microphone's place, published on `heard_notes`."""

from __future__ import annotations

from queue import SimpleQueue
import sys

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NotePublisher
from improv_ros.nodes.parameters import Setting, split_list
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.keyboards import Keyboards
from improv_ros.playing.velocity_curve import CURVES, velocity_curve

SETTINGS = (
    Setting(
        'ports', '', 'Parts of the names of the MIDI ports to hear, comma-separated; empty: first'
    ),
    Setting('virtual_port', False, 'Make ports of those names for others to connect to'),
    Setting(
        'midi_api', '', 'MIDI system; empty: the first that works', choices=('', 'alsa', 'jack')
    ),
    Setting(
        'velocity_curve',
        'normal',
        'How loud a stroke is meant: light makes soft ones louder, heavy softer, fixed all alike',
        choices=CURVES,
        live=True,
    ),
)


class MidiKeyboard(ManagedNode):
    """Publishes each event as it comes from a port's own thread."""

    def __init__(self) -> None:
        super().__init__('midi_keyboard', SETTINGS)
        self._keyboards: Keyboards | None = None
        self._notes: NotePublisher | None = None
        self._played: SimpleQueue[TimedEvent] = SimpleQueue()
        self._wake = self.create_guard_condition(self._publish_played)

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
        for name, problem in self._keyboards.problems.items():
            self.get_logger().error(f'{name}: {problem}')
        self._notes = NotePublisher(self, 'heard_notes', self.time)

    def activate(self) -> None:
        """Begin to publish; what was played before is forgotten."""
        while not self._played.empty():
            self._played.get()
        self._events = 0

    def deactivate(self) -> None:
        """Release the keys that are held."""
        self._keyboards.release()
        self._publish_played()

    def cleanup(self) -> None:
        """Close the ports."""
        if self._keyboards:
            self._keyboards.close()
            self._keyboards = None
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell which keyboard is missing, and how much came."""
        problems = self._keyboards.problems
        problem = '; '.join(f'{name}: {text}' for name, text in problems.items())
        return problem, {'events heard': self._events}

    def _on_event(self, event: TimedEvent) -> None:
        """Called in the MIDI library's thread: take note and wake the node, no more."""
        self._played.put(event)
        self._wake.trigger()

    def _publish_played(self) -> None:
        if not self.active:
            return
        offset = self.time.minus_monotonic()
        curve = velocity_curve(self.settings['velocity_curve'])
        events = []
        while not self._played.empty():
            event = self._played.get()
            if is_note_on(event):
                pitch, velocity, channel = event.values
                event = event._replace(values=(pitch, curve[velocity], channel))
            events.append(event._replace(time=event.time + offset))
        if events:
            self._events += len(events)
            self._notes.publish(events)


def main() -> int:
    """Run the node."""
    return run(MidiKeyboard)


if __name__ == '__main__':
    sys.exit(main())
