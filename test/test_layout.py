# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The rooms of the package: file names, import circles, and which room may import which."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = 'improv_ros'
# Rooms that know neither ROS nor each other, and what each may import besides itself.
PURE = {
    'event_text': set(),
    'process': {'event_text'},
    'inference': {'event_text', 'process'},
    'listening': {'event_text', 'inference', 'process'},
    'improvising': {'event_text', 'inference', 'process'},
    'playing': {'event_text', 'process'},
    'performing': {'event_text', 'process'},
    'simulation': {'event_text', 'performing', 'process'},
    'display': {'event_text', 'performing', 'process', 'simulation'},
    'page': {'event_text', 'process'},
}
# Rooms above them, which may import any pure room.
ABOVE = {
    'bringup': {'process'},
    'calibration': {'event_text', 'listening'},
    'nodes': {*PURE, 'bringup', 'calibration'},
    'bags': {*PURE, 'bringup', 'nodes'},
    'training': set(PURE),
    'commands': {*PURE, 'bringup', 'calibration', 'nodes', 'bags', 'training'},
    'cli': {'commands', 'process'},
}
ROS = {
    *('rclpy', 'std_msgs', 'std_srvs', 'diagnostic_msgs', 'lifecycle_msgs', 'trajectory_msgs'),
    *('sensor_msgs', 'visualization_msgs', 'geometry_msgs'),
    *('rcl_interfaces', 'builtin_interfaces', 'rosgraph_msgs'),
}


def modules() -> dict[str, Path]:
    """Return the file of each module of the package, by its full name."""
    found = {}
    for path in (ROOT / PACKAGE).rglob('*.py'):
        parts = path.relative_to(ROOT).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def imports(path: Path, anywhere: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Yield each imported module with the names taken from it.

    Imports inside functions are left out if not `anywhere`: they cannot make a circle.
    """
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if anywhere else at_import(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path}:{node.lineno}: a relative import'
            yield str(node.module), [alias.name for alias in node.names]


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is executed when a module is imported, except under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test):
            continue
        yield node
        yield from at_import(node)


def room(module: str) -> str:
    """Return the room of a module of the package: the folder, or the module beside the folders."""
    return (module.split('.') + [''])[1]


def test_no_two_modules_have_the_same_file_name() -> None:
    by_name = defaultdict(list)
    for name, path in modules().items():
        if path.name != '__init__.py':
            by_name[path.name].append(name)
    twice = {name: found for name, found in by_name.items() if len(found) > 1}
    assert not twice


def test_every_room_is_known() -> None:
    rooms = {room(name) for name in modules()} - {''}
    assert rooms == {*PURE, *ABOVE}


def test_rooms_import_along_the_arrows() -> None:
    allowed = {**PURE, **ABOVE}
    wrong = []
    for name, path in modules().items():
        for imported, names in imports(path):
            if imported.partition('.')[0] != PACKAGE:
                continue
            for target in [imported] if imported != PACKAGE else [f'{PACKAGE}.{n}' for n in names]:
                here, there = room(name), room(target)
                if there in allowed and there not in {here, *allowed.get(here, ())}:
                    wrong.append(f'{name} imports {target}')
    assert not wrong


def test_pure_rooms_know_nothing_of_ros() -> None:
    wrong = []
    for name, path in modules().items():
        for imported, _ in imports(path):
            top = imported.partition('.')[0]
            if top in ROS and room(name) in {*PURE, 'calibration', 'training'}:
                wrong.append(f'{name} imports {imported}')
    assert not wrong


def test_only_launch_files_import_launch() -> None:
    for name, path in modules().items():
        tops = {imported.partition('.')[0] for imported, _ in imports(path)}
        assert not tops & {'launch', 'launch_ros'}, name


def test_modules_import_no_circle() -> None:
    known = modules()
    graph = {
        name: {
            target
            for imported, names in imports(path, anywhere=False)
            for target in [*(f'{imported}.{n}' for n in names), imported]
            if target in known and target != name and not is_package_of(target, name)
        }
        for name, path in known.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def is_package_of(package: str, module: str) -> bool:
    """Tell whether a module imports its own package, as in `from improv_ros.x import y`."""
    return module.startswith(f'{package}.')
