from improv_ros.event_text import TimedEvent
from improv_ros.playing.child import Child
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.synth import PLAYABLE
from improv_ros.playing.synth_process import line_of

OPENING = 10.0  # seconds; a large soundfont takes its time


class SynthOutput:
    """
    A software synthesiser on the default audio device, in a process of its own.

    `driver` is 'pulseaudio', 'alsa' or another of fluidsynth's; '' takes the first that starts.
    `priority` is the real-time priority with which it reads what it is to play.
    """

    def __init__(
        self, soundfont: str = '', gain: float = 1.0, driver: str = '', priority: int = 0
    ) -> None:
        self.name = 'synth'
        self._arguments = [soundfont, str(gain), driver, str(priority)]
        self._child: Child | None = None

    @property
    def problem(self) -> str:
        return self._child.problem if self._child else ''

    def open(self) -> None:
        self._child = Child(
            'the software synth', 'improv_ros.playing.synth_process', self._arguments, OPENING
        )

    def send(self, event: TimedEvent) -> None:
        if self._child is None:
            raise PlayingError('the software synth is not open')
        if event.kind in PLAYABLE:
            self._child.write(line_of(event))

    def close(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.close()
