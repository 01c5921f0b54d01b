"""A thin layer over fluidsynth: events in, sound out, with errors in plain words."""

from array import array
from ctypes import c_int, c_void_p
import os
from threading import Lock
from typing import Any

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.soundfont import find_soundfont

CHANNELS = 16
PLAYABLE = frozenset({'no', 'nf', 'cc', 'pc', 'pw'})
AUTOMATIC_DRIVERS = ('pulseaudio', 'alsa')
# Fewer or smaller buffers leave audible gaps through a PulseAudio server.
BUFFERS = {'pulseaudio': {'audio.period-size': 1024, 'audio.periods': 8}}
QUIET_LOG_LEVELS = (2, 3, 4)  # fluidsynth's warnings, notices and debugging


_importing = Lock()


def _load_library() -> Any:
    try:
        with _importing:
            # Where the variable CI is set, it prints on standard output where its library is.
            ci = os.environ.pop('CI', None)
            try:
                import fluidsynth
            finally:
                if ci is not None:
                    os.environ['CI'] = ci
    except ModuleNotFoundError as error:
        raise PlayingError(
            'the software synth needs the Python package pyfluidsynth: pip install pyfluidsynth'
        ) from error
    except (ImportError, OSError) as error:
        raise PlayingError(
            'the software synth needs the fluidsynth library: apt install libfluidsynth3'
        ) from error
    set_log_function = fluidsynth._fl.fluid_set_log_function
    set_log_function.argtypes = [c_int, c_void_p, c_void_p]
    for level in QUIET_LOG_LEVELS:
        set_log_function(level, None, None)
    return fluidsynth


class Synth:
    """A software synthesiser with a soundfont, by default the best that is installed.

    `effects` are reverb and chorus.
    """

    def __init__(
        self,
        soundfont: str = '',
        gain: float = 1.0,
        sample_rate: int = 44100,
        effects: bool = True,
    ) -> None:
        path = find_soundfont(soundfont)
        self._library = _load_library()
        self._clock: Any = None
        settings = {'synth.reverb.active': int(effects), 'synth.chorus.active': int(effects)}
        self._synth = self._library.Synth(
            gain=float(gain), samplerate=sample_rate, channels=CHANNELS, **settings
        )
        if self._synth.sfload(str(path), 1) == self._library.FLUID_FAILED:
            self.close()
            raise PlayingError(f'{path} is not a soundfont that fluidsynth can read')

    def connect_to_audio_device(self, driver: str = '') -> None:
        """Sound through an audio driver ('' is the first that starts), or raise PlayingError."""
        synth = self._synth
        for choice in [driver] if driver else AUTOMATIC_DRIVERS:
            synth.setting('audio.driver', choice)
            for name, value in BUFFERS.get(choice, {}).items():
                synth.setting(name, value)
            synth.audio_driver = self._library.new_fluid_audio_driver(synth.settings, synth.synth)
            if synth.audio_driver:
                return
        raise PlayingError(
            f'the software synth finds no audio device (driver {driver or "automatic"}): '
            'is there a sound card, or a sound server running?'
        )

    def milliseconds_taken(self) -> int:
        """Return how much sound was taken so far; it stands still when the audio device does."""
        if self._clock is None:
            self._clock = self._library.Sequencer(use_system_timer=False)
            self._clock.register_fluidsynth(self._synth)
        return self._clock.get_tick()

    def play(self, event: TimedEvent) -> None:
        """Act on an event at once; its time is not looked at."""
        synth, values = self._synth, event.values
        if is_note_on(event):
            pitch, velocity, channel = values
            synth.noteon(channel, pitch, velocity)
        elif is_note_off(event):
            pitch, _, channel = values
            synth.noteoff(channel, pitch)
        elif event.kind == 'cc':
            synth.cc(*values)
        elif event.kind == 'pc':
            synth.program_change(*values)
        elif event.kind == 'pw':
            synth.pitch_bend(*values)

    def render(self, frames: int) -> array:
        """Return the next `frames` frames, interleaved stereo, full scale at 1 (float32)."""
        samples = array('f', bytes(8 * frames))
        address, _ = samples.buffer_info()
        self._write_float(self._synth.synth, frames, address, 0, 2, address, 1, 2)
        return samples

    def render_int16(self, frames: int) -> bytes:
        """Return the next `frames` frames, interleaved stereo, clipped to 16 bits."""
        samples = array('h', bytes(4 * frames))
        address, _ = samples.buffer_info()
        self._library.fluid_synth_write_s16(
            self._synth.synth, frames, address, 0, 2, address, 1, 2
        )
        return samples.tobytes()

    def close(self) -> None:
        self._synth.delete()

    @property
    def _write_float(self) -> Any:
        function = self._library._fl.fluid_synth_write_float
        buffer = [c_void_p, c_int, c_int]
        function.argtypes = [c_void_p, c_int, *buffer, *buffer]
        return function
