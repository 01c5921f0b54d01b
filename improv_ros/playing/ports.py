"""
MIDI ports of this computer: which there are, and finding one by a part of its name.

Ports live in one of two places ("api"): the ALSA sequencer ('alsa') or a JACK server ('jack').
"""

from collections.abc import Callable
import os
from pathlib import Path
from typing import TypeVar

import mido

from improv_ros.playing.errors import PlayingError

BACKENDS = {'alsa': 'LINUX_ALSA', 'jack': 'UNIX_JACK'}
ALSA_SEQUENCER = Path('/dev/snd/seq')
CLIENT_NAME = 'improv_ros'

_Alsa = TypeVar('_Alsa')
_Jack = TypeVar('_Jack')

# Looking for a JACK server must not start one.
os.environ.setdefault('JACK_NO_START_SERVER', '1')


def input_names(api: str = '') -> list[str]:
    """Names of the ports from which MIDI can be received."""
    return _names(_backend(api), 'input')


def output_names(api: str = '') -> list[str]:
    """Names of the ports to which MIDI can be sent."""
    return _names(_backend(api), 'output')


def is_alsa(api: str) -> bool:
    """Tell whether an api ('' is the first that works) is ALSA's; PlayingError if it cannot be."""
    if api not in ('', *BACKENDS):
        raise PlayingError(f'MIDI api {api!r} is unknown: choose alsa, jack or none')
    if api == 'alsa' and not ALSA_SEQUENCER.exists():
        raise PlayingError(
            f'there is no ALSA sequencer ({ALSA_SEQUENCER}): load the kernel module snd-seq, '
            'or use a JACK server (api jack)'
        )
    return api != 'jack' and ALSA_SEQUENCER.exists()


def open_in(api: str, alsa: Callable[[], _Alsa], jack: Callable[[], _Jack]) -> _Alsa | _Jack:
    """Return what is opened in an api ('' is the first that works); PlayingError if none works."""
    if is_alsa(api):
        return alsa()
    try:
        return jack()
    except PlayingError as error:
        if api:
            raise
        missing = f'there is no ALSA sequencer ({ALSA_SEQUENCER}), and with JACK: '
        raise PlayingError(f'{missing}{error}') from error


def choose_api(api: str) -> str:
    """Return 'alsa' or 'jack', for '' the first that works; PlayingError when it does not."""
    try:
        import rtmidi
    except ImportError as error:
        raise PlayingError(
            'MIDI ports need the Python package python-rtmidi: pip install python-rtmidi'
        ) from error
    if is_alsa(api):
        return 'alsa'
    try:
        rtmidi.MidiOut(rtapi=rtmidi.API_UNIX_JACK).delete()
    except (rtmidi.RtMidiError, OSError) as error:
        server = os.environ.get('JACK_DEFAULT_SERVER', 'default')
        missing = f'no JACK server named {server!r} is running'
        if not api:
            missing = f'there is no ALSA sequencer ({ALSA_SEQUENCER}), and {missing}'
        raise PlayingError(
            f'{missing}: start one (jackd), load snd-seq, or give socket://host:port as the port'
        ) from error
    return 'jack'


def _backend(api: str) -> mido.Backend:
    """Return mido's backend for an api."""
    return mido.Backend(f'mido.backends.rtmidi/{BACKENDS[choose_api(api)]}', use_environ=False)


def _names(backend: mido.Backend, direction: str) -> list[str]:
    names = getattr(backend, f'get_{direction}_names')()
    return list(dict.fromkeys(names))


def match(port: str, names: list[str], direction: str) -> str:
    """Return the name that `port` is part of; PlayingError tells which there are."""
    wanted = port.casefold()
    if not wanted:
        matching = [name for name in names if 'through' not in name.casefold()]
    else:
        matching = [name for name in names if wanted in name.casefold()]
        matching.sort(key=lambda name: name.casefold() != wanted)
    if not matching:
        there_are = ', '.join(map(repr, names)) or 'none'
        asked = f'matches {port!r}' if port else 'can be used'
        raise PlayingError(f'no MIDI {direction} port {asked}; the ports are: {there_are}')
    return matching[0]
