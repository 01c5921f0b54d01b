# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A bank of piano sounds for players that have no synthesiser, such as a browser.

Every third key is rendered at three velocities through a soundfont and compressed. The file
begins with the length of its index (4 bytes, little endian) and the index, JSON: the rate and a
list of [pitch, velocity, offset, length], the offset counted from the end of the index.
"""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
from io import BytesIO
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile

import numpy as np

from improv_ros.event_text import control_change, note_on
from improv_ros.playing import PlayingError
from improv_ros.playing.synth.fluidsynth_synth import Synth, find_soundfont

FORM = 3  # of the file; another number is another file in the cache
KEYS = range(21, 109, 3)
VELOCITIES = (36, 72, 112)
RATE = 44100
LONGEST, SHORTEST = 7.0, 1.2  # seconds that the lowest and the highest key sound
GAIN = 2.0
ALL_SOUND_OFF = 120  # controller
FADE = 0.4  # seconds at the end
LARGEST_BANK = 8_000_000  # bytes
TIMEOUT = 180.0  # seconds that rendering may take on a busy machine


def cached_bank(soundfont: str = '') -> Path:
    """Return the file of the bank of a soundfont, rendered in a process of its own if needed.

    Raises PlayingError where there is no soundfont or no synthesiser.
    """
    font = find_soundfont(soundfont).resolve()
    about = f'{FORM} {font} {font.stat().st_size} {font.stat().st_mtime_ns}'
    name = f'piano_{hashlib.sha256(about.encode()).hexdigest()[:16]}.bank'
    path = cache_folder() / name
    if not path.exists():
        command = [sys.executable, '-m', __name__, str(font), str(path)]
        try:
            done = subprocess.run(
                command,
                timeout=TIMEOUT,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            raise PlayingError('the piano sounds could not be rendered in time') from None
        if not path.exists():
            reason = done.stderr.strip().rpartition('\n')[2] or f'exit code {done.returncode}'
            raise PlayingError(f'the piano sounds could not be rendered: {reason}')
    return path


def cache_folder() -> Path:
    """Return the folder for what can be made again."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'improv_ros'


def render_bank(
    soundfont: str = '',
    keys: Iterable[int] = KEYS,
    velocities: Iterable[int] = VELOCITIES,
) -> bytes:
    """Return a bank; PlayingError where it cannot be rendered."""
    index = []
    sounds = []
    offset = 0
    synth = Synth(soundfont, GAIN, RATE, effects=False)
    try:
        for pitch in keys:
            for velocity in velocities:
                sound = compress(_sound(synth, pitch, velocity))
                index.append([pitch, velocity, offset, len(sound)])
                sounds.append(sound)
                offset += len(sound)
    finally:
        synth.close()
    header = json.dumps({'rate': RATE, 'sounds': index}, separators=(',', ':')).encode()
    return b''.join([len(header).to_bytes(4, 'little'), header, *sounds])


def read_index(bank: bytes) -> tuple[list[list[int]], int]:
    """Return the index of a bank and where its sounds begin."""
    length = int.from_bytes(bank[:4], 'little')
    return json.loads(bank[4 : 4 + length])['sounds'], 4 + length


def nearest(pitch: int, velocity: int) -> tuple[int, int]:
    """Return the (pitch, velocity) of the bank's sound that a note is played with."""
    return min(KEYS, key=lambda k: (abs(k - pitch), k)), min(
        VELOCITIES, key=lambda v: (abs(v - velocity), v)
    )


def part_of(bank: bytes, wanted: set[tuple[int, int]]) -> bytes:
    """Return a bank with only those of its sounds (pitch, velocity)."""
    sounds, start = read_index(bank)
    index: list[list[int]] = []
    parts = []
    offset = 0
    for pitch, velocity, at, length in sounds:
        if (pitch, velocity) in wanted:
            index.append([pitch, velocity, offset, length])
            parts.append(bank[start + at : start + at + length])
            offset += length
    header = json.dumps({'rate': RATE, 'sounds': index}, separators=(',', ':')).encode()
    return b''.join([len(header).to_bytes(4, 'little'), header, *parts])


def compress(samples: np.ndarray) -> bytes:
    """Return mono int16 samples as MP3, which every browser reads, or else as Ogg Vorbis."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise PlayingError('piano sounds need the Python package soundfile') from error
    known = soundfile.available_formats()
    file = BytesIO()
    if 'MP3' in known:
        options = {'format': 'MP3', 'subtype': 'MPEG_LAYER_III'}
    else:
        options = {'format': 'OGG', 'subtype': 'VORBIS'}
    with soundfile.SoundFile(file, 'w', samplerate=RATE, channels=1, **options) as sound:
        sound.write(samples)
    return file.getvalue()


def _sound(synth: Synth, pitch: int, velocity: int) -> np.ndarray:
    seconds = LONGEST + (SHORTEST - LONGEST) * (pitch - KEYS[0]) / (KEYS[-1] - KEYS[0])
    synth.play(note_on(0, pitch, velocity))
    stereo = np.frombuffer(synth.render(round(seconds * RATE)), np.float32)
    synth.play(control_change(0, ALL_SOUND_OFF, 0))
    synth.render(RATE // 10)
    samples = stereo.reshape(-1, 2).mean(axis=1)
    fade = round(FADE * RATE)
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.round(32767 * np.clip(samples, -1, 1)).astype(np.int16)


def main(soundfont: str, path: str) -> int:
    """Render a bank into a file, which appears whole or not at all."""
    os.nice(10)  # music goes first
    try:
        bank = render_bank(soundfont)
    except PlayingError as error:
        print(error, file=sys.stderr)
        return 1
    if len(bank) > LARGEST_BANK:
        print(f'the bank has {len(bank)} bytes, over {LARGEST_BANK}', file=sys.stderr)
        return 1
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=Path(path).parent, delete=False) as file:
        file.write(bank)
    Path(file.name).replace(path)
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
