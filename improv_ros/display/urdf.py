# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A body as URDF, for robot_state_publisher: its joints have the names of `joint_states`.

x is in the unit of the positions in the body file, as `joint_states` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, hypot, pi, sin
import re
import xml.etree.ElementTree as ElementTree

from improv_ros.performing.body import Body
from improv_ros.simulation.layout import RAIL_DISTANCE, RAIL_HEIGHT, Key, Place, layout_of

ROOT = 'body'
KEY_HEIGHT = 0.02
WOOD, DARK, STEEL = (0.62, 0.33, 0.18, 1), (0.2, 0.12, 0.1, 1), (0.55, 0.57, 0.6, 1)
PAINTS = ((0.1, 0.42, 0.75, 1), (0.9, 0.45, 0.1, 1))
FELT = (0.85, 0.15, 0.2, 1)
FASTEST = 1000.0  # of strokes, which are not limited, rad/s or m/s
EFFORT = 1000.0
Triple = tuple[float, float, float]


def urdf_of(body: Body) -> str:
    """Return the URDF of a body."""
    layout = layout_of(body)
    robot = ElementTree.Element('robot', name=re.sub(r'\W+', '_', body.name))
    ElementTree.SubElement(robot, 'link', name=ROOT)
    for key in layout.keys:
        _key(robot, key, layout.scale)
    low, high = (x / layout.scale for x in layout.span)
    if body.moves:
        for side in sorted({place.side for place in layout.places}):
            link = f'rail_{side:+d}'.replace('+', 'right_').replace('-', 'left_')
            _link(robot, link)
            _box(robot, link, (high - low + 0.2, 0.03, 0.03), STEEL)
            at = ((low + high) / 2, side * RAIL_DISTANCE, RAIL_HEIGHT - 0.05)
            _joint(robot, link, ROOT, at)
    for number, place in enumerate(layout.places):
        _striker(robot, place, body, layout.scale, PAINTS[number % 2])
    ElementTree.indent(robot)
    return ElementTree.tostring(robot, encoding='unicode')


def _key(robot: ElementTree.Element, key: Key, scale: float) -> None:
    link = f'key_{key.pitch}'
    _link(robot, link)
    size = (key.width / scale, key.length, KEY_HEIGHT)
    _box(robot, link, size, DARK if key.black else WOOD)
    _joint(robot, link, ROOT, (key.x / scale, key.y, -KEY_HEIGHT / 2))


def _striker(
    robot: ElementTree.Element,
    place: Place,
    body: Body,
    scale: float,
    paint: tuple[float, ...],
) -> None:
    parent, x, y, z = ROOT, place.x / scale, place.y, place.radius
    if place.moves:
        positions = next(s.positions for s in body.strikers if s.name == place.name)
        reach = [position for position in positions.values() if position is not None]
        parent = f'{place.name}_carriage'
        _link(robot, parent)
        _box(robot, parent, (0.07, 0.06, 0.07), paint)
        limits = (min(reach), max(reach), body.speed or FASTEST)
        at = (x, place.side * RAIL_DISTANCE, RAIL_HEIGHT)
        _joint(robot, parent, ROOT, at, place.name, 'prismatic', (1, 0, 0), limits)
        wrist = place.y + place.side * place.lever - place.side * RAIL_DISTANCE
        _rod(robot, parent, (0, 0, -0.02), (0, wrist, z - RAIL_HEIGHT), 0.012, paint)
        x, y, z = 0.0, place.y - place.side * RAIL_DISTANCE, z - RAIL_HEIGHT
    link = f'{place.name}_striker'
    _link(robot, link)
    limits = (0.0, place.contact, FASTEST)
    if place.lever:
        tip = (
            0.0,
            -place.side * place.lever * cos(place.contact),
            place.lever * sin(place.contact),
        )
        _rod(robot, link, (0, 0, 0), tip, 0.003, DARK)
        at = (x, y + place.side * place.lever, z)
        _joint(robot, link, parent, at, place.drive, 'revolute', (place.side, 0, 0), limits)
    else:
        tip = (0.0, 0.0, 0.0)
        _rod(robot, link, tip, (0, 0, 0.05), 0.004, STEEL)
        at = (x, y, z + place.stroke)
        _joint(robot, link, parent, at, place.drive, 'prismatic', (0, 0, -1), limits)
    head = f'{place.name}_head'
    _link(robot, head)
    _shape(robot, head, 'sphere', {'radius': place.radius}, FELT)
    _joint(robot, head, link, tip)


def _link(robot: ElementTree.Element, name: str) -> None:
    ElementTree.SubElement(robot, 'link', name=name)


def _box(robot: ElementTree.Element, link: str, size: Triple, rgba: tuple[float, ...]) -> None:
    _shape(robot, link, 'box', {'size': size}, rgba)


def _rod(
    robot: ElementTree.Element,
    link: str,
    begin: Triple,
    end: Triple,
    radius: float,
    rgba: tuple[float, ...],
) -> None:
    """Add a rod in a plane of constant x; a cylinder of URDF lies along z about its middle."""
    along, up = end[1] - begin[1], end[2] - begin[2]
    middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2, (begin[2] + end[2]) / 2)
    turned = (atan2(up, along) - pi / 2, 0.0, 0.0)
    form = {'radius': radius, 'length': hypot(along, up)}
    _shape(robot, link, 'cylinder', form, rgba, middle, turned)


def _shape(
    robot: ElementTree.Element,
    link: str,
    kind: str,
    form: Mapping[str, float | Triple],
    rgba: tuple[float, ...],
    xyz: Triple = (0.0, 0.0, 0.0),
    rpy: Triple = (0.0, 0.0, 0.0),
) -> None:
    owner = next(element for element in robot.iter('link') if element.get('name') == link)
    visual = ElementTree.SubElement(owner, 'visual')
    ElementTree.SubElement(visual, 'origin', xyz=_text(xyz), rpy=_text(rpy))
    geometry = ElementTree.SubElement(visual, 'geometry')
    values = {name: _text(value) for name, value in form.items()}
    ElementTree.SubElement(geometry, kind, values)
    material = ElementTree.SubElement(visual, 'material', name=f'{link}_{kind}_colour')
    ElementTree.SubElement(material, 'color', rgba=_text(rgba))


def _joint(
    robot: ElementTree.Element,
    child: str,
    parent: str,
    xyz: Triple,
    name: str = '',
    kind: str = 'fixed',
    axis: Triple = (1, 0, 0),
    limits: tuple[float, float, float] | None = None,
) -> None:
    """Add a joint; limits: (lowest position, highest position, highest speed)."""
    joint = ElementTree.SubElement(robot, 'joint', name=name or f'{child}_fixed', type=kind)
    ElementTree.SubElement(joint, 'parent', link=parent)
    ElementTree.SubElement(joint, 'child', link=child)
    ElementTree.SubElement(joint, 'origin', xyz=_text(xyz), rpy='0 0 0')
    if limits is None:
        return
    ElementTree.SubElement(joint, 'axis', xyz=_text(axis))
    lower, upper, speed = limits
    ElementTree.SubElement(
        joint,
        'limit',
        lower=_text(lower),
        upper=_text(upper),
        velocity=_text(speed),
        effort=_text(EFFORT),
    )


def _text(value: float | tuple[float, ...]) -> str:
    return ' '.join(f'{v:.6g}' for v in value) if isinstance(value, tuple) else f'{value:.6g}'
