# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The MuJoCo model (MJCF) of a body: keys, strikers, rails, and the drives of its joints."""

from __future__ import annotations

from math import cos, log, pi, sin, sqrt
import xml.etree.ElementTree as ElementTree

from improv_ros.performing.body import Body
from improv_ros.simulation.layout import (
    RAIL_DISTANCE,
    RAIL_HEIGHT,
    Key,
    Layout,
    Place,
    layout_of,
)
from improv_ros.simulation.stroke import strokes_of

STEP = 0.002  # seconds
CONTACT = 300.0  # stiffness of a head on a key: angular frequency of the contact, 1/s
OVERTRAVEL = 0.02  # metres by which a striker can pass the surface of the keys where none is
LEAST_ACCELERATION = 10.0  # for friction where the file gives no limit of acceleration
BORDER = 0.4  # of the floor around the keys, metres
TURN = 0.02  # kg m^2 that keep a light wrist from trembling; of the motor's rotor
WOOD, DARK_WOOD = '0.62 0.33 0.18 1', '0.38 0.18 0.10 1'
IVORY, EBONY, SKIN = '0.95 0.94 0.90 1', '0.08 0.08 0.09 1', '0.90 0.88 0.80 1'
STEEL, PAINTS = '0.55 0.57 0.60 1', ('0.10 0.42 0.75 1', '0.90 0.45 0.10 1')
FELT = '0.85 0.15 0.20 1'


def scene_of(body: Body) -> str:
    """Return the model of a body as MJCF."""
    layout = layout_of(body)
    root = ElementTree.Element('mujoco', model=body.name)
    _add(root, 'compiler', angle='radian', autolimits='true')
    _add(root, 'option', timestep=STEP, integrator='implicitfast', cone='pyramidal')
    _visuals(root, layout)
    world = _add(root, 'worldbody')
    _surroundings(world, layout)
    for key in layout.keys:
        _key(world, key, body)
    if body.moves:
        _rails(world, layout)
    actuators = _add(root, 'actuator')
    for number, place in enumerate(layout.places):
        _striker(world, actuators, place, body, layout, PAINTS[number % 2])
    return ElementTree.tostring(root, encoding='unicode')


def _add(parent: ElementTree.Element, tag: str, **attributes: object) -> ElementTree.Element:
    texts = {name: _text(value) for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, texts)


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ' '.join(map(_text, value))
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def _visuals(root: ElementTree.Element, layout: Layout) -> None:
    visual = _add(root, 'visual')
    _add(visual, 'headlight', ambient=(0.35, 0.35, 0.35), diffuse=(0.4, 0.4, 0.4))
    _add(visual, 'global', offwidth=1280, offheight=720)
    _add(visual, 'quality', shadowsize=2048)
    low, high = layout.span
    _add(root, 'statistic', center=((low + high) / 2, 0.0, 0.0), extent=high - low)
    asset = _add(root, 'asset')
    _add(
        asset,
        'texture',
        name='sky',
        type='skybox',
        builtin='gradient',
        rgb1=(0.93, 0.94, 0.96),
        rgb2=(0.75, 0.78, 0.82),
        width=256,
        height=256,
    )


def _surroundings(world: ElementTree.Element, layout: Layout) -> None:
    low, high = layout.span
    middle, width = (low + high) / 2, high - low
    _add(world, 'light', pos=(middle, -0.6, 2.0), dir=(0, 0.3, -1), diffuse=(0.7, 0.7, 0.7))
    _add(
        world,
        'geom',
        type='box',
        pos=(middle, 0.0, -0.12),
        size=(width / 2 + BORDER, RAIL_DISTANCE + BORDER / 2, 0.02),
        rgba=(0.80, 0.80, 0.82, 1),
        contype=0,
        conaffinity=0,
    )
    distance = 0.5 + 0.68 * width
    _add(
        world,
        'camera',
        name='front',
        pos=(middle, -0.8 * distance, 0.62 * distance),
        xyaxes=(1, 0, 0, 0, 0.61, 0.79),
        fovy=45,
    )


def _key(world: ElementTree.Element, key: Key, body: Body) -> None:
    if body.moves:
        rgba = DARK_WOOD if key.black else WOOD
    elif all(len(striker.positions) == 1 for striker in body.strikers):
        rgba = EBONY if key.black else IVORY
    else:
        rgba = SKIN
    # dampratio 1 loses all speed at an impact; solref's time constant makes the frequency CONTACT.
    bounce = -log(max(body.physics.restitution, 0.01))
    damping = bounce / sqrt(pi * pi + bounce * bounce)
    time_constant = max(1 / (CONTACT * damping), 2 * STEP)
    _add(
        world,
        'geom',
        name=f'key_{key.pitch}',
        type='box',
        pos=(key.x, key.y, -0.01),
        size=(key.width / 2, key.length / 2, 0.01),
        rgba=rgba,
        contype=0,
        conaffinity=1,
        condim=1,
        solref=(time_constant, damping),
        solimp=(0.95, 0.95, 0.001),
    )


def _rails(world: ElementTree.Element, layout: Layout) -> None:
    low, high = layout.span
    for side in sorted({place.side for place in layout.places}):
        _add(
            world,
            'geom',
            type='box',
            pos=((low + high) / 2, side * RAIL_DISTANCE, RAIL_HEIGHT - 0.05),
            size=((high - low) / 2 + 0.1, 0.015, 0.015),
            rgba=STEEL,
            contype=0,
            conaffinity=0,
        )


def _striker(
    world: ElementTree.Element,
    actuators: ElementTree.Element,
    place: Place,
    body: Body,
    layout: Layout,
    paint: str,
) -> None:
    """Add a striker, on its carriage if it moves, with its drives."""
    parent, y = world, place.y
    if place.moves:
        parent = _carriage(world, actuators, place, body, layout, paint)
        y -= place.side * RAIL_DISTANCE  # of the head, from the carriage
    drop = RAIL_HEIGHT if place.moves else 0.0
    x = 0.0 if place.moves else place.x
    contact = place.contact
    physics = body.physics
    strokes = strokes_of(body)
    scale = place.lever or 1.0
    if place.lever:
        pivot = (x, y + place.side * place.lever, place.radius - drop)
        striker = _add(parent, 'body', name=f'{place.name}_mallet', pos=pivot, gravcomp=1)
        tip = (0.0, -place.side * place.lever * cos(contact), place.lever * sin(contact))
        axis, kind = (place.side, 0, 0), 'hinge'
        _add(
            striker,
            'geom',
            type='capsule',
            fromto=(0.0, 0.0, 0.0, *tip),
            size=0.003,
            mass=1e-4,
            rgba=EBONY,
            contype=0,
            conaffinity=0,
        )
    else:
        striker = _add(
            parent,
            'body',
            name=f'{place.name}_plunger',
            pos=(x, y, place.radius + place.stroke - drop),
            gravcomp=1,
        )
        tip, axis, kind = (0.0, 0.0, 0.0), (0, 0, -1), 'slide'
        _add(
            striker,
            'geom',
            type='cylinder',
            fromto=(0.0, 0.0, 0.0, 0.0, 0.0, 0.05),
            size=0.004,
            mass=1e-4,
            rgba=STEEL,
            contype=0,
            conaffinity=0,
        )
    _add(
        striker,
        'joint',
        name=place.drive,
        type=kind,
        axis=axis,
        range=(-0.1 * contact, contact + OVERTRAVEL / scale),
        frictionloss=physics.friction * float(strokes.force.min()) * scale,
    )
    _add(
        striker,
        'geom',
        name=f'{place.name}_head',
        type='sphere',
        pos=tip,
        size=place.radius,
        mass=physics.striker_mass,
        rgba=FELT,
        contype=1,
        conaffinity=0,
        condim=1,
    )
    _add(
        actuators,
        'general',
        name=place.drive,
        joint=place.drive,
        **_lag(physics.lag),
        gainprm=1,
        biastype='none',
    )


def _carriage(
    world: ElementTree.Element,
    actuators: ElementTree.Element,
    place: Place,
    body: Body,
    layout: Layout,
    paint: str,
) -> ElementTree.Element:
    """Add the carriage of a striker on its rail, with the drive of the rail; return it."""
    physics = body.physics
    carriage = _add(
        world,
        'body',
        name=f'{place.name}_carriage',
        pos=(place.x, place.side * RAIL_DISTANCE, RAIL_HEIGHT),
        gravcomp=1,
    )
    limit = 1.5 * physics.joint_mass * (body.acceleration or 0.0) * layout.scale
    acceleration = (body.acceleration or LEAST_ACCELERATION / layout.scale) * layout.scale
    _add(
        carriage,
        'joint',
        name=place.name,
        type='slide',
        axis=(1, 0, 0),
        frictionloss=physics.friction * physics.joint_mass * acceleration,
        **({'actuatorfrcrange': (-limit, limit)} if limit else {}),
    )
    free = {'contype': 0, 'conaffinity': 0}
    _add(
        carriage,
        'geom',
        type='box',
        size=(0.035, 0.03, 0.035),
        mass=physics.joint_mass,
        rgba=paint,
        **free,
    )
    wrist = place.y + place.side * place.lever - place.side * RAIL_DISTANCE
    _add(
        carriage,
        'geom',
        type='capsule',
        fromto=(0.0, 0.0, -0.02, 0.0, wrist, place.radius - RAIL_HEIGHT),
        size=0.012,
        mass=1e-3,
        rgba=paint,
        **free,
    )
    frequency = 2 * pi * physics.bandwidth
    stiffness = physics.joint_mass * frequency * frequency
    damping = 2 * physics.joint_mass * frequency
    _add(
        actuators,
        'general',
        name=f'{place.name}_position',
        joint=place.name,
        **_lag(physics.lag),
        gainprm=stiffness,
        biastype='affine',
        biasprm=(0.0, -stiffness, 0.0),
    )
    _add(
        actuators,
        'general',
        name=f'{place.name}_speed',
        joint=place.name,
        **_lag(physics.lag),
        gainprm=damping,
        biastype='affine',
        biasprm=(0.0, 0.0, -damping),
    )
    return carriage


def _lag(seconds: float) -> dict[str, object]:
    """Return the attributes of a drive that follows its command with a time constant."""
    return {'dyntype': 'filterexact', 'dynprm': seconds} if seconds else {'dyntype': 'none'}
