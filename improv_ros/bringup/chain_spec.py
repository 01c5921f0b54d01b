# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The chain as data: the nodes to start and their parameters.

`improv run` and `launch/improv.launch.py` both start the nodes that `chain` returns, so both start
the same system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from improv_ros.bringup.ros_environment import DISCOVERY_CHOICES, DISCOVERY_RANGE
from improv_ros.bringup.shared_files import SHIPPED, shipped_parameters

FLAG = ('false', 'true')
BODY_LOOKAHEAD = 1.0  # seconds; with more time to plan, a body drops fewer notes


@dataclass(frozen=True)
class Argument:
    """An argument of the launch file and an option of `improv run`; empty where not given."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeSpec:
    """
    One node to start: its executable, which is also its name, and its parameters.

    remappings: (name in the node, name in the graph) of topics.
    """

    executable: str
    parameters: dict[str, object] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()


ARGUMENTS = (
    Argument(
        'input',
        '',
        'Where the notes of the person come from: a microphone (device), a recording (file), the '
        'audio of another node (topic), a MIDI keyboard, or the live page alone; empty: as the '
        'config says',
        ('device', 'file', 'topic', 'keyboard', 'page'),
    ),
    Argument('device', '', 'Microphone: index or any part of its name; empty: the default device'),
    Argument(
        'file', '', 'Recording that is played in real time instead of a microphone (input:=file)'
    ),
    Argument('keyboard', '', 'MIDI input ports: any parts of their names, comma-separated'),
    Argument(
        'output',
        '',
        'Outputs of the robot, comma-separated: synth, port, file, wav; empty: as the config says',
    ),
    Argument('port', '', 'MIDI output port: any part of its name (output:=port)'),
    Argument(
        'body',
        '',
        'Robot body that plays instead of the outputs: drums_8, marimba_arms, piano_88 or a YAML '
        f'file. The improviser respects its limits and publishes notes {BODY_LOOKAHEAD:g} s ahead',
    ),
    Argument(
        'room',
        '',
        'Calibration of the piano, the room and the microphone, by improv calibrate: its name',
    ),
    Argument(
        'simulate',
        'false',
        'Simulate the body with physics, in the place of its hardware; the outputs then play what '
        'it hits',
        FLAG,
    ),
    Argument(
        'mode',
        '',
        'When the robot plays: respond (it answers in pauses), accompany (it plays along), solo; '
        'empty: as the config says',
        ('respond', 'accompany', 'solo'),
    ),
    Argument(
        'partner',
        '',
        'Name of the person: what the improviser learns is kept under it; empty: as '
        'the config says',
    ),
    Argument('model', '', 'Network file of the improviser; empty: as the config says'),
    Argument(
        'transcriber_model',
        '',
        'Network file of the transcriber, or spectral (no network); empty: as the config says',
    ),
    Argument(
        'config',
        '',
        'Parameter file, which may contain some parameters only. Arguments override it, and it '
        f'overrides the shipped {SHIPPED}',
    ),
    Argument('page', 'true', 'Serve the live page', FLAG),
    Argument('page_port', '', 'TCP port of the live page; empty: as the config says'),
    Argument(
        'page_address',
        '',
        'Address on which the live page is served, such as 0.0.0.0; empty: as the config says',
    ),
    Argument('namespace', 'improv', 'Namespace of all nodes'),
    Argument(
        'discovery',
        'auto',
        'Hosts that the nodes communicate with: this machine (localhost), all of the subnet '
        f'(subnet), or those that {DISCOVERY_RANGE} sets, else this machine (auto)',
        DISCOVERY_CHOICES,
    ),
    Argument(
        'log_level',
        'info',
        'Lowest level of the log messages of the nodes',
        ('debug', 'info', 'warn', 'error', 'fatal'),
    ),
    Argument(
        'force',
        'false',
        'Start even if the namespace is already in use on this machine',
        FLAG,
    ),
)


class BringupError(ValueError):
    """An argument that cannot be used: a sentence with its name and the valid values."""


def chain(values: Mapping[str, str]) -> list[NodeSpec]:
    """Return the nodes to start, in the order of the data flow.

    `values` maps names of `ARGUMENTS` to the given values; an empty value sets nothing. The
    parameters of a node are those that the arguments set, and override the parameter files.
    Raises BringupError.
    """
    given = {argument.name: argument.default for argument in ARGUMENTS} | dict(values)
    for argument in ARGUMENTS:
        value = given[argument.name]
        if value and argument.choices and value not in argument.choices:
            raise BringupError(
                f'{argument.name} is {value!r}; choose from {", ".join(argument.choices)}'
            )
    if given['input'] == 'file' and not given['file'] and not given['config']:
        raise BringupError('input is file, but no file is named: give the recording as file')
    if given['input'] == 'page' and given['page'] == 'false':
        raise BringupError('input is page, but page is false: there is nothing to listen to')
    page = []
    if given['page'] == 'true':
        port = int(given['page_port']) if given['page_port'].isdecimal() else ''
        page = [NodeSpec('live_page', _set(page_port=port, page_address=given['page_address']))]
    listeners = []
    if given['input'] == 'keyboard':
        listeners = [NodeSpec('midi_keyboard', _set(ports=given['keyboard']))]
    elif given['input'] != 'page':
        source = _set(source=given['input'], device=given['device'], file=given['file'])
        transcriber = NodeSpec(
            'transcriber', _set(model=given['transcriber_model'], room=given['room'])
        )
        microphone = [] if given['input'] == 'topic' else [NodeSpec('microphone', source)]
        listeners = [*microphone, transcriber]
    improviser = _set(mode=given['mode'], model=given['model'], partner=given['partner'])
    player = _set(outputs=given['output'], port=given['port'], room=given['room'])
    if given['body']:
        body = body_argument(given['body'])
        improviser |= {'instrument': body, 'lookahead': BODY_LOOKAHEAD}
        performer = {'body': body, **_set(room=given['room'])}
        robot = [NodeSpec('robot_performer', performer)]
        if given['simulate'] == 'true':
            robot = [
                NodeSpec('robot_performer', {**performer, 'feedback': 'body'}),
                *simulated_robot(body, player),
            ]
        return [*listeners, NodeSpec('improviser', improviser), *robot, *page]
    if given['simulate'] == 'true':
        raise BringupError('simulate is true, but there is no body: give one as body')
    return [
        *listeners,
        NodeSpec('improviser', improviser),
        NodeSpec('midi_player', player),
        *page,
    ]


def body_argument(body: str) -> str:
    """Return a body as the nodes find it in any folder: its name, or the path of its file."""
    return str(Path(body).absolute()) if Path(body).suffix else body


def simulated_robot(body: str, player: dict[str, object]) -> list[NodeSpec]:
    """Return a simulated body, and the player of what it hits."""
    heard = (('generated_notes', 'body_notes'), ('played_notes', 'sounded_notes'))
    return [
        NodeSpec('simulated_robot', {'body': body}),
        NodeSpec('midi_player', player, heard),
    ]


def config_file(values: Mapping[str, str]) -> str:
    """Return the path of the user's parameter file; empty where none is given.

    Raises BringupError where the file does not exist.
    """
    config = values.get('config', '')
    if not config:
        return ''
    path = Path(config).expanduser()
    if not path.is_file():
        raise BringupError(f'config is {config!r}, but there is no such file')
    return str(path)


def defaults_file(node: NodeSpec) -> str:
    """Return the shipped parameters of a node as a file that comes before the user's file."""
    return _section(f'/**/**/{node.executable}', shipped_parameters().get(node.executable, {}))


def parameter_file(node: NodeSpec) -> str:
    """Return the parameters of a node as a file that comes after the user's file.

    In YAML, unlike on the command line, a device called '0' stays a string.
    """
    return _section(f'/**/**/**/{node.executable}', node.parameters)


def _set(**parameters: object) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if value != ''}


def _section(name: str, parameters: Mapping[str, object]) -> str:
    """Return a parameter file with one section.

    ROS merges the sections with the same name from all files, at the place of the first one; of
    two sections that match a node, the later one overrides the earlier one. Our sections have
    names that no user gives, so that their order is that of the files: /**/** means the same as
    /**.
    """
    return yaml.safe_dump({name: {'ros__parameters': dict(parameters)}})
