# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv calibrate`: record a program of notes, and fit the robot to what is heard of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
import os
from pathlib import Path
import sys
import time
from typing import TYPE_CHECKING

from improv_ros.bringup import chain_spec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.bringup.namespace_claim import Claim, ClaimedError
from improv_ros.bringup.ros_environment import discovery_variables
from improv_ros.bringup.shared_files import shared_file
from improv_ros.calibration.conditions import (
    problem_of_hearing,
    problem_of_notes,
    problem_of_silence,
)
from improv_ros.calibration.latency_fit import LONGEST_LAG
from improv_ros.calibration.note_matching import loop_lag, match
from improv_ros.calibration.note_program import Program, note_program
from improv_ros.calibration.person_program import REQUESTS, TEST, person_notes
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import Room, checksums
from improv_ros.calibration.room_card import CARD_FILE, PICTURE_FILE, card, found, picture
from improv_ros.calibration.room_fit import Recorded, Shipped, fit_room
from improv_ros.calibration.room_folders import (
    check_name,
    read_room,
    remove_room,
    room_names,
    rooms_folder,
    write_room,
    writing_lock,
)
from improv_ros.commands.calibrated_instrument import (
    OUTPUTS,
    Instrument,
    instrument_of,
    nodes_of,
)
from improv_ros.event_text import SECOND, TimedEvent, note_off, note_on, parse, to_timed
from improv_ros.process import packages, signals

if TYPE_CHECKING:
    from improv_ros.calibration.conditions import Samples
    from improv_ros.commands.calibration_session import CalibrationSession, Progress, Take
    from improv_ros.listening.transcription.transcription_runtime import NetworkEstimator

PLAYER_OPTIONS = {
    '--output': 'output',
    '--port': 'port',
    '--body': 'body',
    '--simulate': 'simulate',
    '--keys': 'keys',
    '--velocities': 'velocities',
    '--no-pedal': 'no_pedal',
}
PHRASE = 'demo/fuer_elise.txt'
SILENCE = 2.0  # seconds that are listened to before the first note
TEST_STEP = 0.45  # seconds between the first notes, which only test the conditions
MAX_LOST = 0.005  # of the sound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'name', nargs='?', help='name of the room, which replaces an older calibration'
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument('--list', action='store_true', help='list the calibrations')
    other.add_argument('--show', metavar='NAME', help='show a calibration')
    other.add_argument('--remove', metavar='NAME', help='remove a calibration')
    parser.add_argument(
        '--person',
        action='store_true',
        help='ask a person to play, on a piano that the robot cannot play',
    )
    parser.add_argument(
        '--output', choices=OUTPUTS, help='what the robot plays on (default: synth)'
    )
    parser.add_argument('--port', default='', help='MIDI port: any part of its name')
    parser.add_argument(
        '--body', default='', help='robot body to play with: a shipped one or a YAML file'
    )
    parser.add_argument(
        '--simulate', action='store_true', help='simulate the body, and play what it hits'
    )
    parser.add_argument('--device', default='', help='microphone: index, or any part of its name')
    parser.add_argument(
        '--keys',
        type=_keys,
        metavar='LOWEST-HIGHEST',
        help='MIDI pitches to play (default: 21-108)',
    )
    parser.add_argument(
        '--velocities',
        type=_velocities,
        metavar='SOFTEST-LOUDEST',
        help='velocities to play (default: 16-112)',
    )
    parser.add_argument('--no-pedal', action='store_true', help='leave the pedal alone')
    parser.add_argument(
        '--transcriber-model', default='', help='model of the transcriber (default: the shipped)'
    )
    parser.add_argument('--config', default='', help='parameter file for the nodes')
    parser.add_argument(
        '--namespace', default='improv', help='namespace of the nodes (default: %(default)s)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, list, show or remove; return the exit code."""
    try:
        if arguments.list:
            return _list()
        if arguments.show:
            print(_card_of(arguments.show), end='')
            return 0
        if arguments.remove:
            remove_room(arguments.remove)
            print(f'removed {arguments.remove}')
            return 0
        if not arguments.name:
            _report('give a name for the room, as in: improv calibrate studio')
            return 2
        given = [option for option, name in PLAYER_OPTIONS.items() if getattr(arguments, name)]
        if arguments.person and given:
            _report(f'{given[0]} is about what the robot plays on; with --person a person plays')
            return 2
        if arguments.simulate and not arguments.body:
            _report('--simulate needs a body: give one with --body')
            return 2
        if arguments.body and not arguments.simulate and (arguments.output or arguments.port):
            _report('--output and --port are for the player; --body plays on its own hardware')
            return 2
        check_name(arguments.name)
        for module in packages.missing(packages.NEEDED_BY_NODES):
            raise CalibrationError(packages.what_to_install(module))
        with writing_lock():
            return _calibrate(arguments)
    except CalibrationError as error:
        _report(str(error))
        return 1


def _list() -> int:
    names = room_names()
    if not names:
        print(f'there is no calibration in {rooms_folder()} yet: improv calibrate NAME')
    for name in names:
        try:
            room = read_room(name)
            print(f'{name:20} {room.made[:16]}  {room.output}, {room.model}')
        except CalibrationError as error:
            print(f'{name:20} {error}')
    return 0


def _card_of(name: str) -> str:
    room = read_room(name)
    folder = rooms_folder() / name
    has_picture = (folder / PICTURE_FILE).is_file()
    return card(room, has_picture) + f'\nIt is in {folder}\n'


def _calibrate(arguments: argparse.Namespace) -> int:
    from improv_ros.commands.calibration_session import (
        CalibrationSession,
        InterruptedByUserError,
        Progress,
    )
    from improv_ros.inference.model_error import ModelError
    from improv_ros.listening.transcription.transcription_runtime import (
        NetworkEstimator,
        load_estimator,
        model_file,
    )

    stop = signals.stop_event()
    try:
        file = model_file(arguments.transcriber_model)
        estimator = load_estimator(arguments.transcriber_model)
        config = chain_spec.config_file({'config': arguments.config})
        os.environ.update(discovery_variables('auto', os.environ))
        claim = Claim(arguments.namespace, os.environ)
    except (ModelError, chain_spec.BringupError) as error:
        raise CalibrationError(str(error)) from error
    except ClaimedError as error:
        raise CalibrationError(
            f'{str(error).partition(":")[0]}: end them first, because a calibration needs the '
            'microphone and the piano for itself'
        ) from error
    with closing(claim):
        if not isinstance(estimator, NetworkEstimator):
            raise CalibrationError(
                'only a network can be calibrated: leave --transcriber-model empty'
            )
        instrument = None if arguments.person else instrument_of(arguments)
        nodes = nodes_of(arguments)
        ensemble = Ensemble(nodes, arguments.namespace, config, 'warn')
        print(f'starting {" and ".join(node.executable for node in nodes)}', flush=True)
        progress = Progress(sys.stdout.isatty())
        try:
            with CalibrationSession(ensemble, arguments.namespace, stop) as session:
                session.wait_for_nodes()
                if instrument:
                    finish = _record_program(session, instrument, estimator, progress)
                else:
                    finish = _record_person(session, estimator, progress)
        except InterruptedByUserError:
            print('\ninterrupted: nothing was changed', file=sys.stderr)
            return signals.INTERRUPTED
    began = time.monotonic()
    print('fitting', flush=True)
    room, points = fit_room(_room(arguments, instrument, file), finish(), _shipped(estimator))
    if stop.is_set():
        print('interrupted: nothing was changed', file=sys.stderr)
        return signals.INTERRUPTED
    image = picture(room, points)
    files = {CARD_FILE: card(room, image is not None).encode()}
    if image is not None:
        files[PICTURE_FILE] = image
    folder = write_room(room, files)
    print(f'fitted in {time.monotonic() - began:.0f} s:')
    print('\n'.join(found(room)))
    for what, why in room.not_fitted.items():
        print(f'- not fitted: {what}: {why}')
    print(f'written to {folder}; use it with improv run --room {room.name}')
    return 0


def _shipped(estimator: NetworkEstimator) -> Shipped:
    later = estimator.confirmation
    return Shipped(
        estimator.latency_hops,
        estimator.onset_bias,
        dict(estimator.decoding),
        {later.latency_hops: dict(later.decoding)} if later else {},
    )


def _record_program(
    session: CalibrationSession,
    instrument: Instrument,
    estimator: NetworkEstimator,
    progress: Progress,
) -> Callable[[], Recorded]:
    """Let the robot play; return what makes the recording ready to be fitted."""
    from improv_ros.commands.calibration_session import onsets_of

    silence = _record_silence(session, estimator)
    test = session.play(_test_notes(instrument.keys), estimator)
    outputs = test.finish()[estimator.latency_hops]
    sent = test.sent() if test.played else []
    heard = outputs.decode(estimator.decoding)
    _raise_if(
        problem_of_notes(
            test.sound.samples, estimator.sample_rate, silence, onsets_of(sent), instrument.name
        )
    )
    lag = loop_lag(sent, heard, LONGEST_LAG)
    matched = 0 if lag is None else len(match(sent, heard, lambda _: lag, 0.2))
    _raise_if(problem_of_hearing(sent, heard, matched))
    program = note_program(
        instrument.keys,
        instrument.velocities,
        instrument.repeat,
        instrument.polyphony,
        instrument.pedal,
        phrase=to_timed(parse(shared_file(PHRASE).read_text())),
    )
    print(f'the piano is heard; the program takes {program.end // SECOND} s', flush=True)
    take = session.play(program, estimator, progress)
    progress.end()

    def recorded() -> Recorded:
        outputs = take.finish()
        _raise_if_lost(take)
        return Recorded(take.sound.samples, estimator.sample_rate, take.sent(), outputs)

    return recorded


def _record_person(
    session: CalibrationSession, estimator: NetworkEstimator, progress: Progress
) -> Callable[[], Recorded]:
    """Ask a person to play; return what makes the recording ready to be fitted."""
    silence = _record_silence(session, estimator)
    test, _ = session.ask(TEST, estimator, progress)
    heard = test.finish()[estimator.latency_hops].decode(estimator.decoding)
    onsets = [note.onset for note in heard]
    rate = estimator.sample_rate
    _raise_if(problem_of_notes(test.sound.samples, rate, silence, onsets, 'the piano'))
    print('the piano is heard; it takes about a minute', flush=True)
    take, spans = session.ask(REQUESTS, estimator, progress)

    def recorded() -> Recorded:
        outputs = take.finish()
        _raise_if_lost(take)
        surest = estimator.confirmation or estimator
        heard = outputs[surest.latency_hops].decode(surest.decoding)
        samples = take.sound.samples
        sent = person_notes(heard, spans, samples, rate, surest.onset_bias)
        return Recorded(samples, rate, sent, outputs, by_person=True)

    return recorded


def _record_silence(session: CalibrationSession, estimator: NetworkEstimator) -> Samples:
    """Return the sound of a quiet room, mono."""
    print('listening to the room: please be quiet', flush=True)
    silence = session.silence(SILENCE, estimator)
    silence.finish()
    _raise_if(problem_of_silence(silence.sound.samples, estimator.sample_rate))
    return silence.sound.samples


def _raise_if_lost(take: Take) -> None:
    if take.sound.lost > MAX_LOST * take.sound.seconds:
        raise CalibrationError(
            f'{take.sound.lost:.1f} s of the sound were lost: this machine is too busy. Repeat it '
            'when nothing else runs'
        )


def _room(arguments: argparse.Namespace, instrument: Instrument | None, model: Path) -> Room:
    devices = {'microphone': arguments.device or 'the default device'}
    if instrument:
        devices['played on'] = instrument.device
    else:
        devices['played by'] = 'a person'
    return Room(
        name=arguments.name,
        made=datetime.now().astimezone().isoformat(timespec='seconds'),
        model=model.stem,
        checksums=checksums(model),
        devices=devices,
        output=instrument.name if instrument else 'a person',
    )


def _test_notes(keys: Sequence[int]) -> Program:
    """Return a few notes, moderately loud, from the middle of the keys outwards."""
    ordered = sorted(keys)
    places = (0.5, 0.65, 0.35, 0.55, 0.75, 0.45)
    events: list[TimedEvent] = []
    for number, place in enumerate(places):
        pitch = ordered[min(int(place * len(ordered)), len(ordered) - 1)]
        begin = round((0.3 + number * TEST_STEP) * SECOND)
        events.append(note_on(begin, pitch, 90))
        events.append(note_off(begin + round(0.8 * TEST_STEP * SECOND), pitch))
    events.sort(key=lambda event: event.time)
    return Program(events, [], round((0.3 + len(places) * TEST_STEP) * SECOND))


def _raise_if(problem: str) -> None:
    if problem:
        raise CalibrationError(problem)


def _keys(text: str) -> range:
    low, high = _two_numbers(text, 21, 108)
    return range(low, high + 1)


def _velocities(text: str) -> tuple[int, int]:
    return _two_numbers(text, 1, 127)


def _two_numbers(text: str, lowest: int, highest: int) -> tuple[int, int]:
    low, _, high = text.partition('-')
    try:
        numbers = int(low), int(high)
    except ValueError:
        numbers = 0, 0
    if not lowest <= numbers[0] <= numbers[1] <= highest:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not two numbers from {lowest} to {highest}, such as {lowest}-{highest}'
        )
    return numbers


def _report(sentence: str) -> None:
    print(f'improv calibrate: {sentence}', file=sys.stderr, flush=True)
