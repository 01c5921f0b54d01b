# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The URDF of a body: its joints are those of joint_states, and lead where the model's do."""

from __future__ import annotations

from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest

from improv_ros.display.urdf import urdf_of
from improv_ros.performing.body_file import read_body
from improv_ros.simulation.layout import layout_of

mujoco = pytest.importorskip('mujoco')
from improv_ros.simulation.simulated_body import SimulatedBody  # noqa: E402

MOMENTS = ('ixx', 'iyy', 'izz', 'ixy', 'ixz', 'iyz')
BODIES = sorted((Path(__file__).parents[2] / 'config' / 'bodies').glob('*.yaml'))
OTHERS = sorted((Path(__file__).parents[1] / 'performing' / 'bodies').glob('*.yaml'))


@pytest.mark.parametrize('path', [*BODIES, *OTHERS], ids=lambda path: path.stem)
def test_every_joint_state_has_its_joint(path: Path) -> None:
    body = read_body(path)
    robot = ElementTree.fromstring(urdf_of(body))
    movable = {j.get('name') for j in robot.iter('joint') if j.get('type') != 'fixed'}
    assert movable == set(SimulatedBody(body, 0).joint_states().names)
    links = [link.get('name') for link in robot.iter('link')]
    assert len(links) == len(set(links))
    children = [joint.find('child').get('link') for joint in robot.iter('joint')]
    assert sorted([*children, 'body']) == sorted(links)  # a tree with one root
    for key in layout_of(body).keys:
        assert f'key_{key.pitch}' in links


@pytest.mark.parametrize('path', BODIES, ids=lambda path: path.stem)
def test_the_heads_are_where_the_model_has_them(path: Path) -> None:
    body = read_body(path)
    simulated = SimulatedBody(body, 0)
    compiler = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco>'
    # MuJoCo wants inertias of links that move, which a display does not need.
    moments = ' '.join(f'{axes}="{float(axes[1] == axes[2])}"' for axes in MOMENTS)
    inertia = f'<inertial><mass value="1"/><inertia {moments}/></inertial>'
    text = urdf_of(body).replace('</link>', f'{inertia}</link>')
    model = mujoco.MjModel.from_xml_string(text.replace('</robot>', f'{compiler}</robot>'))
    data = mujoco.MjData(model)
    for share in (0.0, 0.4, 1.0):
        for place in layout_of(body).places:
            states = {place.drive: share * place.contact}
            if place.moves:
                states[place.name] = share
            for name, position in states.items():
                data.joint(name).qpos[0] = position
            simulated.set_joint_states(list(states), list(states.values()))
        mujoco.mj_kinematics(model, data)
        for place in layout_of(body).places:
            there = simulated.data.geom(f'{place.name}_head').xpos
            assert data.body(f'{place.name}_head').xpos == pytest.approx(there, abs=1e-5)
