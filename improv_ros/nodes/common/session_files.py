# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The session so far as a file: event text, MIDI, sound, or a bag."""

from __future__ import annotations

from collections import defaultdict
import io
import json
import subprocess
import sys
import wave

from improv_ros.event_text import StreamWriter
from improv_ros.page.session_log import Logged, as_midi, as_text, events_of
from improv_ros.playing.synth.rendering import render

RATE = 44100


def as_wav(entries: list[Logged], soundfont: str = '') -> bytes:
    """Return both players rendered through a soundfont; PlayingError where that cannot be."""
    played = [e for topic in ('heard_notes', 'played_notes') for e in events_of(entries, topic)]
    samples = render(sorted(played, key=lambda event: event.time), soundfont, RATE)
    file = io.BytesIO()
    with wave.open(file, 'wb') as sound:
        sound.setparams((2, 2, RATE, len(samples), 'NONE', ''))
        sound.writeframes(samples.tobytes())
    return file.getvalue()


def as_bag(entries: list[Logged], namespace: str) -> bytes:
    """Return an MCAP file of the messages, written anew from their events in a child process.

    Raises ValueError where it cannot be written.
    """
    writers: defaultdict[str, StreamWriter] = defaultdict(StreamWriter)
    lines = [
        json.dumps([f'{namespace}/{entry.topic}', entry.received, text])
        for entry in entries
        for text in writers[entry.topic].write(entry.events)
    ]
    command = [sys.executable, '-m', 'improv_ros.bags.session_export']
    done = subprocess.run(command, input='\n'.join(lines).encode(), capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors='replace').strip().rpartition('\n')[2])
    return done.stdout


FORMS = {
    'txt': (lambda entries, _: as_text(entries).encode(), 'text/plain; charset=utf-8'),
    'mid': (lambda entries, _: as_midi(entries), 'audio/midi'),
    'wav': (lambda entries, _: as_wav(entries), 'audio/wav'),
    'mcap': (as_bag, 'application/octet-stream'),
}  # by the end of the file's name: (maker, content type)
