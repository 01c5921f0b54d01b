# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a calibration plays on: an output of the player or a robot body, and the nodes for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from improv_ros.bringup.chain_spec import NodeSpec, body_argument, simulated_robot
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.room import body_output
from improv_ros.event_text import SECOND
from improv_ros.process import packages

OUTPUTS = ('synth', 'port')
KEYS, VELOCITIES = range(21, 109), (16, 112)
BODY_LOOKAHEAD = 0.5  # seconds; longer than the latency of any body that can be calibrated


@dataclass(frozen=True)
class Instrument:
    """What the robot plays on.

    name: of the output that a latency is of. device: what the card says of it. keys: MIDI pitches
    to play. velocities: the softest and the loudest to play. repeat: shortest time between two
    strokes of a key, in seconds. polyphony: most keys that are struck together. pedal: whether it
    is used.
    """

    name: str
    device: str
    keys: Sequence[int] = KEYS
    velocities: tuple[int, int] = VELOCITIES
    repeat: float = 0.05
    polyphony: int = 5
    pedal: bool = True


def instrument_of(arguments: argparse.Namespace) -> Instrument:
    """Return what the options choose. Raises CalibrationError where it cannot be calibrated."""
    if arguments.body:
        return _body(arguments)
    output = arguments.output or OUTPUTS[0]
    return Instrument(
        output,
        f'port {arguments.port}'.strip() if output == 'port' else output,
        arguments.keys or KEYS,
        arguments.velocities or VELOCITIES,
        pedal=not arguments.no_pedal,
    )


def _body(arguments: argparse.Namespace) -> Instrument:
    from improv_ros.nodes.common.bodies import load_body
    from improv_ros.nodes.common.managed_node import NotReadyError

    try:
        body = load_body(arguments.body)
    except NotReadyError as error:
        raise CalibrationError(str(error)) from error
    if body.program is None:
        raise CalibrationError(
            f'{body.name} plays percussion, which the transcriber does not hear'
        )
    keys = [pitch for pitch in body.pitches if pitch in (arguments.keys or KEYS)]
    if not keys:
        raise CalibrationError(
            f'{body.name} plays {body.pitches[0]} to {body.pitches[-1]}, and none of --keys'
        )
    softest, loudest = arguments.velocities or VELOCITIES
    name = body_output(body.name)
    return Instrument(
        name,
        f'{name}, simulated' if arguments.simulate else name,
        keys,
        (body.velocity_for(softest), body.velocity_for(loudest)),
        body.repeat / SECOND,
        len(body.strikers),
        body.pedal and not arguments.no_pedal,
    )


def nodes_of(arguments: argparse.Namespace) -> list[NodeSpec]:
    """Return the nodes to start: what plays, without compensation of latency, or a transcriber."""
    microphone = NodeSpec('microphone', {'device': arguments.device} if arguments.device else {})
    if arguments.person:
        transcriber = {'model': arguments.transcriber_model, 'room': '', 'cancel_echo': False}
        nodes = [microphone, NodeSpec('transcriber', transcriber)]
        # The page shows what to play, too.
        return nodes if packages.missing(['tornado']) else [*nodes, NodeSpec('live_page', {})]
    player: dict[str, object] = {
        'outputs': arguments.output or OUTPUTS[0],
        'output_latency': 0.0,
        'port_latency': 0.0,
        'synth_latency': 0.0,
        'strike_latency': '',
        'room': '',
    }
    if arguments.port:
        player['port'] = arguments.port
    if not arguments.body:
        return [microphone, NodeSpec('midi_player', player)]
    body = body_argument(arguments.body)
    performer = {
        'body': body,
        'feedback': 'commanded',
        'lookahead': BODY_LOOKAHEAD,
        'room': '',
    }
    robot = simulated_robot(body, player) if arguments.simulate else []
    return [microphone, NodeSpec('robot_performer', performer), *robot]
