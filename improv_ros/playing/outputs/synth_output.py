# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from improv_ros.event_text import TimedEvent
from improv_ros.playing import PlayingError
from improv_ros.playing.helper_process import HelperProcess
from improv_ros.playing.synth.fluidsynth_synth import PLAYABLE
from improv_ros.playing.synth.synth_process import line_of

START_TIMEOUT = 10.0  # seconds; loading a large soundfont takes several


class SynthOutput:
    """
    FluidSynth on the default audio device, in a helper process.

    soundfont: path; '' is the best that is installed.
    gain: factor of the amplitude.
    driver: audio driver of FluidSynth, such as 'pulseaudio' or 'alsa'; '' is the first that works.
    priority: real-time priority of the thread that reads events, 1 to 99; 0 is none.
    """

    def __init__(
        self, soundfont: str = '', gain: float = 1.0, driver: str = '', priority: int = 0
    ) -> None:
        self.name = 'synth'
        self._arguments = [soundfont, str(gain), driver, str(priority)]
        self._helper: HelperProcess | None = None

    @property
    def problem(self) -> str:
        return self._helper.problem if self._helper else ''

    def open(self) -> None:
        self._helper = HelperProcess(
            'the software synthesiser',
            'improv_ros.playing.synth.synth_process',
            self._arguments,
            START_TIMEOUT,
        )

    def send(self, event: TimedEvent) -> None:
        if self._helper is None:
            raise PlayingError('the software synthesiser is not open')
        if event.kind in PLAYABLE:
            self._helper.write(line_of(event))

    def close(self) -> None:
        if self._helper is not None:
            helper, self._helper = self._helper, None
            helper.close()
