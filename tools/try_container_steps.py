#!/usr/bin/env python3
# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Run the steps of docker/Dockerfile on this machine, as far as they need no base image.

    tools/try_container_steps.py [--install]

It needs neither Docker nor root. COPY is done in a temporary folder. The packages for apt-get are
installed in simulation (`--dry-run`). With `--install`, those for pip are installed in a virtual
environment, the package is built by colcon there, and the entry point runs it. Prints a table in
Markdown; ends with 1 if a step fails.
"""

import argparse
from collections.abc import Callable, Iterator
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / 'docker' / 'Dockerfile'
COLCON = ('colcon-core', 'colcon-ros', 'colcon-package-selection', 'setuptools<80')
NO_BASE = 'not run: it needs the base image'

Runner = Callable[['Place', str], str]


class StepError(Exception):
    """A step that fails; the sentence says why."""


class Place:
    """Where the steps run: a folder in the place of /workspace, and perhaps an environment."""

    def __init__(self, folder: Path, install: bool) -> None:
        self.folder = folder
        self.workspace = folder / 'workspace'
        self.workspace.mkdir()
        self.install = install
        self.python = folder / 'venv' / 'bin' / 'python3'
        if install:
            run(sys.executable, '-m', 'venv', folder / 'venv')

    def run(self, *words: object, **variables: str) -> str:
        """Run a command in the workspace; return what it prints. Raises StepError."""
        return run(*words, folder=self.workspace, **variables)


def run(*words: object, folder: Path = ROOT, **variables: str) -> str:
    """Run a command; return what it prints. Raises StepError."""
    done = subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise StepError((done.stdout.strip().splitlines() or ['no output'])[-1])
    return done.stdout


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the (name, arguments) of the instructions of a Dockerfile, lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith('#')]
    joined = '\n'.join(lines).replace('\\\n', ' ')
    words = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, re.sub(r'\s+', ' ', rest)) for name, rest in words]


def apt_packages(command: str) -> list[str]:
    """Return the packages that `apt-get install` names in a RUN; none if there is no such."""
    found = re.search(r'apt-get install (.*?)(?: &&|$)', command)
    return [word for word in found[1].split() if not word.startswith('-')] if found else []


def copy(place: Place, arguments: str) -> str:
    """Copy what git knows of a source to its place in the workspace."""
    source, target = arguments.split()
    listing = run('git', 'ls-files', '--cached', '--others', '--exclude-standard', source)
    if not (names := listing.split('\n')[:-1]):
        raise StepError(f'{source} is not in the repository')
    for name in names:
        if not (ROOT / name).is_file():
            continue
        base = Path(name).relative_to(source) if source == '.' else Path(name).name
        to = place.folder / f'workspace/{target}' / base
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to)
    return f'{len(names)} files' if len(names) > 1 else 'copied'


def apt(place: Place, command: str) -> str:
    """Install in simulation."""
    packages = apt_packages(command)
    place.run('apt-get', 'install', '--dry-run', '--no-install-recommends', *packages)
    return f'in simulation: {len(packages)} packages'


def pip(place: Place, command: str) -> str:
    """Install into the virtual environment."""
    if not place.install:
        return 'not run: it needs --install'
    words = command.removeprefix('python3 ').split()
    place.run(place.python, *words, '--quiet', '--disable-pip-version-check')
    return 'in a virtual environment'


def colcon(place: Place, command: str) -> str:
    """Build by a colcon from pip, without ROS 2."""
    if not place.install:
        return 'not run: it needs --install'
    words = command.partition('&& colcon ')[2].split()
    place.run(place.python, '-m', 'pip', 'install', '--quiet', *COLCON)
    path = f'{place.python.parent}:{os.environ["PATH"]}'
    place.run(place.python.parent / 'colcon', *words, PATH=path)
    return 'built, without the setup.sh of ROS 2'


def entry_point(place: Place, arguments: str) -> str:
    """Let the entry point of the image run a command of the package."""
    script = place.folder / f'workspace/{arguments[2:-2]}'
    if not place.install:
        run('sh', '-n', script)
        return 'its syntax'
    improv = [place.python, '-m', 'improv_ros.cli']
    said = place.run('sh', script, *improv, '--version', IMPROV_WORKSPACE=str(place.workspace))
    return f'ran {said.strip()}'


def user(place: Place, command: str) -> str:
    """Look whether the group of the user exists."""
    group = command.split('--groups ')[1].split()[0]
    place.run('getent', 'group', group)
    return f'not run: it would add a user to this machine; there is a group {group}'


# The beginning of a RUN, or part of it: what is done here instead.
RUNS: tuple[tuple[str, Runner], ...] = (
    ('rosdep install', lambda place, command: NO_BASE),
    ('apt-get install', apt),
    ('pip install', pip),
    ('colcon build', colcon),
    ('useradd', user),
)


def outcomes(place: Place) -> Iterator[tuple[str, str, bool]]:
    """Run the steps; yield each with what was done, and whether it failed."""
    for name, arguments in instructions(DOCKERFILE.read_text()):
        runner: Runner | None = {'COPY': copy, 'ENTRYPOINT': entry_point}.get(name)
        if name == 'RUN':
            runner = next((its for part, its in RUNS if part in arguments), None)
            if not runner:
                yield f'{name} {arguments}', 'unknown to this tool', True
                continue
        if name == 'FROM':
            yield f'{name} {arguments}', 'not run: no image is loaded', False
        elif runner:
            try:
                yield f'{name} {arguments}', runner(place, arguments), False
            except StepError as error:
                yield f'{name} {arguments}', f'FAILED: {error}', True


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--install', action='store_true', help='install and build for real')
    arguments = parser.parse_args()
    failed = False
    print('| step | here |\n|---|---|')
    with tempfile.TemporaryDirectory(prefix='improv_') as folder:
        for step, outcome, fails in outcomes(Place(Path(folder), arguments.install)):
            failed |= fails
            print(f'| `{step.split(" && rm ")[0]}` | {outcome} |', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
