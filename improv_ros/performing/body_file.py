# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reading the YAML file of a body; an error names the file, the key and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from improv_ros.event_text import SECOND, LatencyCurve
from improv_ros.performing.body import Body, Striker, travel_time
from improv_ros.performing.physics import LIMITS, Physics

MAX_STRIKERS = 128  # on the topic `strikes` the striker's number is the pitch, 0 to 127
KEYS = {
    'name',
    'pitches',
    'strikers',
    'move',
    'repeat',
    'latency',
    'loudness',
    'fold_octaves',
    'holds',
    'pedal',
    'physics',
    'program',
}
NEEDED = ('pitches', 'strikers', 'repeat', 'latency')


class BodyError(ValueError):
    """The file of a body cannot be used; the message names the file, the key and a remedy."""


def read_body(path: str | Path) -> Body:
    """Return the body that a YAML file specifies; raises BodyError."""
    try:
        spec = yaml.load(Path(path).read_text(), Loader=_Loader)  # noqa: S506 (a SafeLoader)
        return body_of(spec, Path(path).stem)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BodyError(f'{path} cannot be read: {reason}; give a body file') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BodyError(f'{path} is not YAML: {error}') from error
    except BodyError as error:
        raise BodyError(f'{path}: {error}') from error


def body_of(spec: Any, name: str = 'body') -> Body:
    """Return the body that parsed YAML specifies; raises BodyError, which names the key."""
    if not isinstance(spec, dict):
        raise BodyError(
            'a body must be a map of keys such as pitches and strikers; see docs/robots.md'
        )
    for key in spec:
        if key not in KEYS:
            raise BodyError(f'{key}: unknown key; choose from {", ".join(sorted(KEYS))}')
    for key in NEEDED:
        if key not in spec:
            raise BodyError(f'{key}: this key is missing; add it')
    placements = _placements(spec['pitches'])
    strikers, speed, acceleration = _strikers(spec, placements)
    min_velocity, max_velocity = _loudness(spec.get('loudness', [1, 127]))
    body = Body(
        name=str(spec.get('name', name)),
        strikers=strikers,
        repeat=round(_number('repeat', spec['repeat'], 0.001, 10) * SECOND),
        latency=_latency(spec['latency']),
        min_velocity=min_velocity,
        max_velocity=max_velocity,
        fold_octaves=_flag(spec, 'fold_octaves'),
        holds=_flag(spec, 'holds'),
        pedal=_flag(spec, 'pedal'),
        speed=speed,
        acceleration=acceleration,
        physics=_physics(spec.get('physics', {})),
        program=_program(spec.get('program', 0)),
    )
    for pitch in placements:
        if pitch not in body.pitches:
            raise BodyError(f'pitches: {pitch} has no striker; name one as its joint')
    return body


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise BodyError(f'{name}: it is given twice, again in line {line}')
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Placement:
    """The joints that reach a pitch (None: all) and the position of the joint there, if given."""

    def __init__(self, joints: list[str] | None, position: float | None) -> None:
        self.joints = joints
        self.position = position


def _placements(spec: Any) -> dict[int, _Placement]:
    if isinstance(spec, dict):
        placements = {
            _pitch(pitch): _placement(pitch, placement) for pitch, placement in spec.items()
        }
    else:
        parts = spec if isinstance(spec, list) else [spec]
        placements = {}
        for pitch in chain.from_iterable(map(_range, parts)):
            if pitch in placements:
                raise BodyError(f'pitches: {pitch} is given twice; name each once')
            placements[pitch] = _Placement(None, None)
    if not placements:
        raise BodyError('pitches: none is given; name at least one')
    return dict(sorted(placements.items()))


def _placement(pitch: Any, spec: Any) -> _Placement:
    if not isinstance(spec, dict) or not set(spec) <= {'joint', 'position'}:
        raise BodyError(
            f'pitches: {pitch} is {spec!r}; write it as '
            f'{pitch}: {{joint: <name>, position: <number>}}, with either or both'
        )
    joints = spec.get('joint')
    if joints is not None:
        joints = [str(joint) for joint in (joints if isinstance(joints, list) else [joints])]
    position = spec.get('position')
    if position is not None:
        position = _number(f'pitches: position of {pitch}', position, -1e6, 1e6)
    return _Placement(joints, position)


def _range(part: Any) -> range:
    if isinstance(part, str) and '-' in part:
        first, _, last = part.partition('-')
        if first.strip().isdigit() and last.strip().isdigit() and int(first) <= int(last):
            return range(_pitch(int(first)), _pitch(int(last)) + 1)
    elif isinstance(part, int):
        return range(_pitch(part), part + 1)
    raise BodyError(f'pitches: {part!r} is neither a pitch nor a range; write 60 or 21-108')


def _pitch(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 127:
        raise BodyError(f'pitches: {value!r} is not a MIDI pitch; use 0 to 127 (middle C is 60)')
    return value


def _strikers(
    spec: Mapping[str, Any], placements: Mapping[int, _Placement]
) -> tuple[tuple[Striker, ...], float | None, float | None]:
    """Return (strikers, speed, acceleration), the limits of the joints or None."""
    named = _names(spec['strikers'])
    for pitch, placement in placements.items():
        for joint in placement.joints or ():
            if joint not in named:
                raise BodyError(
                    f'pitches: the joint {joint!r} of {pitch} is no striker; '
                    f'choose from {", ".join(named)}'
                )
    if 'move' not in spec:
        for key, start in named.items():
            if start is not None:
                raise BodyError(
                    f'strikers: {key} does not move and needs no start; remove it or add move'
                )
        return _fixed_strikers(named, placements), None, None
    speed, acceleration, times = _move(spec['move'], list(placements))
    given = [placement.position is not None for placement in placements.values()]
    if any(given) and not all(given):
        missing = next(p for p, placement in placements.items() if placement.position is None)
        raise BodyError(f'pitches: {missing} has no position; give one to each or to none')
    strikers = []
    for name, start in named.items():
        positions = {
            pitch: float(index) if placement.position is None else placement.position
            for index, (pitch, placement) in enumerate(placements.items())
            if placement.joints is None or name in placement.joints
        }
        if not positions:
            raise BodyError(f'strikers: {name} has no pitch; name it as joint of one')
        travel = {
            a: {
                b: times[a][b] if times else travel_time(y - x, speed or 1.0, acceleration)
                for b, y in positions.items()
            }
            for a, x in positions.items()
        }
        if start is None:
            start = next(iter(positions))
        elif start not in positions:
            raise BodyError(f'strikers: {name} starts at {start}, which it cannot strike')
        strikers.append(Striker(name, positions, travel, start))
    return tuple(strikers), speed, acceleration


def _names(spec: Any) -> dict[str, int | None]:
    """Return the name of each striker, with the pitch at which it starts if one is given."""
    if isinstance(spec, int) and not isinstance(spec, bool):
        spec = [f'striker_{number}' for number in range(max(spec, 0))]
    if not isinstance(spec, list) or not 1 <= len(spec) <= MAX_STRIKERS:
        raise BodyError(f'strikers: give a number or a list of names, 1 to {MAX_STRIKERS}')
    named: dict[str, int | None] = {}
    for one in spec:
        if isinstance(one, dict):
            if 'joint' not in one or not set(one) <= {'joint', 'start'}:
                raise BodyError(f'strikers: {one!r}; write {{joint: <name>, start: <pitch>}}')
            name, start = str(one['joint']), one.get('start')
            start = None if start is None else _pitch(start)
        else:
            name, start = str(one), None
        if name in named:
            raise BodyError(f'strikers: {name} is given twice; name each once')
        named[name] = start
    return named


def _fixed_strikers(
    named: Mapping[str, int | None], placements: Mapping[int, _Placement]
) -> tuple[Striker, ...]:
    if all(placement.joints is None for placement in placements.values()):
        if len(named) != len(placements):
            raise BodyError(
                f'strikers: {len(named)} for {len(placements)} pitches; give one to each pitch, '
                'or give move: how they move from key to key'
            )
        keys = {name: [pitch] for name, pitch in zip(named, placements, strict=True)}
    else:
        keys = {name: [] for name in named}
        for pitch, placement in placements.items():
            for joint in placement.joints or ():
                keys[joint].append(pitch)
    for name, pitches in keys.items():
        if not pitches:
            raise BodyError(f'strikers: {name} has no pitch; name it as joint of one')
    return tuple(
        Striker(name, dict.fromkeys(pitches), {}, pitches[0]) for name, pitches in keys.items()
    )


def _move(
    spec: Any, pitches: list[int]
) -> tuple[float | None, float | None, dict[int, dict[int, int]] | None]:
    """Return (speed, acceleration, None) or (None, None, matrix of travel times in ns)."""
    if isinstance(spec, dict) and set(spec) == {'times'}:
        return None, None, _times(spec['times'], pitches)
    if isinstance(spec, dict) and {'speed'} <= set(spec) <= {'speed', 'acceleration'}:
        speed = _number('move: speed', spec['speed'], 1e-6, 1e6)
        acceleration = spec.get('acceleration')
        if acceleration is not None:
            acceleration = _number('move: acceleration', acceleration, 1e-6, 1e9)
        return speed, acceleration, None
    raise BodyError(
        'move: give speed, with acceleration if the joint has a limit, '
        'or times: a matrix of seconds from each key to each key'
    )


def _times(rows: Any, pitches: list[int]) -> dict[int, dict[int, int]]:
    size = len(pitches)
    if not isinstance(rows, list) or [len(row) for row in rows if isinstance(row, list)] != (
        [size] * size
    ):
        raise BodyError(
            f'move: times must have {size} rows of {size} seconds: a row and a column per pitch'
        )
    return {
        a: {
            b: round(_number(f'move: times from {a} to {b}', seconds, 0, 60) * SECOND)
            for b, seconds in zip(pitches, row, strict=True)
        }
        for a, row in zip(pitches, rows, strict=True)
    }


def _latency(spec: Any) -> LatencyCurve:
    points = spec if isinstance(spec, dict) else {64: spec}
    if not points:
        raise BodyError('latency: give seconds, or a map from velocity to seconds')
    for velocity in points:
        if isinstance(velocity, bool) or not isinstance(velocity, int) or not 1 <= velocity <= 127:
            raise BodyError(f'latency: {velocity!r} is not a velocity; use 1 to 127')
    seconds = {v: _number(f'latency: velocity {v}', s, 0, 2) for v, s in points.items()}
    return LatencyCurve((velocity, round(s * SECOND)) for velocity, s in seconds.items())


def _loudness(spec: Any) -> tuple[int, int]:
    if (
        isinstance(spec, list)
        and len(spec) == 2
        and all(isinstance(v, int) and not isinstance(v, bool) for v in spec)
        and 1 <= spec[0] <= spec[1] <= 127
    ):
        return spec[0], spec[1]
    raise BodyError(f'loudness: {spec!r}; give the softest and loudest velocity, [1, 127]')


def _physics(spec: Any) -> Physics:
    if not isinstance(spec, dict) or not set(spec) <= set(LIMITS):
        raise BodyError(f'physics: {spec!r}; give a map with any of {", ".join(LIMITS)}')
    return Physics(**{key: _number(f'physics: {key}', spec[key], *LIMITS[key]) for key in spec})


def _program(spec: Any) -> int | None:
    if spec == 'percussion':
        return None
    if isinstance(spec, bool) or not isinstance(spec, int) or not 0 <= spec <= 127:
        raise BodyError(f'program: {spec!r}; give a General MIDI program, 0 to 127, or percussion')
    return spec


def _flag(spec: Mapping[str, Any], key: str) -> bool:
    value = spec.get(key, False)
    if not isinstance(value, bool):
        raise BodyError(f'{key}: {value!r}; write true or false')
    return value


def _number(key: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BodyError(f'{key}: {value!r} is not a number from {low:g} to {high:g}')
    return float(value)
