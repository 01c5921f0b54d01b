# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What to install where something is missing."""

from __future__ import annotations

import os
import re

import pytest

from improv_ros.bringup.namespace_claim import Claim, ClaimedError
from improv_ros.process import packages
from improv_ros.process.backoff import UNUSABLE


def test_a_missing_package_is_named_as_pip_and_debian_do() -> None:
    said = packages.advice(ModuleNotFoundError(name='yaml.cyaml'))
    assert said.endswith('yaml is missing: pip install PyYAML, or apt install python3-yaml')
    assert packages.what_to_install('soxr').endswith('is missing: pip install soxr')
    assert 'source its setup.bash' in packages.what_to_install('rclpy')
    assert "pip install 'ros-std-msgs'" in packages.what_to_install('std_msgs')


def test_a_library_that_does_not_load_is_told_as_it_is() -> None:
    assert 'libjack.so.0: no such file' in packages.advice(
        ImportError('libjack.so.0: no such file')
    )


def test_what_is_missing_is_found_without_importing_it() -> None:
    assert packages.missing(['no_such_module', 'os', 'no_such.module']) == [
        'no_such_module',
        'no_such.module',
    ]


def test_a_namespace_can_be_claimed_once_in_each_domain() -> None:
    name = f'test_{os.getpid()}'
    one, other = {'ROS_DOMAIN_ID': '1'}, {'ROS_DOMAIN_ID': '2'}
    claim = Claim(name, one)
    with pytest.raises(ClaimedError, match=re.escape(f'in the namespace {name}')) as refusal:
        Claim(f'/{name}/', one)
    assert '--namespace' in str(refusal.value) and '--force' in str(refusal.value)
    others = [Claim(name, other), Claim(f'{name}/left', one), Claim(name, {})]
    claim.close()
    others.append(Claim(name, one))
    for claim in others:
        claim.close()


def test_a_claim_that_is_forgotten_is_given_up() -> None:
    name = f'test_{os.getpid()}'
    Claim(name, {})
    Claim(name, {}).close()


def test_argument_errors_and_missing_packages_have_one_code() -> None:
    assert UNUSABLE == 2  # that of argparse
