# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from glob import glob

from setuptools import find_packages, setup

package_name = 'improv_ros'

NODES = [
    'microphone',
    'midi_keyboard',
    'transcriber',
    'improviser',
    'midi_player',
    'robot_performer',
    'simulated_robot',
    'keyboard_markers',
    'live_page',
]

EXTRAS = {
    # ROS 2 from wheels; a machine that has ROS from its distribution leaves this out.
    'ros': [
        'ros-rclpy[fastrtps]',
        'ros-std-msgs',
        'ros-std-srvs',
        'ros-diagnostic-msgs',
        'ros-lifecycle-msgs',
        'ros-trajectory-msgs',
        'ros-sensor-msgs',
        'ros-visualization-msgs',
    ],
    'audio': ['PyAudio>=0.2.14', 'soundfile>=0.12', 'soxr>=0.3.7'],
    'midi': ['python-rtmidi>=1.5.8', 'JACK-Client>=0.5.3'],
    'synth': ['pyfluidsynth>=1.3.4', 'soundfile>=0.12'],
    'bag': ['mcap>=1.5'],
    'simulation': ['mujoco>=3.2', 'pillow>=9'],
    'page': ['tornado>=6.1'],
    'network': ['ai-edge-litert>=2.1'],
    'train': [
        'tensorflow>=2.16',
        'keras>=3.4',
        'matplotlib>=3.5',
        'tqdm>=4.60',
        'mir_eval>=0.7',
        'scipy>=1.8',
        'soundfile>=0.12',
        'soxr>=0.3.7',
    ],
    'plot': ['matplotlib>=3.5'],
    'test': [
        'pytest>=7',
        'pytest-rerunfailures>=12',
        'pytest-xdist>=3.2',
        'hypothesis>=6.60',
        'mir_eval>=0.7',
        'selenium>=4.11',
    ],
}

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(include=['improv_ros', 'improv_ros.*']),
    package_data={package_name: ['models/*', 'page/static/*', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/launch', glob('launch/*.launch.py')),
        ('share/' + package_name + '/config', glob('config/*.*')),
        ('share/' + package_name + '/config/bodies', glob('config/bodies/*.yaml')),
        ('share/' + package_name + '/demo', glob('demo/*')),
        ('share/' + package_name + '/benchmark', glob('benchmark/*.py')),
    ],
    python_requires='>=3.10',
    install_requires=['setuptools', 'numpy>=1.21', 'mido>=1.2.10', 'PyYAML>=5.4'],
    extras_require=EXTRAS,
    zip_safe=True,
    author='improv_ros maintainers',
    maintainer='improv_ros maintainers',
    maintainer_email='maintainers@improv-ros.org',
    description='A robot that listens to a pianist and improvises an answer.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': ['improv = improv_ros.cli:main']
        + [f'{node} = improv_ros.nodes.common.executable:{node}' for node in NODES],
    },
)
