# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Show the robot and its notes: `ros2 launch improv_ros display.launch.py body:=marimba_arms`.

It starts nothing that plays, so it can be started and ended while the robot plays.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from improv_ros.bringup.shared_files import PACKAGE, shared_file
from improv_ros.display.urdf import ROOT, urdf_of
from improv_ros.nodes.common.bodies import load_body

WORLD = 'world'
# Name, default, description.
ARGUMENTS = (
    ('body', '', 'Body to show: drums_8, marimba_arms, piano_88 or a YAML file; empty: none'),
    (
        'body_pose',
        '0 0 0 0 0 0',
        'Where the body is in the world: x y z [m], yaw pitch roll [rad]',
    ),
    ('keyboard', 'true', 'Show a piano keyboard with lit keys and the notes to come'),
    ('keyboard_pose', '0 -0.6 0 0 0 0', 'Where the lowest key is in the world, as body_pose'),
    ('rviz', 'true', 'Start RViz'),
    ('namespace', 'improv', 'Namespace of the nodes that play'),
)


def generate_launch_description():
    """Declare the arguments and start what they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def start_nodes(context):
    """Return the nodes."""
    values = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    namespace = values['namespace']
    nodes = []
    if values['body']:
        nodes += [
            Node(
                package='robot_state_publisher',
                executable='robot_state_publisher',
                namespace=namespace,
                parameters=[{'robot_description': urdf_of(load_body(values['body']))}],
            ),
            transform('body_transform', values['body_pose'], ROOT),
        ]
    if values['keyboard'] == 'true':
        nodes += [
            Node(package=PACKAGE, executable='keyboard_markers', namespace=namespace),
            transform('keyboard_transform', values['keyboard_pose'], 'keyboard'),
        ]
    if values['rviz'] == 'true':
        config = str(shared_file('config/improv.rviz'))
        nodes.append(Node(package='rviz2', executable='rviz2', arguments=['-d', config]))
    return nodes


def transform(name, pose, frame):
    """Return a node that publishes where a frame is in the world."""
    words = pose.split()
    if len(words) != 6:
        raise ValueError(f'{pose!r} is no pose: give x y z yaw pitch roll')
    options = ('--x', '--y', '--z', '--yaw', '--pitch', '--roll')
    arguments = [word for pair in zip(options, words, strict=True) for word in pair]
    return Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        name=name,
        arguments=[*arguments, '--frame-id', WORLD, '--child-frame-id', frame],
    )
