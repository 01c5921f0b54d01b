# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Start the chain: `ros2 launch improv_ros improv.launch.py mode:=solo output:=synth,file`."""

import atexit
import os
from pathlib import Path
import posixpath
import shutil
import tempfile
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

from improv_ros.bringup import chain_spec
from improv_ros.bringup.namespace_claim import Claim
from improv_ros.bringup.ros_environment import discovery_variables, enclave_arguments
from improv_ros.bringup.shared_files import PACKAGE
from improv_ros.process.backoff import UNUSABLE, RestartBackoff


def generate_launch_description():
    """Declare the arguments and start the nodes that `bringup.chain_spec` returns for them."""
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=choices(argument),
        )
        for argument in chain_spec.ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])


def start_nodes(context):
    """Return a launch action for each node of the chain."""
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in chain_spec.ARGUMENTS
    }
    claim = (
        None if values['force'] == 'true' else Claim(full_namespace(values, context), os.environ)
    )
    config = chain_spec.config_file(values)
    folder = Path(tempfile.mkdtemp(prefix='improv_'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return [
        Node(
            package=PACKAGE,
            executable=node.executable,
            name=node.executable,
            namespace=values['namespace'],
            parameters=parameter_files(node, config, folder),
            remappings=list(node.remappings),
            arguments=[
                '--ros-args',  # SetParameter and parameter files override what is given here
                '--params-file',
                write(folder / f'{node.executable}_defaults.yaml', chain_spec.defaults_file(node)),
                *('--log-level', values['log_level']),
                *enclave_arguments(values['namespace'], node.executable, os.environ),
            ],
            additional_env=discovery_variables(values['discovery'], os.environ),
            output='screen',
            on_exit=Respawn(node.executable, claim),
        )
        for node in chain_spec.chain(values)
    ]


def full_namespace(values, context):
    """Return the full namespace of the nodes, which a launch group may have changed."""
    group = LaunchConfiguration('ros_namespace', default='').perform(context)
    return posixpath.join('/', group, values['namespace'])


def choices(argument):
    """Return the valid values of an argument; the empty value leaves it to the config."""
    if not argument.choices:
        return None
    return [*argument.choices] if argument.default else ['', *argument.choices]


def parameter_files(node, config, folder):
    """Return the user's parameter file and a file with the arguments that override it."""
    files = [config] if config else []
    if node.parameters:
        files.append(write(folder / f'{node.executable}.yaml', chain_spec.parameter_file(node)))
    return files


def write(path, text):
    """Write a file and return its path."""
    path.write_text(text)
    return str(path)


class Respawn:
    """Restarts the process of a node after a growing pause, when it exits.

    `respawn=True` has only a fixed pause. The same command is started, not a new `Node`, which
    would lack the namespace and remappings of its launch group.
    """

    def __init__(self, name, claim=None):
        """Note that the node starts now, and hold the claim of its namespace."""
        self._name = name
        self._claim = claim
        self._backoff = RestartBackoff()
        self._backoff.started(time.monotonic())

    def __call__(self, event, context):
        """Return the actions for a ProcessExited event; none during the shutdown of launch."""
        if context.is_shutdown:
            return []
        if event.returncode == UNUSABLE:
            return [LogInfo(msg=f'{self._name} cannot run; it is not restarted')]
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
            LogInfo(msg=f'{self._name} has ended; restarting it in {pause:g} s'),
            TimerAction(period=pause, actions=[again]),
        ]
