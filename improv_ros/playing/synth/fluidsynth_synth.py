# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""FluidSynth: events in, audio out, and errors that name a remedy."""

from array import array
from ctypes import c_int, c_void_p
import os
from pathlib import Path
from threading import Lock
from typing import Any

from improv_ros.event_text import TimedEvent, is_note_off, is_note_on
from improv_ros.playing import PlayingError
from improv_ros.process import packages

CHANNELS = 16
PLAYABLE = frozenset({'no', 'nf', 'cc', 'pc', 'pw'})
AUTOMATIC_DRIVERS = ('pulseaudio', 'alsa')
# Smaller or fewer buffers leave audible gaps with a PulseAudio server.
BUFFERS = {'pulseaudio': {'audio.period-size': 1024, 'audio.periods': 8}}
SILENCED_LOG_LEVELS = (2, 3, 4)  # of FluidSynth: warnings, information, debugging

SOUNDFONT_FOLDERS = (Path('/usr/share/sounds/sf2'), Path('/usr/share/soundfonts'))
# Of Debian's soundfonts, the one with the best piano first.
PREFERRED_SOUNDFONTS = ('FluidR3_GM.sf2', 'default-GM.sf2', 'TimGM6mb.sf2')

_BUFFER = (('samples', c_void_p), ('offset', c_int), ('increment', c_int))
_importing = Lock()


def _load_library() -> Any:
    try:
        with _importing:
            # If the variable CI is set, pyfluidsynth prints the path of the library.
            ci = os.environ.pop('CI', None)
            try:
                import fluidsynth
            finally:
                if ci is not None:
                    os.environ['CI'] = ci
    except ModuleNotFoundError as error:
        raise PlayingError(f'the software synthesiser: {packages.advice(error)}') from error
    except (ImportError, OSError) as error:
        raise PlayingError(
            'the software synthesiser needs the FluidSynth library: apt install libfluidsynth3'
        ) from error
    set_log_function = fluidsynth.cfunc(
        'fluid_set_log_function',
        c_void_p,
        *(('level', c_int, 1), ('function', c_void_p, 1), ('data', c_void_p, 1)),
    )
    for level in SILENCED_LOG_LEVELS:
        set_log_function(level, None, None)
    return fluidsynth


def _write_float_function(library: Any) -> Any:
    """Return fluid_synth_write_float, which pyfluidsynth does not declare."""
    buffers = [(f'{side}_{name}', kind, 1) for side in ('left', 'right') for name, kind in _BUFFER]
    return library.cfunc(
        'fluid_synth_write_float', c_int, ('synth', c_void_p, 1), ('frames', c_int, 1), *buffers
    )


class Synth:
    """
    A software synthesiser with one soundfont.

    soundfont: path; '' is the best that is installed.
    gain: factor of the amplitude.
    sample_rate: in hertz.
    effects: whether there are reverb and chorus.

    Raises PlayingError if FluidSynth or the soundfont is missing.
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
        self._write_float = _write_float_function(self._library)
        self._clock: Any = None
        settings = {'synth.reverb.active': int(effects), 'synth.chorus.active': int(effects)}
        self._synth = self._library.Synth(
            gain=float(gain), samplerate=sample_rate, channels=CHANNELS, **settings
        )
        try:
            if self._synth.sfload(str(path), 1) == self._library.FLUID_FAILED:
                raise PlayingError(f'{path} is not a soundfont that FluidSynth can read')
        except Exception:
            self.close()
            raise

    def connect_to_audio_device(self, driver: str = '') -> None:
        """Play through an audio driver ('' is the first that works); PlayingError if none does."""
        synth = self._synth
        for choice in [driver] if driver else AUTOMATIC_DRIVERS:
            synth.setting('audio.driver', choice)
            for name, value in BUFFERS.get(choice, {}).items():
                synth.setting(name, value)
            synth.audio_driver = self._library.new_fluid_audio_driver(synth.settings, synth.synth)
            if synth.audio_driver:
                return
        raise PlayingError(
            f'the software synthesiser finds no audio device (driver {driver or "automatic"}): '
            'is there a sound card, or a sound server running?'
        )

    def milliseconds_rendered(self) -> int:
        """Return the milliseconds of audio that the audio device has taken so far."""
        if self._clock is None:
            self._clock = self._library.Sequencer(use_system_timer=False)
            self._clock.register_fluidsynth(self._synth)
        return self._clock.get_tick()

    def play(self, event: TimedEvent) -> None:
        """Play an event at once, whatever its time; kinds not in PLAYABLE do nothing."""
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
        """Return the next `frames` frames: float32, interleaved stereo, full scale is 1."""
        samples = array('f', bytes(8 * frames))
        address, _ = samples.buffer_info()
        self._write_float(self._synth.synth, frames, address, 0, 2, address, 1, 2)
        return samples

    def render_int16(self, frames: int) -> bytes:
        """Return the next `frames` frames: int16, interleaved stereo, clipped."""
        samples = array('h', bytes(4 * frames))
        address, _ = samples.buffer_info()
        self._library.fluid_synth_write_s16(
            self._synth.synth, frames, address, 0, 2, address, 1, 2
        )
        return samples.tobytes()

    def close(self) -> None:
        self._synth.delete()


def find_soundfont(path: str = '') -> Path:
    """Return `path`, or for '' the best soundfont installed; PlayingError if there is none."""
    if path:
        soundfont = Path(path).expanduser()
        if not soundfont.is_file():
            raise PlayingError(
                f'there is no soundfont {soundfont}: name another, or none for an installed one'
            )
        return soundfont
    for name in PREFERRED_SOUNDFONTS:
        for folder in SOUNDFONT_FOLDERS:
            if (folder / name).is_file():
                return folder / name
    others = sorted(found for folder in SOUNDFONT_FOLDERS for found in folder.glob('*.sf2'))
    if not others:
        searched = ' or '.join(map(str, SOUNDFONT_FOLDERS))
        raise PlayingError(
            f'there is no soundfont in {searched}: install one (apt install timgm6mb-soundfont), '
            'or name the file'
        )
    return others[0]
