# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""
The names of the MIDI ports of this computer, and finding a port by a part of its name.

A port belongs to an API: the ALSA sequencer ('alsa') or a JACK server ('jack').
"""

import os
from pathlib import Path

import mido

from improv_ros.playing import PlayingError
from improv_ros.process import packages
from improv_ros.process.native_stderr import native_stderr_discarded

BACKENDS = {'alsa': 'LINUX_ALSA', 'jack': 'UNIX_JACK'}
ALSA_SEQUENCER = Path('/dev/snd/seq')
NO_ALSA = f'there is no ALSA sequencer ({ALSA_SEQUENCER})'
CLIENT_NAME = 'improv_ros'

# Looking for a JACK server must not start one.
os.environ.setdefault('JACK_NO_START_SERVER', '1')


def input_names(api: str = '') -> list[str]:
    """Return the names of the ports that MIDI can be received from."""
    return list(dict.fromkeys(_backend(api).get_input_names()))


def output_names(api: str = '') -> list[str]:
    """Return the names of the ports that MIDI can be sent to."""
    return list(dict.fromkeys(_backend(api).get_output_names()))


def is_alsa(api: str) -> bool:
    """
    Return whether an API is ALSA; '' is ALSA if there is an ALSA sequencer.

    Raises PlayingError for an unknown API, and for 'alsa' if there is no sequencer.
    """
    if api not in ('', *BACKENDS):
        raise PlayingError(f'MIDI API {api!r} is unknown: choose alsa, jack or none')
    if api == 'alsa' and not ALSA_SEQUENCER.exists():
        raise PlayingError(
            f'{NO_ALSA}: load the kernel module snd-seq, or use a JACK server (midi_api: jack)'
        )
    return api != 'jack' and ALSA_SEQUENCER.exists()


def choose_api(api: str) -> str:
    """
    Return 'alsa' or 'jack'; for '' the first of them that works.

    Raises PlayingError if python-rtmidi is not installed or the API does not work.
    """
    try:
        import rtmidi
    except ImportError as error:
        raise PlayingError(f'MIDI ports: {packages.advice(error)}') from error
    if is_alsa(api):
        return 'alsa'
    try:
        with native_stderr_discarded():
            rtmidi.MidiOut(rtapi=rtmidi.API_UNIX_JACK).delete()
    except (rtmidi.RtMidiError, OSError) as error:
        server = os.environ.get('JACK_DEFAULT_SERVER', 'default')
        missing = f'no JACK server named {server!r} is running'
        if not api:
            missing = f'{NO_ALSA}, and {missing}'
        raise PlayingError(
            f'{missing}: start one (jackd), load snd-seq, or give socket://host:port as the port'
        ) from error
    return 'jack'


def match(port: str, names: list[str], direction: str) -> str:
    """
    Return the name that contains `port`, ignoring case; an exact match comes first.

    '' matches the first port that is not a "Midi Through" port of ALSA. Raises PlayingError with
    the names that exist if none matches.
    """
    wanted = port.casefold()
    if not wanted:
        matching = [name for name in names if 'through' not in name.casefold()]
    else:
        matching = [name for name in names if wanted in name.casefold()]
        matching.sort(key=lambda name: name.casefold() != wanted)
    if not matching:
        existing = ', '.join(map(repr, names)) or 'none'
        reason = f'matches {port!r}' if port else 'can be used'
        raise PlayingError(f'no MIDI {direction} port {reason}; the ports are: {existing}')
    return matching[0]


def _backend(api: str) -> mido.Backend:
    return mido.Backend(f'mido.backends.rtmidi/{BACKENDS[choose_api(api)]}', use_environ=False)
