# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The package installed as its users install it: by colcon, and by pip."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig

import pytest

from graph import wait_until
from timing import PATIENCE

ROOT = Path(__file__).parents[2]
EXECUTABLES = {
    'improv',
    'improviser',
    'keyboard_markers',
    'live_page',
    'microphone',
    'midi_keyboard',
    'midi_player',
    'robot_performer',
    'simulated_robot',
    'transcriber',
}


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a copy of what git knows, as a clone would have it."""
    folder = tmp_path_factory.mktemp('src') / 'improv_ros'
    names = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def clean_environment() -> dict[str, str]:
    """Return this environment without what pytest or a sourced workspace put there."""
    inherited = {'PYTHONPATH', 'AMENT_PREFIX_PATH', 'COLCON_PREFIX_PATH'}
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    return {**{k: v for k, v in os.environ.items() if k not in inherited}, 'PATH': path}


@pytest.mark.nightly
def test_a_colcon_workspace_builds_and_runs(source: Path, domain: int) -> None:
    workspace = source.parents[0]
    build = subprocess.run(
        [sys.executable, '-m', 'colcon', 'build', '--base-paths', str(source)],
        cwd=workspace,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr

    def in_workspace(command: str) -> str:
        result = subprocess.run(
            ['bash', '-c', f'source install/setup.bash && {command}'],
            cwd=workspace,
            env=clean_environment(),
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    find = 'from ament_index_python import *; print(get_package_share_directory("improv_ros"))'
    share = Path(in_workspace(f"python -c '{find}'"))
    assert share == workspace / 'install/improv_ros/share/improv_ros'
    for name in (
        'package.xml',
        'launch/improv.launch.py',
        'config/improv.yaml',
        'config/bodies/piano_88.yaml',
        'demo/fuer_elise.txt',
        'benchmark/harness.py',
    ):
        assert (share / name).is_file(), name
    programs = workspace / 'install/improv_ros/lib/improv_ros'
    assert {path.name for path in programs.iterdir()} >= EXECUTABLES
    where = 'from improv_ros.bringup import shared_files as s; print(s.shared_file(s.SHIPPED))'
    assert in_workspace(f"python -c '{where}'") == str(share / 'config/improv.yaml')
    log = workspace / 'node.log'
    with log.open('w') as file:
        node = subprocess.Popen(
            ['bash', '-c', f'source install/setup.bash && exec {programs}/transcriber'],
            cwd=workspace,
            env={**clean_environment(), 'ROS_DOMAIN_ID': str(domain)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: 'active' in log.read_text(), 'an active transcriber')
    finally:
        node.terminate()
    assert node.wait(PATIENCE) == 0


@pytest.mark.nightly
def test_a_wheel_installs_into_a_plain_environment(source: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation']
        + ['--wheel-dir', str(tmp_path), str(source)],
        check=True,
        env=clean_environment(),
    )
    wheel = next(tmp_path.glob('improv_ros-*.whl'))
    subprocess.run([sys.executable, '-m', 'venv', str(tmp_path / 'venv')], check=True)
    python = tmp_path / 'venv/bin/python'
    subprocess.run(
        [str(python), '-m', 'pip', 'install', '--quiet', '--no-deps', str(wheel)], check=True
    )
    # The dependencies come from the environment of the tests; the package must not.
    site = subprocess.run(
        [str(python), '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    packages = sysconfig.get_path('purelib')
    (Path(site) / 'dependencies.pth').write_text(packages + '\n')
    programs = tmp_path / 'venv/bin'
    assert {path.name for path in programs.iterdir()} >= EXECUTABLES

    def said(*command: str) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert said(str(programs / 'improv'), '--version').startswith('improv ')
    assert 'playback' in said(str(programs / 'improv'), 'bench')
    where = (
        'from improv_ros.bringup.shared_files import shared_file; '
        'from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL; '
        'print(*map(shared_file, ("config/improv.yaml", "demo/fuer_elise.txt")), DEFAULT_MODEL)'
    )
    for path in said(str(python), '-c', where).split():
        assert Path(path).is_file()
        assert Path(path).is_relative_to(tmp_path / 'venv')


def test_the_player_and_the_shell_do_not_load_what_they_do_not_need() -> None:
    """TensorFlow and NumPy take seconds to import and would compete with the player's clock."""
    for module, unwanted in (
        ('improv_ros.cli', ('numpy', 'tensorflow', 'rclpy', 'mido')),
        ('improv_ros.event_text', ('numpy', 'tensorflow', 'rclpy')),
        ('improv_ros.playing.player', ('numpy', 'tensorflow', 'rclpy')),
        ('improv_ros.listening.transcription.streaming_transcriber', ('tensorflow', 'rclpy')),
        ('improv_ros.improvising.dialogue.dialogue', ('tensorflow', 'rclpy')),
        ('improv_ros.nodes.midi_player', ('tensorflow',)),
    ):
        code = f'import sys, {module}; print([m for m in {unwanted} if m in sys.modules])'
        result = subprocess.run(
            [sys.executable, '-c', code], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == '[]', module
