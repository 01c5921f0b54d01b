# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

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
from improv_ros.bringup import chain_spec
from improv_ros.bringup.namespace_claim import ClaimedError
from improv_ros.bringup.shared_files import shipped_parameters
from improv_ros.nodes.common.managed_node import SHARED
from improv_ros.process.backoff import FIRST_PAUSE, UNUSABLE
from parameters_by_ros import read_by_ros

ROOT = Path(__file__).parents[1]
NODES = (
    'microphone',
    'transcriber',
    'improviser',
    'midi_player',
    'midi_keyboard',
    'robot_performer',
    'simulated_robot',
    'keyboard_markers',
    'live_page',
)


def names(**values: str) -> list[str]:
    return [node.executable for node in chain_spec.chain(values)]


def test_the_chain_listens_through_a_microphone_by_default() -> None:
    assert names() == ['microphone', 'transcriber', 'improviser', 'midi_player', 'live_page']


def test_a_keyboard_takes_the_place_of_the_microphone() -> None:
    assert names(input='keyboard') == ['midi_keyboard', 'improviser', 'midi_player', 'live_page']
    keyboard = chain_spec.chain({'input': 'keyboard', 'keyboard': 'piano, organ'})[0]
    assert keyboard.parameters == {'ports': 'piano, organ'}


def test_another_node_can_take_the_place_of_the_microphone() -> None:
    assert names(input='topic') == ['transcriber', 'improviser', 'midi_player', 'live_page']


def test_a_robot_takes_the_place_of_the_player_and_the_improviser_knows_its_limits() -> None:
    *ears, improviser, robot, _ = chain_spec.chain({'body': 'marimba_arms'})
    assert [node.executable for node in ears] == ['microphone', 'transcriber']
    assert improviser.parameters['instrument'] == 'marimba_arms'
    assert improviser.parameters['lookahead'] == 1.0
    assert (robot.executable, robot.parameters) == ('robot_performer', {'body': 'marimba_arms'})
    calibrated = chain_spec.chain({'body': 'marimba_arms', 'room': 'hall'})
    assert [node.executable for node in calibrated if node.parameters.get('room') == 'hall'] == [
        'transcriber',
        'robot_performer',
    ]


def test_a_simulated_robot_replaces_the_hardware_and_the_player_plays_its_impacts() -> None:
    chain = chain_spec.chain({'body': 'marimba_arms', 'simulate': 'true', 'output': 'file'})
    nodes = {node.executable: node for node in chain}
    assert nodes['robot_performer'].parameters == {'body': 'marimba_arms', 'feedback': 'body'}
    assert nodes['simulated_robot'].parameters == {'body': 'marimba_arms'}
    assert nodes['midi_player'].parameters == {'outputs': 'file'}
    assert dict(nodes['midi_player'].remappings)['generated_notes'] == 'body_notes'
    assert dict(nodes['midi_player'].remappings)['played_notes'] != 'played_notes'
    with pytest.raises(chain_spec.BringupError, match='give one as body'):
        chain_spec.chain({'simulate': 'true'})


def test_the_page_is_in_the_chain_unless_it_is_not_wanted() -> None:
    assert names(page='false') == ['microphone', 'transcriber', 'improviser', 'midi_player']
    assert names(input='page') == ['improviser', 'midi_player', 'live_page']
    *_, page = chain_spec.chain({'page_port': '9000', 'page_address': '0.0.0.0'})  # noqa: S104
    assert page.parameters == {'page_port': 9000, 'page_address': '0.0.0.0'}  # noqa: S104


def test_arguments_become_parameters_and_empty_ones_override_nothing() -> None:
    given = {'mode': 'solo', 'output': 'port,file', 'partner': 'anna'}
    nodes = {n.executable: n for n in chain_spec.chain(given)}
    assert nodes['improviser'].parameters == {'mode': 'solo', 'partner': 'anna'}
    assert nodes['midi_player'].parameters == {'outputs': 'port,file'}


def test_a_room_is_for_the_transcriber_and_the_player() -> None:
    nodes = {node.executable: node.parameters for node in chain_spec.chain({'room': 'studio'})}
    assert nodes['transcriber'] == nodes['midi_player'] == {'room': 'studio'}
    assert not nodes['improviser'] and not nodes['microphone']


def test_what_is_not_given_overrides_nothing() -> None:
    for node in chain_spec.chain(
        {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
    ):
        assert node.parameters == {}


def test_the_order_of_the_parameter_files_is_told() -> None:
    config = next(argument for argument in chain_spec.ARGUMENTS if argument.name == 'config')
    assert 'Arguments override it, and it overrides the shipped' in config.description


def test_a_missing_config_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(chain_spec.BringupError, match=r'config is .*my\.yaml'):
        chain_spec.config_file({'config': str(tmp_path / 'my.yaml')})
    (tmp_path / 'my.yaml').touch()
    assert chain_spec.config_file({'config': str(tmp_path / 'my.yaml')})
    assert chain_spec.config_file({}) == ''


def test_a_wrong_choice_is_refused_by_name() -> None:
    with pytest.raises(chain_spec.BringupError, match=r'mode .*jazz.*respond'):
        chain_spec.chain({'mode': 'jazz'})
    with pytest.raises(chain_spec.BringupError, match='nothing to listen to'):
        chain_spec.chain({'input': 'page', 'page': 'false'})
    with pytest.raises(chain_spec.BringupError, match='file'):
        chain_spec.chain({'input': 'file'})


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


def sections(file: Path) -> dict[str, dict[str, object]]:
    """Return the parameters in each section of a parameter file."""
    found = yaml.safe_load(file.read_text())
    return {name: section['ros__parameters'] for name, section in found.items()}


class Recorded(SimpleNamespace):
    """A launch action or substitution that only remembers what it was made of."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(args=args, **kwargs)

    def perform(self, context: dict[str, str]) -> str:
        return context.get(self.args[0], getattr(self, 'default', ''))


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
    assert [d.args[0] for d in declared] == [a.name for a in chain_spec.ARGUMENTS]
    for declaration, argument in zip(declared, chain_spec.ARGUMENTS, strict=True):
        assert declaration.default_value == argument.default
        assert declaration.description == argument.description
        if declaration.choices:
            assert declaration.default_value in declaration.choices
        assert [choice for choice in declaration.choices or [] if choice] == [*argument.choices]


@pytest.mark.parametrize(
    'given',
    [
        {},
        {'input': 'file', 'file': 'a.wav'},
        {'input': 'keyboard', 'output': 'port'},
        {'input': 'topic'},
        {'body': 'drums_8'},
        {'body': 'marimba_arms', 'simulate': 'true', 'output': 'file'},
        {'input': 'page', 'page_port': '9000'},
        {'page': 'false'},
    ],
)
def test_the_launch_file_starts_what_the_list_says(launch_file, given, tmp_path: Path) -> None:
    config = tmp_path / 'my.yaml'
    config.touch()
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS} | given
    started = launch_file['start_nodes'](values | {'config': str(config)})
    chain = chain_spec.chain(values)
    assert [node.executable for node in started] == [node.executable for node in chain]
    for node, spec in zip(started, chain, strict=True):
        assert node.package == 'improv_ros'
        assert node.namespace == 'improv'
        defaults = Path(node.arguments[node.arguments.index('--params-file') + 1])
        assert sections(defaults) == {
            f'/**/**/{spec.executable}': shipped_parameters()[spec.executable]
        }
        assert node.parameters[0] == str(config)
        own = {f'/**/**/**/{spec.executable}': spec.parameters} if spec.parameters else {}
        assert [sections(Path(path)) for path in node.parameters[1:]] == ([own] if own else [])
        assert node.remappings == list(spec.remappings)


@pytest.mark.parametrize(
    ('discovery', 'added'),
    [('auto', 'LOCALHOST'), ('localhost', 'LOCALHOST'), ('subnet', 'SUBNET')],
)
def test_the_launch_file_keeps_the_nodes_to_this_machine_until_asked(
    launch_file, monkeypatch: pytest.MonkeyPatch, discovery: str, added: str
) -> None:
    for name in ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
    for node in launch_file['start_nodes'](values | {'discovery': discovery}):
        assert node.additional_env == {'ROS_AUTOMATIC_DISCOVERY_RANGE': added}


def test_the_launch_file_starts_again_the_command_that_ended_after_growing_pauses(
    launch_file,
) -> None:
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
    *_, node, _ = launch_file['start_nodes'](values)
    ended = SimpleNamespace(
        cmd=['midi_player', '-r', '__ns:=/a/improv'], cwd=None, env={'A': 'a'}, returncode=1
    )
    running = SimpleNamespace(is_shutdown=False)
    pauses = []
    for _ in range(3):
        said, timer = node.on_exit(ended, running)
        assert 'restarting it' in said.msg
        pauses.append(timer.period)
        (node,) = timer.actions
        assert (node.cmd, node.cwd, node.env) == (ended.cmd, ended.cwd, ended.env)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert not node.on_exit(ended, SimpleNamespace(is_shutdown=True))


def test_the_launch_file_does_not_start_again_what_cannot_run(launch_file) -> None:
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
    *_, node, _ = launch_file['start_nodes'](values)
    ended = SimpleNamespace(cmd=['midi_player'], cwd=None, env={}, returncode=UNUSABLE)
    (said,) = node.on_exit(ended, SimpleNamespace(is_shutdown=False))
    assert 'midi_player cannot run' in said.msg


def test_the_launch_file_refuses_a_second_ensemble_in_a_namespace_unless_forced(
    launch_file,
) -> None:
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
    started = launch_file['start_nodes'](values)
    with pytest.raises(ClaimedError, match='already running in the namespace improv'):
        launch_file['start_nodes'](values)
    assert launch_file['start_nodes'](values | {'force': 'true'})
    assert launch_file['start_nodes'](values | {'namespace': 'other'})
    assert launch_file['start_nodes'](values | {'ros_namespace': '/left'})  # of a group
    del started
    assert launch_file['start_nodes'](values)


def test_the_launch_file_puts_each_node_into_its_enclave(launch_file, monkeypatch) -> None:
    values = {argument.name: argument.default for argument in chain_spec.ARGUMENTS}
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


@with_launch
@pytest.mark.parametrize(('given', 'mode'), [({}, 'solo'), ({'mode': 'respond'}, 'respond')])
def test_under_launch_an_argument_prevails_over_the_config_and_that_over_the_shipped_one(
    tmp_path: Path, given: dict[str, str], mode: str
) -> None:
    import launch
    import launch_ros

    config = tmp_path / 'my.yaml'
    config.write_text('/**/improviser:\n  ros__parameters:\n    mode: solo\n    pause: 0.5\n')
    service = launch.LaunchService(noninteractive=True)
    read: dict[str, object] = {}

    def on_start(event: Any, _: object) -> launch.Action | None:
        if 'improviser' not in event.process_name:
            return None
        words = event.cmd
        read.update(read_by_ros(*words[words.index('--ros-args') + 1 :]))
        return launch.actions.Shutdown(reason='the test is over')

    description = runpy.run_path(str(ROOT / 'launch' / 'improv.launch.py'))
    service.context.launch_configurations.update(given, config=str(config), input='keyboard')
    service.include_launch_description(
        launch.LaunchDescription(
            [
                launch.actions.RegisterEventHandler(
                    launch.event_handlers.OnProcessStart(on_start=on_start)
                ),
                launch_ros.actions.SetParameter('top_p', 0.5),
                launch_ros.actions.SetParameter('pause', 2.5),
                *description['generate_launch_description']().entities,
            ]
        )
    )
    assert service.run() == 0
    assert (read['mode'], read['pause'], read['top_p']) == (mode, 0.5, 0.5)
    assert read['temperature'] == shipped_parameters()['improviser']['temperature']


@with_launch
def test_under_launch_a_config_that_is_not_there_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import launch

    service = launch.LaunchService(noninteractive=True)
    description = runpy.run_path(str(ROOT / 'launch' / 'improv.launch.py'))
    service.context.launch_configurations['config'] = str(tmp_path / 'my.yaml')
    service.include_launch_description(description['generate_launch_description']())
    assert service.run() == 1
    assert str(tmp_path / 'my.yaml') in caplog.text
