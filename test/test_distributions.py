# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The tools that compare this package with the sources of ROS 2 distributions."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = Path(__file__).parents[1]


def tool(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / 'tools' / name), *map(str, words)],
        capture_output=True,
        text=True,
    )


def commit(repository: Path, branch: str, files: dict[str, str]) -> None:
    """Commit files to a new branch of a repository, as its only ones."""

    def git(*words: str) -> None:
        identity = ['-c', 'user.name=a', '-c', 'user.email=a@b.c']
        subprocess.run(['git', '-C', repository, *identity, *words], check=True)

    repository.mkdir(exist_ok=True)
    git('init', '--quiet')
    git('checkout', '--quiet', '--orphan', branch)
    git('rm', '-rfq', '--ignore-unmatch', '.')
    for path, text in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    git('add', '.')
    git('commit', '--quiet', '-m', branch)


def test_what_an_old_distribution_lacks_is_named(tmp_path: Path) -> None:
    node = 'class Node:\n    def create_timer(self, period, callback{}): pass\n'
    files = {
        'rclpy/rclpy/node.py': node.format(', clock=None'),
        'std_msgs/msg/String.msg': 'string data\n',
    }
    commit(tmp_path / 'all', 'new', files)
    old = {**files, 'rclpy/rclpy/node.py': node.format(''), 'std_msgs/msg/String.msg': 'int8 a\n'}
    commit(tmp_path / 'all', 'old', old)
    done = tool('check_distributions.py', tmp_path / 'all', '--branches', 'old', 'new')
    assert done.returncode == 1  # of rclpy there is not much
    lost = done.stdout.splitlines()
    assert any(line.startswith('old: argument create_timer clock') for line in lost)
    assert not any(line.startswith('new: argument create_timer clock') for line in lost)
    assert any(line.startswith('old: field std_msgs String data') for line in lost)
    assert not any(line.startswith('new: field std_msgs String data') for line in lost)
    assert any(line.startswith('new: import rclpy.node Node') for line in lost) is False
    assert any(line.startswith('new: import rclpy.qos QoSProfile') for line in lost)


def test_a_key_that_rosdep_does_not_know_is_told(tmp_path: Path) -> None:
    keys = [e.text for e in ElementTree.parse(ROOT / 'package.xml').getroot() if 'depend' in e.tag]
    assert 'rclpy' in keys and 'python3-numpy' in keys
    (tmp_path / 'rosdep').mkdir()
    (tmp_path / 'rosdep' / 'base.yaml').write_text(
        ''.join(f'{key}: {{ubuntu: [{key}]}}\n' for key in keys if key.startswith('fluid'))
    )
    (tmp_path / 'rosdep' / 'python.yaml').write_text(
        ''.join(f'{key}: {{ubuntu: {{"*": [{key}]}}}}\n' for key in keys if 'python3' in key)
        + 'python3-numpy: {ubuntu: {noble: null, "*": [python3-numpy]}}\n'
    )
    (tmp_path / 'jazzy').mkdir()
    packages = ', '.join(key for key in keys if not key.startswith(('fluid', 'python3')))
    (tmp_path / 'jazzy' / 'distribution.yaml').write_text(
        f'repositories: {{all: {{release: {{packages: [{packages}]}}}}}}\n'
    )
    done = tool('check_rosdep_keys.py', tmp_path, '--releases', 'jazzy:jammy')
    assert done.returncode == 0, done.stdout
    assert '| `rclpy` | ROS |' in done.stdout
    done = tool('check_rosdep_keys.py', tmp_path, '--releases', 'jazzy:noble')
    assert done.returncode == 1
    assert '| `python3-numpy` | missing |' in done.stdout


def test_what_has_no_key_is_in_one_list_that_the_readme_names() -> None:
    listed = (ROOT / 'requirements' / 'no_rosdep_key.txt').read_text()
    assert 'requirements/no_rosdep_key.txt' in (ROOT / 'README.md').read_text()
    for package in ('mido', 'soxr', 'ai-edge-litert'):
        assert package in listed.split()
