#!/usr/bin/env python3
# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Does every name of rclpy, launch and messages that this package uses exist in a distribution?

    for r in rclpy launch launch_ros common_interfaces rcl_interfaces; do
        git clone https://github.com/ros2/$r sources/$r; done
    tools/check_distributions.py sources/* --branches humble jazzy rolling

It reads the sources of the branches by git, and imports nothing. It checks imported names, keyword
arguments, methods of nodes, and the fields and constants of messages. What is guarded by `try` may
be missing. Prints a table in Markdown; ends with 1 if a name is missing.
"""

import argparse
import ast
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
import re
import subprocess
import sys

ROOT = Path(__file__).parents[1]
SOURCES = ('improv_ros', 'launch', 'examples/python')
PACKAGES = ('rclpy', 'launch', 'launch_ros')
INTERFACES = ('.msg', '.srv')
GUARDS = ('ImportError', 'ModuleNotFoundError', 'AttributeError')
NODE_FILES = ('rclpy/rclpy/node.py', 'rclpy/rclpy/lifecycle/node.py')


class Distribution:
    """The sources of one branch of some repositories."""

    def __init__(self, repositories: list[Path], branch: str) -> None:
        self._of_file: dict[str, Path] = {}
        self.branch = branch
        for repository in repositories:
            listing = git(repository, 'ls-tree', '-r', '--name-only', self._ref(repository))
            for path in listing.splitlines():
                self._of_file.setdefault(path, repository)

    @lru_cache  # noqa: B019 (one object per run)
    def _ref(self, repository: Path) -> str:
        for ref in (self.branch, f'origin/{self.branch}'):
            if git(repository, 'rev-parse', '--verify', '--quiet', ref):
                return ref
        sys.exit(f'{repository} has no branch {self.branch}')

    @lru_cache  # noqa: B019
    def text(self, path: str) -> str | None:
        """Return the text of a file; None if there is none."""
        repository = self._of_file.get(path)
        return repository and git(repository, 'show', f'{self._ref(repository)}:{path}')

    @lru_cache  # noqa: B019
    def module(self, name: str) -> ast.Module | None:
        """Return the syntax of a Python module."""
        path = f'{name.split(".")[0]}/{name.replace(".", "/")}'
        for candidate in (f'{path}.py', f'{path}/__init__.py'):
            if (text := self.text(candidate)) is not None:
                return ast.parse(text)
        return None

    @lru_cache  # noqa: B019
    def interface(self, package: str, name: str) -> str | None:
        """Return the definition of a message or service."""
        for ending in INTERFACES:
            text = self.text(f'{package}/{ending[1:]}/{name}{ending}')
            if text is not None:
                return text
        return None


def git(repository: Path, *words: str) -> str:
    """Return the output of a git command; empty if it fails."""
    command = ['git', '-C', str(repository), *words]
    return subprocess.run(command, capture_output=True, text=True).stdout


class Use:
    """A name that the package uses, and where."""

    def __init__(self, path: Path, line: int) -> None:
        self.where = f'{path.relative_to(ROOT)}:{line}'


def defined(tree: ast.AST) -> dict[str, ast.AST]:
    """Return the names that a module or class defines, also under `if` and `try`."""
    names: dict[str, ast.AST] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update({(alias.asname or alias.name): node for alias in node.names})
        elif isinstance(node, ast.Assign):
            names.update({t.id: node for t in node.targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = node
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            names.update(defined(node))
    return names


def guarded_lines(tree: ast.AST) -> set[int]:
    """Return the lines whose missing names the package expects."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(
            word in ast.dump(handler.type)
            for handler in node.handlers
            if handler.type
            for word in GUARDS
        ):
            lines.update(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.With) and 'suppress' in ast.dump(node.items[0]):
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def uses() -> dict[tuple[str, ...], Use]:
    """Return what the package uses.

    ('import', module, name), ('keyword', module, function, argument),
    ('method', name), ('argument', method, keyword),
    ('interface', package, name), ('field', package, name, field).
    """
    found: dict[tuple[str, ...], Use] = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob('*.py')):
            tree = ast.parse(path.read_text())
            guarded = guarded_lines(tree)
            imported: dict[str, tuple[str, str]] = {}
            for node in ast.walk(tree):
                if getattr(node, 'lineno', 0) in guarded:
                    continue
                for key in keys_of(node, imported):
                    found.setdefault(key, Use(path, node.lineno))
    return found


def keys_of(node: ast.AST, imported: dict[str, tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the keys of what a node uses; remember what it imports."""
    keys: list[tuple[str, ...]] = []
    if isinstance(node, ast.ImportFrom) and node.module:
        package, _, kind = node.module.partition('.')
        for alias in node.names:
            if package in PACKAGES:
                imported[alias.asname or alias.name] = (node.module, alias.name)
                keys.append(('import', node.module, alias.name))
            elif kind in ('msg', 'srv'):
                imported[alias.asname or alias.name] = (package, alias.name)
                keys.append(('interface', package, alias.name))
    elif isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == 'rclpy':
            keys.append(('import', 'rclpy', node.attr))
        elif isinstance(node.value, ast.Name) and node.value.id in imported:
            module, name = imported[node.value.id]
            if module not in PACKAGES and '.' not in module:
                keys.append(('field', module, name, node.attr))
        elif not (isinstance(node.value, ast.Name) and node.value.id == 'arguments'):
            keys.append(('method', node.attr))  # of the command line's arguments no method
    elif isinstance(node, ast.Call):
        words = [keyword.arg for keyword in node.keywords if keyword.arg]
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value
            kind = 'keyword' if isinstance(owner, ast.Name) and owner.id == 'rclpy' else 'argument'
            target = ('rclpy', node.func.attr) if kind == 'keyword' else (node.func.attr,)
            keys += [(kind, *target, word) for word in words]
        elif isinstance(node.func, ast.Name) and node.func.id in imported:
            module, name = imported[node.func.id]
            kind = 'keyword' if module.partition('.')[0] in PACKAGES else 'field'
            keys += [(kind, module, name, word) for word in words]
    return keys


def arguments_of(function: ast.AST | None) -> set[str] | None:
    """Return the names of the arguments of a function or class; None if it takes any."""
    if isinstance(function, ast.ClassDef):
        function = defined(function).get('__init__')
    if not isinstance(function, ast.FunctionDef) or function.args.kwarg:
        return None
    return {a.arg for a in [*function.args.args, *function.args.kwonlyargs]}


@lru_cache
def members(distribution: Distribution) -> dict[str, ast.AST]:
    """Return the methods and properties of the nodes of a distribution."""
    names: dict[str, ast.AST] = {}
    for path in NODE_FILES:
        for node in ast.walk(ast.parse(distribution.text(path) or '')):
            if isinstance(node, ast.ClassDef):
                names |= {n: f for n, f in defined(node).items() if not n.startswith('_')}
    return names


def missing(key: tuple[str, ...], distribution: Distribution, newest: Distribution) -> bool:
    """Return whether a distribution lacks what is used."""
    kind, *rest = key
    if kind == 'interface':
        return distribution.interface(*rest) is None
    if kind == 'field':
        package, name, field = rest
        text = distribution.interface(package, name) or ''
        return field not in ('Request', 'Response') and not re.search(
            rf'^\S+\s+{field}\b', text, re.MULTILINE
        )
    if kind == 'import':
        module, name = rest
        tree = distribution.module(module)
        if tree is not None and name in defined(tree):
            return False
        return distribution.module(f'{module}.{name}') is None
    if kind == 'keyword':
        module, name, argument = rest
        tree = distribution.module(module)
        function = defined(tree).get(name) if tree else None
        allowed = arguments_of(function)
        return allowed is not None and argument not in allowed
    # A name belongs to the nodes of ROS if the newest distribution has it.
    if rest[0] not in members(newest):
        return False
    function = members(distribution).get(rest[0])
    if kind == 'method':
        return function is None
    allowed = arguments_of(function)
    return allowed is not None and rest[1] not in allowed


def main() -> int:
    """Print the table, and what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('repositories', nargs='+', type=Path)
    parser.add_argument('--branches', nargs='+', default=['humble', 'jazzy', 'rolling'])
    arguments = parser.parse_args()
    distributions = [Distribution(arguments.repositories, b) for b in arguments.branches]
    newest = distributions[-1]
    count: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    lost: list[str] = []
    found = uses()
    for key, use in sorted(found.items()):
        if key[0] in ('method', 'argument') and key[1] not in members(newest):
            continue
        for distribution in distributions:
            each = count[key[0], distribution.branch]
            each[0] += 1
            if missing(key, distribution, newest):
                each[1] += 1
                lost.append(f'{distribution.branch}: {" ".join(key)} ({use.where})')
    kinds = sorted({kind for kind, _ in count})
    print('| used | ' + ' | '.join(arguments.branches) + ' |')
    print('|---|' + '---|' * len(distributions))
    for kind in kinds:
        cells = [
            f'{number - without} of {number}'
            for number, without in (count[kind, branch] for branch in arguments.branches)
        ]
        print(f'| {kind} | ' + ' | '.join(cells) + ' |')
    print('\n'.join(['', *lost]))
    return 1 if lost else 0


if __name__ == '__main__':
    sys.exit(main())
