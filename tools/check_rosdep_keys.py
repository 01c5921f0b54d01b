#!/usr/bin/env python3
# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Does rosdep know every key of `package.xml` on the Ubuntu releases of ROS 2?

    git clone --depth 1 https://github.com/ros/rosdistro
    tools/check_rosdep_keys.py rosdistro

It reads the copy of rosdistro as rosdep does: a key is a system package of the release, or a
package of the ROS distribution. Prints a table in Markdown; ends with 1 if a key is not known.
"""

import argparse
from pathlib import Path
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import yaml

ROOT = Path(__file__).parents[1]
RULES = ('rosdep/base.yaml', 'rosdep/python.yaml')
RELEASES = ('humble:jammy', 'jazzy:noble', 'kilted:noble', 'lyrical:resolute')
ROS, UNKNOWN = 'ROS', 'missing'


def read(rosdistro: Path, path: str) -> str:
    """Return the text of a file of rosdistro, with or without a work tree; empty if none."""
    if (rosdistro / path).is_file():
        return (rosdistro / path).read_text()
    command = ['git', '-C', str(rosdistro), 'show', f'HEAD:{path}']
    return subprocess.run(command, capture_output=True, text=True).stdout


def keys() -> list[str]:
    """Return the keys of package.xml."""
    root = ElementTree.parse(ROOT / 'package.xml').getroot()  # noqa: S314 (our own file)
    return sorted({str(e.text) for e in root if e.tag.endswith('depend')})


def released(rosdistro: Path, distribution: str) -> set[str]:
    """Return the packages that a ROS distribution has released; empty if it is not there."""
    contents = yaml.safe_load(read(rosdistro, f'{distribution}/distribution.yaml') or '{}')
    packages = set()
    for name, repository in contents.get('repositories', {}).items():
        packages |= set(repository.get('release', {}).get('packages', [name]))
    return packages


def resolve(rules: dict, key: str, codename: str) -> str:
    """Return the Ubuntu packages of a key; empty if there are none."""
    rule = rules.get(key, {}).get('ubuntu')
    if isinstance(rule, dict) and 'packages' not in rule:
        rule = rule.get(codename, rule.get('*'))
    if isinstance(rule, dict):
        rule = rule.get('packages')
    return ' '.join(rule) if isinstance(rule, list) else rule or ''


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('rosdistro', type=Path)
    parser.add_argument('--releases', nargs='+', default=RELEASES, metavar='ROS:UBUNTU')
    arguments = parser.parse_args()
    rules: dict = {}
    for path in RULES:
        rules |= yaml.safe_load(read(arguments.rosdistro, path) or '{}')
    if not rules:
        parser.error(f'{arguments.rosdistro} is no copy of rosdistro')
    releases = [release.split(':') for release in arguments.releases]
    packages = {ros: released(arguments.rosdistro, ros) for ros, _ in releases}
    releases = [(ros, ubuntu) for ros, ubuntu in releases if packages[ros]]
    print('| key | ' + ' | '.join(f'{ros}, {ubuntu}' for ros, ubuntu in releases) + ' |')
    print('|---|' + '---|' * len(releases))
    unknown = 0
    for key in keys():
        cells = [
            ROS if key in packages[ros] else resolve(rules, key, ubuntu) or UNKNOWN
            for ros, ubuntu in releases
        ]
        unknown += cells.count(UNKNOWN)
        print(f'| `{key}` | ' + ' | '.join(cells) + ' |')
    return 1 if unknown else 0


if __name__ == '__main__':
    sys.exit(main())
