# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The recipe of the container image, as far as it can be tried without an image."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools' / 'try_container_steps.py'
spec = spec_from_file_location('try_container_steps', TOOL)
steps = module_from_spec(spec)
spec.loader.exec_module(steps)
INSTRUCTIONS = steps.instructions(steps.DOCKERFILE.read_text())


def arguments_of(name: str) -> list[str]:
    return [arguments for each, arguments in INSTRUCTIONS if each == name]


def test_the_labels_say_what_package_xml_says() -> None:
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    (label,) = arguments_of('LABEL')
    labels = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', label))
    assert labels['title'] == package.findtext('name')
    assert labels['version'] == package.findtext('version')
    assert labels['licenses'] == package.findtext('license')
    maintainer = package.find('maintainer')
    assert labels['authors'] == f'{maintainer.text} <{maintainer.get("email")}>'


def test_the_image_is_made_for_the_distributions_of_the_documentation() -> None:
    (default,) = arguments_of('ARG')
    assert default == 'ROS_DISTRO=jazzy'
    assert arguments_of('FROM') == ['ros:${ROS_DISTRO}-ros-base']
    page = (ROOT / 'docs' / 'docker.md').read_text()
    for distribution in ('humble', 'jazzy', 'kilted'):
        assert distribution in page


def test_what_has_no_rosdep_key_comes_from_the_list_for_pip() -> None:
    (pip,) = (run for run in arguments_of('RUN') if 'pip install' in run)
    assert pip == 'python3 -m pip install -r requirements/no_rosdep_key.txt'
    copied = arguments_of('COPY')
    assert 'requirements/no_rosdep_key.txt requirements/' in copied
    ros = next(n for n, (_, rest) in enumerate(INSTRUCTIONS) if 'rosdep install' in rest)
    assert INSTRUCTIONS[ros - 1] == ('COPY', 'package.xml src/improv_ros/')


def test_numpy_stays_the_one_that_the_messages_of_ros_were_built_for() -> None:
    assert "numpy<2 ; python_version < '3.13'" in (
        (ROOT / 'requirements' / 'no_rosdep_key.txt').read_text().splitlines()
    )


def test_what_is_copied_is_not_ignored() -> None:
    ignored = (steps.DOCKERFILE.parent / 'Dockerfile.dockerignore').read_text().split('\n')
    for source, _ in map(str.split, arguments_of('COPY')):
        assert (ROOT / source).exists()
        assert Path(source).parts[:1] != ('.',) and source.partition('/')[0] not in ignored
    data_files = (ROOT / 'setup.py').read_text()
    for folder in ('config', 'launch', 'demo', 'benchmark', 'resource'):
        assert f"'{folder}/" in data_files and folder not in ignored


def test_the_entry_point_finds_the_workspace_and_becomes_the_command(tmp_path: Path) -> None:
    setup = tmp_path / 'install' / 'setup.sh'
    setup.parent.mkdir()
    setup.write_text('export FOUND=yes\n')
    done = subprocess.run(
        [ROOT / 'docker' / 'entrypoint.sh', 'sh', '-c', 'echo $FOUND "$1"; exit 7', 'sh', 'a b'],
        env={'IMPROV_WORKSPACE': str(tmp_path), 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ('yes a b\n', 7)
    done = subprocess.run(
        [ROOT / 'docker' / 'entrypoint.sh', 'true'],
        env={'IMPROV_WORKSPACE': str(tmp_path / 'none'), 'PATH': '/usr/bin:/bin'},
        capture_output=True,
    )
    assert done.returncode != 0


def has_package_lists() -> bool:
    return bool(shutil.which('apt-get')) and any(Path('/var/lib/apt/lists').glob('*_Packages*'))


@pytest.mark.skipif(not has_package_lists(), reason='no package lists of apt')
def test_the_steps_that_need_no_base_image_run_here() -> None:
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    outcomes = dict(row.strip('| ').split(' | ') for row in done.stdout.splitlines()[2:])
    assert len(outcomes) == sum(
        name in ('FROM', 'RUN', 'COPY', 'ENTRYPOINT') for name, _ in INSTRUCTIONS
    )

    def outcome(part: str) -> str:
        return next(outcome for step, outcome in outcomes.items() if part in step)

    assert outcome('apt-get install') == 'in simulation: 3 packages'
    assert outcome('pip install') == outcome('colcon build') == 'not run: it needs --install'
    assert outcome('rosdep install') == 'not run: it needs the base image'
    assert outcome('ENTRYPOINT') == 'its syntax'


def test_a_step_that_fails_is_told(tmp_path: Path) -> None:
    place = steps.Place(tmp_path, install=False)
    with pytest.raises(steps.StepError, match='Unable to locate package no-such-package'):
        steps.apt(place, 'apt-get update && apt-get install -y no-such-package && rm -rf x')
    with pytest.raises(steps.StepError, match='is not in the repository'):
        steps.copy(place, 'no_such_file.txt here/')
    assert steps.apt_packages('apt-get update') == []
