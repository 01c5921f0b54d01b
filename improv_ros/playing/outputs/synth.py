from improv_ros.event_text import TimedEvent
from improv_ros.playing.synth import Synth


class SynthOutput:
    """
    A software synthesiser on the default audio device.

    `driver` is 'pulseaudio', 'alsa' or another of fluidsynth's; '' takes the first that starts.
    """

    problem = ''  # fluidsynth plays on, mute, when its sound server dies, and tells nobody

    def __init__(self, soundfont: str = '', gain: float = 1.0, driver: str = '') -> None:
        self.name = 'synth'
        self._soundfont = soundfont
        self._gain = gain
        self._driver = driver
        self._synth: Synth | None = None

    def open(self) -> None:
        self._synth = Synth(self._soundfont, self._gain)
        self._synth.connect_to_audio_device(self._driver)

    def send(self, event: TimedEvent) -> None:
        assert self._synth is not None
        self._synth.play(event)

    def close(self) -> None:
        if self._synth is not None:
            synth, self._synth = self._synth, None
            synth.close()
