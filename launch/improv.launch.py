"""Start the chain: `ros2 launch improv_ros improv.launch.py mode:=solo output:=synth,file`."""

import os
import time

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    TimerAction,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from improv_ros import bringup, discovery
from improv_ros.backoff import Backoff
from improv_ros.enclaves import enclave_arguments


def generate_launch_description():
    """Declare the arguments and start the nodes which `improv_ros.bringup` lists for them."""
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in bringup.ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])


def start_nodes(context):
    """Return a launch action for each node of the chain."""
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in bringup.ARGUMENTS
    }
    config = values['config'] or str(bringup.share('config/improv.yaml'))
    return [
        Node(
            package=bringup.PACKAGE,
            executable=node.executable,
            name=node.executable,
            namespace=values['namespace'],
            parameters=[config, *overrides(node)],
            arguments=[
                '--ros-args',
                *('--log-level', values['log_level']),
                *enclave_arguments(values['namespace'], node.executable, os.environ),
            ],
            additional_env=discovery.environment(values['discovery'], os.environ),
            output='screen',
            on_exit=Respawn(node.executable),
        )
        for node in bringup.chain(values)
    ]


def overrides(node):
    """Return the node's own parameters, kept text: a device called '0' is not a number."""
    parameters = {
        name: ParameterValue(value, value_type=type(value))
        for name, value in node.parameters.items()
    }
    return [parameters] if parameters else []


class Respawn:
    """What to do when a node's process exits: start it again after a pause, longer each time.

    `respawn=True` knows only a fixed pause. It is the same command that is started, not a new
    `Node`, which would miss the namespaces and remappings of a group that is over by then.
    """

    def __init__(self, name):
        """Note that the node starts now."""
        self._name = name
        self._backoff = Backoff()
        self._backoff.started(time.monotonic())

    def __call__(self, event, context):
        """Return the actions that follow a ProcessExited event; none on the way out."""
        if context.is_shutdown:
            return []
        now = time.monotonic()
        pause = self._backoff.ended(now)
        self._backoff.started(now + pause)
        again = ExecuteProcess(
            cmd=event.cmd,
            prefix='',
            name=self._name,
            cwd=event.cwd,
            env=event.env,
            output='screen',
            on_exit=self,
        )
        return [
            LogInfo(msg=f'{self._name} starts again in {pause:g} s'),
            TimerAction(period=pause, actions=[again]),
        ]
