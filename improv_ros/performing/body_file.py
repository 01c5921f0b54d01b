"""Reading a body's YAML file, strictly: what is wrong is named by file and key, with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from improv_ros.performing.body import SECOND, Body, Latency, Striker, travel_time

MOST_STRIKERS = 128  # the pitches of event text, which number the strikers
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
}
NEEDED = ('pitches', 'strikers', 'repeat', 'latency')


class BodyError(ValueError):
    """A body's file that cannot be used: names the file, the key and what to do."""


def read_body(path: str | Path) -> Body:
    """Return the body that a YAML file describes; raises BodyError."""
    try:
        described = yaml.load(Path(path).read_text(), Loader=_Loader)  # noqa: S506 (a SafeLoader)
        return body_of(described, Path(path).stem)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BodyError(f'{path} cannot be read: {reason}; give a body file') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BodyError(f'{path} is not YAML: {error}') from error
    except BodyError as error:
        raise BodyError(f'{path}: {error}') from error


def body_of(described: Any, name: str = 'body') -> Body:
    """Return the body of what a YAML file holds; raises BodyError naming the key."""
    if not isinstance(described, dict):
        raise BodyError('a body is a map of keys such as pitches and strikers; see docs/robots.md')
    for key in described:
        if key not in KEYS:
            raise BodyError(f'{key}: no such key; choose from {", ".join(sorted(KEYS))}')
    for key in NEEDED:
        if key not in described:
            raise BodyError(f'{key}: it is missing; add it')
    places = _places(described['pitches'])
    strikers, speed, acceleration = _strikers(described, places)
    softest, loudest = _loudness(described.get('loudness', [1, 127]))
    body = Body(
        name=str(described.get('name', name)),
        strikers=strikers,
        repeat=round(_number('repeat', described['repeat'], 0.001, 10) * SECOND),
        latency=_latency(described['latency']),
        softest=softest,
        loudest=loudest,
        fold_octaves=_flag(described, 'fold_octaves'),
        holds=_flag(described, 'holds'),
        pedal=_flag(described, 'pedal'),
        speed=speed,
        acceleration=acceleration,
    )
    for pitch in places:
        if pitch not in body.pitches:
            raise BodyError(f'pitches: {pitch} has no striker; name one as its joint')
    return body


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may not be there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise BodyError(f'{name}: it is there twice, again in line {line}')
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Place:
    """Where a pitch is: the joints that reach it (None: all) and their position, if given."""

    def __init__(self, joints: list[str] | None, position: float | None) -> None:
        self.joints = joints
        self.position = position


def _places(described: Any) -> dict[int, _Place]:
    if isinstance(described, dict):
        places = {_pitch(pitch): _place(pitch, place) for pitch, place in described.items()}
    else:
        parts = described if isinstance(described, list) else [described]
        places = {}
        for pitch in chain.from_iterable(map(_range, parts)):
            if pitch in places:
                raise BodyError(f'pitches: {pitch} is there twice; name each once')
            places[pitch] = _Place(None, None)
    if not places:
        raise BodyError('pitches: none is given; name at least one')
    return dict(sorted(places.items()))


def _place(pitch: Any, described: Any) -> _Place:
    if not isinstance(described, dict) or not set(described) <= {'joint', 'position'}:
        raise BodyError(
            f'pitches: {pitch} is {described!r}; write it as '
            f'{pitch}: {{joint: <name>, position: <number>}}, with either or both'
        )
    joints = described.get('joint')
    if joints is not None:
        joints = [str(joint) for joint in (joints if isinstance(joints, list) else [joints])]
    position = described.get('position')
    if position is not None:
        position = _number(f'pitches: position of {pitch}', position, -1e6, 1e6)
    return _Place(joints, position)


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
    described: Mapping[str, Any], places: Mapping[int, _Place]
) -> tuple[tuple[Striker, ...], float | None, float | None]:
    """Return the strikers with the limits of speed and acceleration of their joints."""
    named = _names(described['strikers'])
    for pitch, place in places.items():
        for joint in place.joints or ():
            if joint not in named:
                raise BodyError(
                    f'pitches: the joint {joint!r} of {pitch} is no striker; '
                    f'choose from {", ".join(named)}'
                )
    if 'move' not in described:
        for key, start in named.items():
            if start is not None:
                raise BodyError(
                    f'strikers: {key} stays and has no start; leave it out or add move'
                )
        return _staying(named, places), None, None
    speed, acceleration, times = _move(described['move'], list(places))
    given = [place.position is not None for place in places.values()]
    if any(given) and not all(given):
        missing = next(p for p, place in places.items() if place.position is None)
        raise BodyError(f'pitches: {missing} has no position; give one to each or to none')
    strikers = []
    for name, start in named.items():
        positions = {
            pitch: float(index) if place.position is None else place.position
            for index, (pitch, place) in enumerate(places.items())
            if place.joints is None or name in place.joints
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


def _names(described: Any) -> dict[str, int | None]:
    """Return each striker's name, with the pitch it starts at where one is given."""
    if isinstance(described, int) and not isinstance(described, bool):
        described = [f'striker_{number}' for number in range(max(described, 0))]
    if not isinstance(described, list) or not 1 <= len(described) <= MOST_STRIKERS:
        raise BodyError(f'strikers: give a number or a list of names, 1 to {MOST_STRIKERS}')
    named: dict[str, int | None] = {}
    for one in described:
        if isinstance(one, dict):
            if 'joint' not in one or not set(one) <= {'joint', 'start'}:
                raise BodyError(f'strikers: {one!r}; write {{joint: <name>, start: <pitch>}}')
            name, start = str(one['joint']), one.get('start')
            start = None if start is None else _pitch(start)
        else:
            name, start = str(one), None
        if name in named:
            raise BodyError(f'strikers: {name} is there twice; name each once')
        named[name] = start
    return named


def _staying(named: Mapping[str, int | None], places: Mapping[int, _Place]) -> tuple[Striker, ...]:
    if all(place.joints is None for place in places.values()):
        if len(named) != len(places):
            raise BodyError(
                f'strikers: {len(named)} for {len(places)} pitches; give each pitch its striker, '
                'or say in move how they get from key to key'
            )
        keys = {name: [pitch] for name, pitch in zip(named, places, strict=True)}
    else:
        keys = {name: [] for name in named}
        for pitch, place in places.items():
            for joint in place.joints or ():
                keys[joint].append(pitch)
    for name, pitches in keys.items():
        if not pitches:
            raise BodyError(f'strikers: {name} has no pitch; name it as joint of one')
    return tuple(
        Striker(name, dict.fromkeys(pitches), {}, pitches[0]) for name, pitches in keys.items()
    )


def _move(
    described: Any, pitches: list[int]
) -> tuple[float | None, float | None, dict[int, dict[int, int]] | None]:
    """Return (speed, acceleration, None) or (None, None, the times of a matrix)."""
    if isinstance(described, dict) and set(described) == {'times'}:
        return None, None, _times(described['times'], pitches)
    if isinstance(described, dict) and {'speed'} <= set(described) <= {'speed', 'acceleration'}:
        speed = _number('move: speed', described['speed'], 1e-6, 1e6)
        acceleration = described.get('acceleration')
        if acceleration is not None:
            acceleration = _number('move: acceleration', acceleration, 1e-6, 1e9)
        return speed, acceleration, None
    raise BodyError(
        'move: give speed, with acceleration where the joint has a limit, '
        'or times: a matrix of seconds from each key to each'
    )


def _times(rows: Any, pitches: list[int]) -> dict[int, dict[int, int]]:
    size = len(pitches)
    if not isinstance(rows, list) or [len(row) for row in rows if isinstance(row, list)] != (
        [size] * size
    ):
        raise BodyError(
            f'move: times must have {size} rows of {size} seconds, a row and a column a pitch'
        )
    return {
        a: {
            b: round(_number(f'move: times from {a} to {b}', seconds, 0, 60) * SECOND)
            for b, seconds in zip(pitches, row, strict=True)
        }
        for a, row in zip(pitches, rows, strict=True)
    }


def _latency(described: Any) -> Latency:
    points = described if isinstance(described, dict) else {64: described}
    if not points:
        raise BodyError('latency: give seconds, or a map from velocity to seconds')
    for velocity in points:
        if isinstance(velocity, bool) or not isinstance(velocity, int) or not 1 <= velocity <= 127:
            raise BodyError(f'latency: {velocity!r} is not a velocity; use 1 to 127')
    table = sorted(points.items())
    seconds = [_number(f'latency: velocity {velocity}', s, 0, 2) for velocity, s in table]
    return Latency(
        tuple(velocity for velocity, _ in table), tuple(round(s * SECOND) for s in seconds)
    )


def _loudness(described: Any) -> tuple[int, int]:
    if (
        isinstance(described, list)
        and len(described) == 2
        and all(isinstance(v, int) and not isinstance(v, bool) for v in described)
        and 1 <= described[0] <= described[1] <= 127
    ):
        return described[0], described[1]
    raise BodyError(f'loudness: {described!r}; give the softest and loudest velocity, [1, 127]')


def _flag(described: Mapping[str, Any], key: str) -> bool:
    value = described.get(key, False)
    if not isinstance(value, bool):
        raise BodyError(f'{key}: {value!r}; write true or false')
    return value


def _number(key: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BodyError(f'{key}: {value!r} is not a number from {low:g} to {high:g}')
    return float(value)
