"""Start the chain: `ros2 launch improv_ros improv.launch.py mode:=solo output:=synth,file`."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from improv_ros import bringup
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
            output='screen',
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
