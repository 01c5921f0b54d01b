# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The package to install for a missing Python module, by pip or from Debian."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

# Module: the name for pip, and for apt where Debian and Ubuntu have it.
_PACKAGES = {
    'ai_edge_litert': ('ai-edge-litert', ''),
    'fluidsynth': ('pyfluidsynth', ''),
    'jack': ('JACK-Client', 'python3-jack-client'),
    'keras': ('keras', ''),
    'matplotlib': ('matplotlib', 'python3-matplotlib'),
    'mcap': ('mcap', ''),
    'mido': ('mido', 'python3-mido'),
    'mir_eval': ('mir_eval', ''),
    'mujoco': ('mujoco', ''),
    'numpy': ('numpy', 'python3-numpy'),
    'PIL': ('pillow', 'python3-pil'),
    'pyaudio': ('PyAudio', 'python3-pyaudio'),
    'rtmidi': ('python-rtmidi', 'python3-rtmidi'),
    'scipy': ('scipy', 'python3-scipy'),
    'soundfile': ('soundfile', 'python3-soundfile'),
    'soxr': ('soxr', ''),
    'tensorflow': ('tensorflow', ''),
    'tornado': ('tornado', 'python3-tornado'),
    'tqdm': ('tqdm', 'python3-tqdm'),
    'yaml': ('PyYAML', 'python3-yaml'),
}
_ROS = {
    'rclpy': 'ros-rclpy[fastrtps]',
    **{
        module: f'ros-{module.replace("_", "-")}'
        for module in (
            'builtin_interfaces',
            'diagnostic_msgs',
            'lifecycle_msgs',
            'rcl_interfaces',
            'std_msgs',
            'std_srvs',
            'geometry_msgs',
            'sensor_msgs',
            'trajectory_msgs',
            'visualization_msgs',
        )
    },
}
# Every node imports these first.
NEEDED_BY_NODES = ('rclpy', 'std_msgs', 'diagnostic_msgs', 'numpy', 'mido', 'yaml')


def missing(modules: Iterable[str]) -> list[str]:
    """Return those of the modules that are not installed."""
    return [module for module in modules if not _is_there(module)]


def advice(error: ImportError) -> str:
    """Return a sentence that says what to install after a failed import."""
    module = (error.name or '').partition('.')[0]
    if not isinstance(error, ModuleNotFoundError) or not module:
        return f'a Python package cannot be loaded: {error}'
    return what_to_install(module)


def what_to_install(module: str) -> str:
    """Return a sentence that says what to install for a module."""
    sentence = f'the Python package {module} is missing'
    if module in _ROS:
        return (
            f'{sentence}: it comes with ROS 2, so source its setup.bash, or install it by '
            f"pip install '{_ROS[module]}'"
        )
    pip, debian = _PACKAGES.get(module, (module, ''))
    return f'{sentence}: pip install {pip}' + (f', or apt install {debian}' if debian else '')


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
