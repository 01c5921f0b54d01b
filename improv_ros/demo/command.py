"""`improv demo`: a recording goes into the chain; sound, MIDI, text and a picture come out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import random
import sys
import time

import numpy as np
import soundfile as sf
import soxr
from tqdm import tqdm

from improv_ros import bringup, discovery
from improv_ros.demo.observer import Observer
from improv_ros.demo.picture import draw
from improv_ros.demo.session import Arrival, Session, describe, paired
from improv_ros.ensemble import Ensemble
from improv_ros.event_text import (
    Text,
    TimedEvent,
    format_text,
    from_timed,
    is_note_on,
    parse,
    text_to_midi,
    to_timed,
    write_midi,
)
from improv_ros.event_text.tempo import LIVE_RESOLUTION
from improv_ros.playing.errors import PlayingError
from improv_ros.playing.render import LARGEST_PEAK, render, write_wav

PHRASE = 'demo/fuer_elise.txt'
NAMESPACE = 'improv'
SAMPLE_RATE = 44100
PAUSE = 1.0  # seconds of silence after which the robot answers
QUIET = 3.0  # seconds without a new note, after the recording, that end the session
LONGEST_ANSWER = 20.0
BRINGUP_TIMEOUT = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--input', type=Path, help='recording to play (default: a phrase by Beethoven, rendered)'
    )
    parser.add_argument('--out', type=Path, default=Path('out'), help='folder for what comes out')
    parser.add_argument(
        '--output',
        default='file',
        help='outputs of the player; add synth to hear it live (default: %(default)s)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Run one session; return 1 where the chain did not come up or heard nothing."""
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    try:
        recording = arguments.input or render_phrase(out / 'phrase.wav')
        sound = read_sound(recording)
    except (OSError, PlayingError, sf.LibsndfileError) as error:
        print(f'improv demo: {error}', file=sys.stderr)
        return 2
    os.environ.update(discovery.environment('auto', os.environ))
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    session = perform(recording, len(sound) / SAMPLE_RATE, out, arguments.output)
    if session.began is None or not session.heard:
        print('improv demo: the chain heard nothing; its own words are above', file=sys.stderr)
        return 1
    keep(session, sound, out)
    return 0


def render_phrase(path: Path) -> Path:
    """Render the phrase of the demonstration through the soundfont."""
    text = parse(bringup.share(PHRASE).read_text())
    write_wav(path, render(to_timed(text), sample_rate=SAMPLE_RATE), SAMPLE_RATE)
    return path


def read_sound(path: Path) -> np.ndarray:
    """Return a recording as float32 of shape (frames, 2) at SAMPLE_RATE."""
    samples, rate = sf.read(path, dtype='float32', always_2d=True)
    return np.repeat(soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE)[:, None], 2, axis=1)


def perform(recording: Path, seconds: float, out: Path, output: str) -> Session:
    """Run the chain over the recording until the robot has had its last word."""
    nodes = bringup.chain({'input': 'file', 'file': str(recording.absolute()), 'output': output})
    for node in nodes:
        if node.executable == 'microphone':
            node.parameters['await_listeners'] = 2  # the transcriber and the observer
        if node.executable == 'improviser':
            node.parameters['pause'] = PAUSE
        if node.executable == 'midi_player':
            for parameter, name in (('midi_file', 'robot.mid'), ('wav_file', 'robot.wav')):
                (out / name).unlink(missing_ok=True)  # the player would keep what was there
                node.parameters[parameter] = str((out / name).absolute())
    ensemble = Ensemble(nodes, namespace=NAMESPACE, log_level='warn')
    with Observer(NAMESPACE) as observer:
        print('bringing up the chain: ' + ', '.join(node.executable for node in nodes))
        ensemble.start(*(node.executable for node in nodes[1:]))
        try:
            await_chain(observer, ensemble)
            ensemble.start()
            watch(observer, ensemble, seconds)
        finally:
            codes = ensemble.stop()
    for name, code in codes.items():
        if code:
            print(f'improv demo: {name} left with exit code {code}', file=sys.stderr)
    return observer.session


def await_chain(observer: Observer, ensemble: Ensemble) -> None:
    """Wait until the note topics are connected, so that not even the first note is missed."""
    deadline = time.monotonic() + BRINGUP_TIMEOUT
    while not observer.ready() and time.monotonic() < deadline and not ensemble.ended():
        time.sleep(0.05)


def watch(observer: Observer, ensemble: Ensemble, seconds: float) -> None:
    """Show progress until the session is over, or the chain is."""
    session = observer.session
    deadline = time.monotonic() + BRINGUP_TIMEOUT
    while session.began is None and time.monotonic() < deadline and not ensemble.ended():
        time.sleep(0.05)
    began = quiet_since = time.monotonic()
    events = 0
    form = '{desc}|{bar}| {n:.0f}/{total:.0f} s {postfix}'
    interval = 0.2 if sys.stderr.isatty() else 5.0
    with tqdm(total=seconds, bar_format=form, desc='playing', mininterval=interval) as progress:
        while session.began is not None and not ensemble.ended():
            time.sleep(0.2)
            elapsed = time.monotonic() - began
            count = len(session.heard) + len(session.generated) + len(session.played)
            if count != events:
                events, quiet_since = count, time.monotonic()
            progress.set_postfix_str(
                f'{note_count(session.heard)} notes heard, {note_count(session.played)} played',
                refresh=False,
            )
            progress.update(min(elapsed, seconds) - progress.n)
            quiet = elapsed > seconds and time.monotonic() - quiet_since > QUIET
            if quiet or elapsed > seconds + LONGEST_ANSWER:
                break


def note_count(arrivals: list[Arrival]) -> int:
    """Return how many notes begin among the events."""
    return sum(is_note_on(arrival.event) for arrival in arrivals)


def keep(session: Session, sound: np.ndarray, out: Path) -> None:
    """Write what came out of the session, and print its summary."""
    assert session.began is not None
    heard, generated, played = (
        [arrival.event for arrival in arrivals]
        for arrivals in (session.heard, session.generated, session.played)
    )
    for name, events in (('heard', heard), ('generated', generated)):
        (out / f'{name}.txt').write_text(format_text(from_timed(events)))
    write_session(out / 'improvisation.mid', session)
    write_wav(out / 'improvisation.wav', mix(session.began, sound, played), SAMPLE_RATE)
    lines = {
        'notes heard': str(note_count(session.heard)),
        'notes generated': str(len(paired(generated))),
        'notes played': str(note_count(session.played)),
        'from sound to heard': describe(session.hearing()),
        f'from end of phrase ({PAUSE:g} s pause) to answer': describe(
            session.answering(int(PAUSE * 1e9))
        ),
        'from heard to falling silent': describe(session.yielding()),
        'lateness of playback': describe(session.lateness()),
    }
    latencies = [f'{name}: {value}' for name, value in list(lines.items())[3:]]
    caption = '\n'.join('   ·   '.join(latencies[i : i + 2]) for i in (0, 2))
    draw(out / 'improvisation.png', paired(heard), paired(generated), session.began, caption)
    width = max(map(len, lines))
    print('\n'.join(f'{name:{width}}  {value}' for name, value in lines.items()))
    names = 'improvisation.wav, .mid, .png, heard.txt, generated.txt, robot.mid'
    print(f'written to {out}/: {names}')


def write_session(path: Path, session: Session) -> None:
    """Write a MIDI file of two tracks, the person and the robot, from when the sound began."""
    assert session.began is not None
    beginning = TimedEvent(session.began, 'pc', (0, 0))
    tracks = [
        from_timed([beginning, *(arrival.event for arrival in arrivals)]).events
        for arrivals in (session.heard, session.played)
    ]
    with path.open('wb') as file:
        write_midi(text_to_midi(Text(LIVE_RESOLUTION, tracks)), file)


def mix(began: int, sound: np.ndarray, played: list[TimedEvent]) -> np.ndarray:
    """Return the recording and the robot together: int16 of shape (frames, 2), not clipped."""
    robot = render(played, sample_rate=SAMPLE_RATE, start=began) / np.float32(32768)
    mixed = np.zeros((max(len(sound), len(robot)), 2), np.float32)
    mixed[: len(sound)] += sound
    mixed[: len(robot)] += robot
    peak = float(np.abs(mixed).max())
    return np.round(mixed * 32767 * min(1.0, LARGEST_PEAK / peak)).astype(np.int16)
