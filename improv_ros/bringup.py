"""The chain as data: which nodes, with which parameters.

`improv run` and `launch/improv.launch.py` both start what `chain` lists, so that a machine
without `launch` brings up exactly the same system.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
import sysconfig

from improv_ros import discovery

PACKAGE = 'improv_ros'
BODY_LOOKAHEAD = 1.0  # seconds; a body that knows what comes loses fewer notes


@dataclass(frozen=True)
class Argument:
    """An argument of the launch file and an option of `improv run`."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeSpec:
    """One node to start: its executable, which is also its name, and its parameters."""

    executable: str
    parameters: dict[str, object] = field(default_factory=dict)


ARGUMENTS = (
    Argument(
        'input',
        'device',
        'What is listened to: a microphone, a recording or a MIDI keyboard',
        ('device', 'file', 'keyboard'),
    ),
    Argument('device', '', 'Microphone: index or any part of its name; empty: the default one'),
    Argument('file', '', 'Recording to play into the chain in real time (input:=file)'),
    Argument('keyboard', '', 'MIDI input ports: any parts of their names, comma-separated'),
    Argument('output', 'synth', 'Where the music goes, comma-separated: synth, port, file, wav'),
    Argument('port', '', 'MIDI output port: any part of its name (output:=port)'),
    Argument(
        'body',
        '',
        'Robot that plays instead of the output: drums_8, marimba_arms, piano_88 or a YAML file',
    ),
    Argument('mode', 'respond', 'How the robot takes part', ('respond', 'accompany', 'solo')),
    Argument('model', '', 'Network of the improviser; empty: the shipped one'),
    Argument(
        'transcriber_model',
        '',
        'Network of the transcriber, or spectral, which needs none; empty: as the config says',
    ),
    Argument('config', '', 'Parameter file; empty: the shipped config/improv.yaml'),
    Argument('namespace', 'improv', 'Namespace of the ensemble'),
    Argument(
        'discovery',
        'auto',
        'Who can hear the nodes and be heard: this machine (localhost), others too (subnet), or '
        f'what {discovery.RANGE} says, this machine where it says nothing (auto)',
        discovery.CHOICES,
    ),
    Argument(
        'log_level', 'info', 'How much the nodes say', ('debug', 'info', 'warn', 'error', 'fatal')
    ),
)


class BringupError(ValueError):
    """An argument that cannot be used: names it and what it may be."""


def chain(values: Mapping[str, str]) -> list[NodeSpec]:
    """Return the nodes that the arguments ask for, in the order of the flow.

    `values` maps names of `ARGUMENTS` to what was given; what is missing has its default.
    Parameters given here override the parameter file; an empty argument overrides nothing.
    """
    given = {argument.name: argument.default for argument in ARGUMENTS} | dict(values)
    for argument in ARGUMENTS:
        if argument.choices and given[argument.name] not in argument.choices:
            raise BringupError(
                f'{argument.name} is {given[argument.name]!r}; '
                f'choose from {", ".join(argument.choices)}'
            )
    if given['input'] == 'file' and not given['file']:
        raise BringupError('input is file, but no file is named: give the recording as file')
    if given['input'] == 'keyboard':
        ears = [NodeSpec('midi_keyboard', _set(ports=given['keyboard']))]
    else:
        source = _set(source=given['input'], device=given['device'], file=given['file'])
        transcriber = NodeSpec('transcriber', _set(model=given['transcriber_model']))
        ears = [NodeSpec('microphone', source), transcriber]
    manners = _set(mode=given['mode'], model=given['model'])
    if given['body']:
        body = str(Path(given['body']).absolute()) if Path(given['body']).suffix else given['body']
        return [
            *ears,
            NodeSpec('improviser', {**manners, 'instrument': body, 'lookahead': BODY_LOOKAHEAD}),
            NodeSpec('robot_performer', {'body': body}),
        ]
    return [
        *ears,
        NodeSpec('improviser', manners),
        NodeSpec('midi_player', _set(outputs=given['output'], port=given['port'])),
    ]


def share(name: str) -> Path:
    """Return the path of a shared file (`config/improv.yaml`), however the package was installed.

    Raises FileNotFoundError naming the places searched.
    """
    places = [Path(__file__).parents[1], Path(sysconfig.get_path('data')) / 'share' / PACKAGE]
    with contextlib.suppress(ImportError, LookupError, OSError):
        from ament_index_python import get_package_share_directory

        places.insert(1, Path(get_package_share_directory(PACKAGE)))
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f'{name} was not found in {", ".join(map(str, places))}')


def _set(**parameters: object) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if value != ''}
