"""Who is connected to whom at the ALSA sequencer, as the kernel tells it in a file."""

from pathlib import Path
import re

CLIENTS = Path('/proc/asound/seq/clients')

_CLIENT = re.compile(r'Client +\d+ : "(.*)" \[')
_CONNECTION = re.compile(r' +Connect(ing To|ed From): ')


def connection_problem(client: str, path: Path = CLIENTS) -> str:
    """
    Return what is wrong with the only connection of one of our own clients; empty when it stands.

    Where the kernel does not tell, nothing is known to be wrong.
    """
    try:
        text = path.read_text(errors='replace')
    except OSError:
        return ''
    current = ''
    for line in text.splitlines():
        if header := _CLIENT.match(line):
            current = header[1]
        elif current == client and _CONNECTION.match(line):
            return ''
    return 'the MIDI port is gone, or was disconnected'
