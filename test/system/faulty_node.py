# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A real node in which one verb of the lifecycle raises, the first few times that it is called.

python faulty_node.py EXECUTABLE VERB TIMES --ros-args ...
"""

from __future__ import annotations

import importlib
import sys

from improv_ros.nodes.common.managed_node import ManagedNode, run


def faulty(executable: str, verb: str, times: int) -> type[ManagedNode]:
    """Return the class of a node whose `verb` raises the first `times` times."""
    module = importlib.import_module(f'improv_ros.nodes.{executable}')
    (real,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ManagedNode) and value is not ManagedNode
    )
    left = times

    def fail_first(self: ManagedNode) -> None:
        nonlocal left
        if left:
            left -= 1
            raise RuntimeError(f'{verb} fails on purpose')
        getattr(real, verb)(self)

    return type(real.__name__, (real,), {verb: fail_first})


if __name__ == '__main__':
    _, executable, verb, times, *ros_arguments = sys.argv
    sys.exit(run(faulty(executable, verb, int(times)), [sys.argv[0], *ros_arguments]))
