# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The only uses of private names of rclpy, each with the reason why no public name does."""

from __future__ import annotations

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.parameter import Parameter

# `rclpy.init` and the constructor of a node raise these for malformed ROS arguments and parameter
# files. `rclpy.exceptions` does not export them.
RCLError = rclpy_implementation.RCLError
UnknownROSArgsError = rclpy_implementation.UnknownROSArgsError

# What a destroyed entity raises. Which module of rclpy exports it depends on the distribution.
InvalidHandle = rclpy_implementation.InvalidHandle


def parameter_overrides(node: Node) -> dict[str, Parameter]:
    """Return the parameters that files and arguments gave to a node, declared or not.

    They are needed to report names that the node does not declare, and to convert an integer
    before it is declared as a float. rclpy has no public way to list them.
    """
    return node._parameter_overrides
