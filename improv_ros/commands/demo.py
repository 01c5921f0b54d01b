# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv demo`: play a recording to the robot; write its answer as WAV, MIDI, text, PNG, HTML.

With a body, the answer is played by its simulation, and a GIF shows how.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import random
import sys
from threading import Event
import time

import numpy as np
import soundfile as sf
import soxr
from tqdm import tqdm

from improv_ros.bags.session import Arrival, Session, describe, paired
from improv_ros.bags.session_observer import Observer
from improv_ros.bags.session_picture import draw
from improv_ros.bringup import chain_spec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.bringup.namespace_claim import Claim, ClaimedError
from improv_ros.bringup.ros_environment import discovery_variables
from improv_ros.bringup.shared_files import shared_file
from improv_ros.commands.page import page_of
from improv_ros.commands.run import run_until_stopped
from improv_ros.event_text import (
    SECOND,
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
from improv_ros.listening.capture import SourceError
from improv_ros.listening.capture.file_source import open_recording
from improv_ros.nodes.common.bodies import load_body
from improv_ros.nodes.common.managed_node import NotReadyError
from improv_ros.playing import PlayingError
from improv_ros.playing.synth.rendering import MAX_PEAK, render, write_wav
from improv_ros.process import packages, signals
from improv_ros.process.backoff import UNUSABLE

PHRASE = 'demo/fuer_elise.txt'
NAMESPACE = 'improv'
SAMPLE_RATE = 44100
END_SILENCE = 3.0  # seconds without an event after the recording, which end the session
MAX_ANSWER = 20.0  # seconds after the recording, which end the session
BRINGUP_TIMEOUT = 60.0
MAX_MOTION = 10 * SECOND  # of the GIF


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--input',
        type=Path,
        help='recording of the person (default: a rendered phrase of Für Elise)',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out'), help='folder for the results (default: out)'
    )
    parser.add_argument(
        '--output',
        default='file',
        help='outputs of the player; add synth to hear it live (default: %(default)s)',
    )
    parser.add_argument(
        '--body',
        default='',
        help='simulated body that plays: drums_8, marimba_arms, piano_88 or a YAML file',
    )
    parser.add_argument(
        '--live',
        action='store_true',
        help='play and hear in a browser until Ctrl-C, without a recording and a sound card',
    )
    parser.add_argument(
        '--page',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='serve the live page meanwhile (default: %(default)s)',
    )
    parser.add_argument('--page-port', default='', help='TCP port of the page (default: 8765)')


def run(arguments: argparse.Namespace) -> int:
    """Run one session; return 1 where the nodes did not start or transcribed nothing."""
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.body:
        for module in packages.missing(('mujoco', 'PIL')):
            print(f'improv demo: {packages.what_to_install(module)}', file=sys.stderr)
            return UNUSABLE
        try:
            load_body(arguments.body)
        except NotReadyError as error:
            print(f'improv demo: {error}', file=sys.stderr)
            return 2
    os.environ.update(discovery_variables('auto', os.environ))
    if arguments.live:
        return run_live(out, arguments.page_port)
    try:
        recording = arguments.input or render_phrase(out / 'phrase.wav')
        sound = read_sound(recording)
    except (OSError, PlayingError, SourceError, sf.LibsndfileError) as error:
        print(f'improv demo: {error}', file=sys.stderr)
        return 2
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    try:
        claim = Claim(NAMESPACE, os.environ)
    except ClaimedError:
        domain = os.environ['ROS_DOMAIN_ID']
        print(
            f'improv demo: nodes are already running in ROS domain {domain}: end them, or choose '
            'another ROS_DOMAIN_ID',
            file=sys.stderr,
        )
        return UNUSABLE
    stop = signals.stop_event()
    seconds = len(sound) / SAMPLE_RATE
    extra = {'page': str(arguments.page).lower(), 'page_port': arguments.page_port}
    if arguments.body:
        extra |= {'body': arguments.body, 'simulate': 'true'}
    session = run_session(recording, seconds, out, arguments.output, stop, extra)
    claim.close()
    if stop.is_set():
        return signals.INTERRUPTED
    signals.nothing_to_clean_up()
    if session.began is None or not session.heard:
        print(
            'improv demo: no notes were transcribed; the log of the nodes is above',
            file=sys.stderr,
        )
        return 1
    write_results(session, sound, out)
    if arguments.body:
        write_motion(session, arguments.body, out)
    return 0


def render_phrase(path: Path) -> Path:
    """Render the phrase of the demonstration with the soundfont; return the path."""
    text = parse(shared_file(PHRASE).read_text())
    write_wav(path, render(to_timed(text), sample_rate=SAMPLE_RATE), SAMPLE_RATE)
    return path


def read_sound(path: Path) -> np.ndarray:
    """Return a recording as float32 of shape (frames, 2) at SAMPLE_RATE."""
    with open_recording(path) as file:
        samples, rate = file.read(dtype='float32', always_2d=True), file.samplerate
    return np.repeat(soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE)[:, None], 2, axis=1)


def run_live(out: Path, page_port: str) -> int:
    """Run the nodes for browsers to play on, until Ctrl-C; the answers go into a MIDI file."""
    nodes = chain_spec.chain({'input': 'page', 'output': 'file', 'page_port': page_port})
    for node in nodes:
        if node.executable == 'midi_player':
            node.parameters['midi_file'] = str((out / 'robot.mid').absolute())
        if node.executable == 'live_page':
            node.parameters['recordings'] = str(out.absolute())
    print('Open the address below in a browser, switch Sound on, and play. Ctrl-C ends it.')
    return run_until_stopped(Ensemble(nodes, NAMESPACE, log_level='warn'))


def run_session(
    recording: Path,
    seconds: float,
    out: Path,
    output: str,
    stop: Event,
    extra: dict[str, str],
) -> Session:
    """
    Run the nodes until the recording and the answer of the robot have ended.

    extra: more arguments of the chain.
    """
    nodes = chain_spec.chain(
        {'input': 'file', 'file': str(recording.absolute()), 'output': output, **extra}
    )
    for node in nodes:
        if node.executable == 'microphone':
            node.parameters['min_subscribers'] = 2  # the transcriber and the observer
        if node.executable == 'robot_performer':
            node.parameters['learned_file'] = str((out / 'learned_body.yaml').absolute())
        if node.executable == 'midi_player':
            for parameter, name in (('midi_file', 'robot.mid'), ('wav_file', 'robot.wav')):
                (out / name).unlink(missing_ok=True)  # the player never replaces a file
                node.parameters[parameter] = str((out / name).absolute())
    ensemble = Ensemble(nodes, namespace=NAMESPACE, log_level='warn')
    with Observer(NAMESPACE) as observer:
        print('starting ' + ', '.join(node.executable for node in nodes))
        ensemble.start(*(node.executable for node in nodes[1:]))
        try:
            wait_for_nodes(observer, ensemble, stop)
            if not stop.is_set():
                ensemble.start()
                watch(observer, ensemble, seconds, stop)
        finally:
            codes = ensemble.stop()
    for name, code in codes.items():
        if code:
            print(f'improv demo: {name} ended with exit code {code}', file=sys.stderr)
    return observer.session


def wait_for_nodes(observer: Observer, ensemble: Ensemble, stop: Event) -> None:
    """Wait until the note topics are connected, so that the first note is not lost."""
    deadline = time.monotonic() + BRINGUP_TIMEOUT
    while not observer.ready() and time.monotonic() < deadline and not ensemble.ended():
        if stop.wait(0.05):
            break


def watch(observer: Observer, ensemble: Ensemble, seconds: float, stop: Event) -> None:
    """Show the progress until the session ends, or a node does."""
    session = observer.session
    deadline = time.monotonic() + BRINGUP_TIMEOUT
    while session.began is None and time.monotonic() < deadline and not ensemble.ended():
        if stop.wait(0.05):
            return
    began = quiet_since = time.monotonic()
    events = 0
    form = '{desc}|{bar}| {n:.0f}/{total:.0f} s {postfix}'
    interval = 0.2 if sys.stderr.isatty() else 5.0
    with tqdm(total=seconds, bar_format=form, desc='playing', mininterval=interval) as progress:
        while session.began is not None and not ensemble.ended() and not stop.wait(0.2):
            elapsed = time.monotonic() - began
            count = len(session.heard) + len(session.generated) + len(session.played)
            if count != events:
                events, quiet_since = count, time.monotonic()
            progress.set_postfix_str(
                f'{note_count(session.heard)} notes heard, {note_count(session.played)} played',
                refresh=False,
            )
            progress.update(min(elapsed, seconds) - progress.n)
            quiet = elapsed > seconds and time.monotonic() - quiet_since > END_SILENCE
            if quiet or elapsed > seconds + MAX_ANSWER:
                break


def note_count(arrivals: list[Arrival]) -> int:
    """Return the number of note-ons."""
    return sum(is_note_on(arrival.event) for arrival in arrivals)


def summary(session: Session) -> dict[str, str]:
    """Return counts and latencies of the session, by what they are of, in the order to print."""
    lines = {
        'notes heard': str(note_count(session.heard)),
        'notes confirmed': str(note_count(session.confirmed)),
        'notes generated': str(len(paired([arrival.event for arrival in session.generated]))),
        'notes played': str(note_count(session.played)),
        'sound to heard note': describe(session.transcription_latencies()),
        'sound to confirmed note': describe(session.confirmation_latencies()),
        'end of phrase to answer': describe(session.answer_latencies()),
    }
    if yielding := session.yield_latencies():
        lines['heard note-on to silence'] = describe(yielding)
    lines['lateness of the player'] = describe(session.lateness())
    return lines


def write_results(session: Session, sound: np.ndarray, out: Path) -> None:
    """Write the results of the session, and print its summary."""
    assert session.began is not None
    heard, generated, played = (
        [arrival.event for arrival in arrivals]
        for arrivals in (session.heard, session.generated, session.played)
    )
    for name, events in (('heard', heard), ('generated', generated)):
        (out / f'{name}.txt').write_text(format_text(from_timed(events)))
    write_session(out / 'improvisation.mid', session)
    write_wav(out / 'improvisation.wav', mix(session.began, sound, played), SAMPLE_RATE)
    lines = summary(session)
    latencies = [f'{name}: {value}' for name, value in list(lines.items())[4:]]
    caption = '\n'.join('   ·   '.join(latencies[i : i + 2]) for i in range(0, len(latencies), 2))
    draw(out / 'improvisation.png', paired(heard), paired(generated), session.began, caption)
    (out / 'improvisation.html').write_text(page_of(session, 'Improvisation'))
    width = max(map(len, lines))
    print('\n'.join(f'{name:{width}}  {value}' for name, value in lines.items()))
    names = 'improvisation.wav, .mid, .png, .html, heard.txt, generated.txt, robot.mid'
    print(f'written to {out}/: {names}')


def write_motion(session: Session, body: str, out: Path) -> None:
    """Write the motion of the robot during its answer as a GIF, and one impact as a PNG."""
    from improv_ros.simulation.motion_picture import (
        PICTURE_SIZE,
        Camera,
        DrawingError,
        Motion,
        write_gif,
        write_picture,
    )

    notes = [arrival.event for arrival in session.played if is_note_on(arrival.event)]
    if not notes or not session.poses:
        print('improv demo: the robot hit nothing, so there is no picture of it', file=sys.stderr)
        return
    motion = Motion(session.joints, session.poses, notes)
    begin = notes[0].time - SECOND // 2
    try:
        camera, large = Camera(load_body(body)), Camera(load_body(body), PICTURE_SIZE)
    except DrawingError as error:
        print(f'improv demo: {error}', file=sys.stderr)
        return
    write_gif(
        out / 'robot.gif', camera, motion, begin, min(notes[-1].time + SECOND, begin + MAX_MOTION)
    )
    write_picture(out / 'robot.png', large, motion, notes[len(notes) // 2].time)
    camera.close()
    large.close()
    print(f'the robot at work: {out}/robot.gif, robot.png')


def write_session(path: Path, session: Session) -> None:
    """Write a MIDI file with a track of the person and one of the robot, from the first sound."""
    assert session.began is not None
    beginning = TimedEvent(session.began, 'pc', (0, 0))
    tracks = [
        from_timed([beginning, *(arrival.event for arrival in arrivals)]).events
        for arrivals in (session.heard, session.played)
    ]
    with path.open('wb') as file:
        write_midi(text_to_midi(Text(LIVE_RESOLUTION, tracks)), file)


def mix(began: int, sound: np.ndarray, played: list[TimedEvent]) -> np.ndarray:
    """Return the recording mixed with the robot: int16 of shape (frames, 2), not clipped."""
    robot = render(played, sample_rate=SAMPLE_RATE, start=began) / np.float32(32768)
    mixed = np.zeros((max(len(sound), len(robot)), 2), np.float32)
    mixed[: len(sound)] += sound
    mixed[: len(robot)] += robot
    peak = float(np.abs(mixed).max())
    return np.round(mixed * 32767 * min(1.0, MAX_PEAK / peak)).astype(np.int16)
