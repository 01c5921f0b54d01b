# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The parameters that a node would have, as ROS itself reads its command line."""

from __future__ import annotations

from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


def read_by_ros(*arguments: str) -> dict[str, Any]:
    """Return the parameters that ROS gives a node called /improv/improviser."""
    context = rclpy.Context()
    rclpy.init(
        args=['--ros-args', '-r', '__ns:=/improv', *arguments],
        context=context,
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = Node(
        'improviser',
        context=context,
        start_parameter_services=False,
        automatically_declare_parameters_from_overrides=True,
    )
    try:
        return {name: value.value for name, value in node.get_parameters_by_prefix('').items()}
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
