# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A ROS node beside a program that does something else, such as a command or a benchmark."""

from __future__ import annotations

import threading
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

_Self = TypeVar('_Self', bound='NodeThread')


class NodeThread:
    """Runs the callbacks of `node` in a thread of its own; use it as a context manager."""

    def __init__(self, name: str, namespace: str = '') -> None:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(name, namespace=namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, name=name, daemon=True)

    def __enter__(self: _Self) -> _Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown()
