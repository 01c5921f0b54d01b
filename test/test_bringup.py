"""The chain as data, and the launch file which must start the same."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
import runpy
import signal
import sys
import types
from types import SimpleNamespace
from typing import Any
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

import improv_ros
from improv_ros import bringup
from improv_ros.backoff import FIRST_PAUSE
from improv_ros.nodes.managed_node import SHARED

ROOT = Path(__file__).parents[1]
NODES = (
    'microphone',
    'transcriber',
    'improviser',
    'midi_player',
    'midi_keyboard',
    'robot_performer',
)


def names(**values: str) -> list[str]:
    return [node.executable for node in bringup.chain(values)]


def test_the_chain_listens_through_a_microphone_by_default() -> None:
    assert names() == ['microphone', 'transcriber', 'improviser', 'midi_player']


def test_a_keyboard_takes_the_place_of_the_microphone() -> None:
    assert names(input='keyboard') == ['midi_keyboard', 'improviser', 'midi_player']
    keyboard = bringup.chain({'input': 'keyboard', 'keyboard': 'piano, organ'})[0]
    assert keyboard.parameters == {'ports': 'piano, organ'}


def test_a_robot_takes_the_place_of_the_player_and_the_improviser_knows_its_limits() -> None:
    *ears, improviser, robot = bringup.chain({'body': 'marimba_arms'})
    assert [node.executable for node in ears] == ['microphone', 'transcriber']
    assert improviser.parameters['instrument'] == 'marimba_arms'
    assert improviser.parameters['lookahead'] == 1.0
    assert (robot.executable, robot.parameters) == ('robot_performer', {'body': 'marimba_arms'})


def test_arguments_become_parameters_and_empty_ones_override_nothing() -> None:
    nodes = {n.executable: n for n in bringup.chain({'mode': 'solo', 'output': 'port,file'})}
    assert nodes['improviser'].parameters == {'mode': 'solo'}
    assert nodes['midi_player'].parameters == {'outputs': 'port,file'}


def test_a_wrong_choice_is_refused_by_name() -> None:
    with pytest.raises(bringup.BringupError, match=r'mode .*jazz.*respond'):
        bringup.chain({'mode': 'jazz'})
    with pytest.raises(bringup.BringupError, match='file'):
        bringup.chain({'input': 'file'})


@pytest.mark.parametrize('executable', NODES)
def test_the_config_shows_every_parameter_with_its_default(executable: str) -> None:
    config = yaml.safe_load((ROOT / 'config' / 'improv.yaml').read_text())
    shown = config[f'/**/{executable}']['ros__parameters']
    settings = importlib.import_module(f'improv_ros.nodes.{executable}').SETTINGS
    assert shown == {s.name: s.default for s in (*SHARED, *settings)}


@pytest.mark.parametrize('executable', NODES)
def test_every_default_is_within_its_own_bounds(executable: str) -> None:
    for setting in importlib.import_module(f'improv_ros.nodes.{executable}').SETTINGS:
        assert setting.refusal(setting.default) == ''
        assert setting.description


def test_versions_agree() -> None:
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.findtext('version') == improv_ros.__version__
    assert f"version='{improv_ros.__version__}'" in (ROOT / 'setup.py').read_text()


def test_every_node_is_an_executable() -> None:
    setup = (ROOT / 'setup.py').read_text()
    for executable in NODES:
        assert f"'{executable}'" in setup


class Recorded(SimpleNamespace):
    """A launch action or substitution that only remembers what it was made of."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(args=args, **kwargs)

    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Load the launch file, with stand-ins for `launch`, which no package index offers."""
    parts = {
        'launch': ['LaunchDescription'],
        'launch.actions': [
            'DeclareLaunchArgument',
            'ExecuteProcess',
            'LogInfo',
            'OpaqueFunction',
            'TimerAction',
        ],
        'launch.substitutions': ['LaunchConfiguration'],
        'launch_ros': [],
        'launch_ros.actions': ['Node'],
        'launch_ros.parameter_descriptions': ['ParameterValue'],
    }
    for name, classes in parts.items():
        module = types.ModuleType(name)
        for word in classes:
            setattr(module, word, type(word, (Recorded,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    return runpy.run_path(str(ROOT / 'launch' / 'improv.launch.py'))


def test_the_launch_file_declares_the_arguments_of_improv_run(launch_file) -> None:
    description = launch_file['generate_launch_description']()
    *declared, _ = description.args[0]
    assert [d.args[0] for d in declared] == [a.name for a in bringup.ARGUMENTS]
    for declaration, argument in zip(declared, bringup.ARGUMENTS, strict=True):
        assert declaration.default_value == argument.default
        assert declaration.description == argument.description
        assert declaration.choices == (list(argument.choices) or None)


@pytest.mark.parametrize(
    'given',
    [
        {},
        {'input': 'file', 'file': 'a.wav'},
        {'input': 'keyboard', 'output': 'port'},
        {'body': 'drums_8'},
    ],
)
def test_the_launch_file_starts_what_the_list_says(launch_file, given) -> None:
    values = {argument.name: argument.default for argument in bringup.ARGUMENTS} | given
    started = launch_file['start_nodes'](values)
    chain = bringup.chain(values)
    assert [node.executable for node in started] == [node.executable for node in chain]
    for node, spec in zip(started, chain, strict=True):
        assert node.package == 'improv_ros'
        assert node.namespace == 'improv'
        config, *overrides = node.parameters
        assert Path(config).samefile(ROOT / 'config' / 'improv.yaml')
        merged = {k: v.args[0] for parameters in overrides for k, v in parameters.items()}
        assert merged == spec.parameters


@pytest.mark.parametrize(
    ('discovery', 'added'),
    [('auto', 'LOCALHOST'), ('localhost', 'LOCALHOST'), ('subnet', 'SUBNET')],
)
def test_the_launch_file_keeps_the_nodes_to_this_machine_until_asked(
    launch_file, monkeypatch: pytest.MonkeyPatch, discovery: str, added: str
) -> None:
    for name in ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    values = {argument.name: argument.default for argument in bringup.ARGUMENTS}
    for node in launch_file['start_nodes'](values | {'discovery': discovery}):
        assert node.additional_env == {'ROS_AUTOMATIC_DISCOVERY_RANGE': added}


def test_the_launch_file_starts_again_the_command_that_ended_after_growing_pauses(
    launch_file,
) -> None:
    values = {argument.name: argument.default for argument in bringup.ARGUMENTS}
    *_, node = launch_file['start_nodes'](values)
    ended = SimpleNamespace(cmd=['midi_player', '-r', '__ns:=/a/improv'], cwd=None, env={'A': 'a'})
    running = SimpleNamespace(is_shutdown=False)
    pauses = []
    for _ in range(3):
        said, timer = node.on_exit(ended, running)
        assert 'midi_player starts again' in said.msg
        pauses.append(timer.period)
        (node,) = timer.actions
        assert (node.cmd, node.cwd, node.env) == (ended.cmd, ended.cwd, ended.env)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert not node.on_exit(ended, SimpleNamespace(is_shutdown=True))


def test_the_launch_file_puts_each_node_into_its_enclave(launch_file, monkeypatch) -> None:
    values = {argument.name: argument.default for argument in bringup.ARGUMENTS}
    monkeypatch.delenv('ROS_SECURITY_ENABLE', raising=False)
    assert not any('--enclave' in node.arguments for node in launch_file['start_nodes'](values))
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    for node in launch_file['start_nodes'](values):
        assert node.arguments[-2:] == ['--enclave', f'/improv/{node.executable}']


with_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch comes with a ROS 2 distribution only',
)


@with_launch
def test_the_launch_file_runs_for_real(tmp_path: Path) -> None:
    import launch

    service = launch.LaunchService(noninteractive=True)
    description = runpy.run_path(str(ROOT / 'launch' / 'improv.launch.py'))
    service.include_launch_description(description['generate_launch_description']())
    stop = launch.actions.TimerAction(
        period=15.0, actions=[launch.actions.Shutdown(reason='the test is over')]
    )
    service.include_launch_description(launch.LaunchDescription([stop]))
    assert service.run() == 0


@with_launch
def test_a_node_killed_under_launch_starts_again() -> None:
    import launch

    service = launch.LaunchService(noninteractive=True)
    started: list[list[str]] = []

    def on_start(event: Any, _: object) -> launch.Action | None:
        if 'midi_keyboard' not in event.process_name:
            return None
        started.append(event.cmd)
        if len(started) == 3:
            return launch.actions.Shutdown(reason='the test is over')
        os.kill(event.pid, signal.SIGKILL)
        return None

    description = runpy.run_path(str(ROOT / 'launch' / 'improv.launch.py'))
    service.context.launch_configurations['input'] = 'keyboard'
    service.include_launch_description(
        launch.LaunchDescription(
            [
                launch.actions.RegisterEventHandler(
                    launch.event_handlers.OnProcessStart(on_start=on_start)
                ),
                *description['generate_launch_description']().entities,
            ]
        )
    )
    assert service.run() == 0
    assert started == started[:1] * 3
