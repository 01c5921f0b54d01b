# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""DDS Security: the policy against the live graph, and who is heard with it in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any, TextIO
import wave

from builtin_interfaces.msg import Time
import pytest
from rclpy.node import NodeNameNonExistentError
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from enclaves import Rights, granted, make_keystore, read_policy
from graph import NAMESPACE, Graph, free_port, wait_until
from improv_ros.bags.bag_format import STRING
from improv_ros.bags.bag_writer import BagWriter
from improv_ros.bringup import chain_spec
from improv_ros.bringup.ensemble import Ensemble
from timing import PATIENCE

HERE = Path(__file__).parent
LONG = 90.0  # seconds; peers with keys take a while to trust each other
HEARD = 'rt/improv/heard_notes'
ROBOT = HERE.parents[1] / 'examples' / 'python' / 'robot.py'


def silence(folder: Path) -> str:
    """Write a recording of ten seconds of silence; return its path."""
    path = folder / 'silence.wav'
    with wave.open(str(path), 'wb') as file:
        file.setparams((1, 2, 16_000, 160_000, 'NONE', ''))
        file.writeframes(bytes(320_000))
    return str(path)


ALIVE: dict[str, Callable[[Path], dict[str, Any]]] = {
    'microphone': lambda folder: {'source': 'file', 'file': silence(folder)},
    'midi_keyboard': lambda _: {'ports': f'socket://localhost:{free_port()}'},
    'transcriber': lambda _: {},
    'improviser': lambda _: {},
    'midi_player': lambda folder: {'outputs': 'file', 'midi_file': str(folder / 'played.mid')},
    'robot_performer': lambda _: {'body': 'marimba_arms', 'feedback': 'body'},
    'keyboard_markers': lambda _: {},
    'simulated_robot': lambda _: {'body': 'marimba_arms'},
    'live_page': lambda _: {'page_port': 0},
}  # the parameters with which each node has every topic that it can have
# Topics that a node has only while a browser watches, or where it is set up otherwise than above.
NOT_HERE = {
    'live_page': {f'{NAMESPACE}/audio'},
    'transcriber': {f'{NAMESPACE}/audio_info'},
    'midi_player': {f'{NAMESPACE}/body_notes', f'{NAMESPACE}/sounded_notes'},
}
SIMULATED = {'body': 'drums_8', 'simulate': 'true'}


def on_the_graph(graph: Graph, name: str, namespace: str = NAMESPACE) -> Rights:
    """Return what a live node publishes, hears, answers and asks."""

    def names(kind: str) -> frozenset[str]:
        look = getattr(graph.probe, f'get_{kind}_names_and_types_by_node')
        try:
            return frozenset(topic for topic, _ in look(name, namespace))
        except NodeNameNonExistentError:
            return frozenset()

    return Rights(names('publisher'), names('subscriber'), names('service'), names('client'))


def within(does: Rights, may: Rights) -> None:
    """Check that a live node does nothing that it may not."""
    for right in Rights.__annotations__:
        for name in getattr(does, right):
            assert granted(getattr(may, right), name), f'{right} {name}'


@pytest.mark.parametrize('executable', ALIVE)
def test_an_enclave_allows_exactly_what_its_node_does(graph: Graph, executable: str) -> None:
    may = read_policy()[f'/improv/{executable}']
    not_here = NOT_HERE.get(executable, set())
    publish, subscribe = may.publish - not_here, may.subscribe - not_here
    graph.start(executable, use_sim_time=True, **ALIVE[executable](graph.folder))
    clock = graph.probe.create_publisher(Clock, '/clock', 10)

    def complete() -> bool:
        clock.publish(Clock(clock=Time(sec=1)))  # without it no node becomes active
        does = on_the_graph(graph, executable)
        return does.publish >= publish and does.subscribe >= subscribe

    try:
        wait_until(complete, 'every topic that the policy allows')
    finally:
        does = on_the_graph(graph, executable)
        assert does.publish == publish
        assert does.subscribe == subscribe
    assert may.reply == {f'{NAMESPACE}/{executable}/*'} and does.request == may.request
    within(does, may)


def test_every_node_of_the_chain_has_an_enclave() -> None:
    policy = read_policy()
    for arguments in ({}, {'input': 'keyboard'}, SIMULATED):
        for node in chain_spec.chain(arguments):
            assert f'/improv/{node.executable}' in policy
    assert {f'/improv/{executable}' for executable in ALIVE} <= set(policy)


def test_the_player_of_a_simulated_body_may_use_the_topics_of_the_body(graph: Graph) -> None:
    (player,) = (n for n in chain_spec.chain(SIMULATED) if n.executable == 'midi_player')
    rules = [word for old, new in player.remappings for word in ('-r', f'{old}:={new}')]
    program = ['-m', 'improv_ros.nodes.midi_player', '--ros-args', *rules, '--']
    graph.start('midi_player', program=program, **ALIVE['midi_player'](graph.folder))
    may = read_policy()['/improv/midi_player']
    heard, told = f'{NAMESPACE}/body_notes', f'{NAMESPACE}/sounded_notes'

    def plays_the_body() -> bool:
        does = on_the_graph(graph, 'midi_player')
        return heard in does.subscribe and told in does.publish

    wait_until(plays_the_body, 'a player of the body')
    within(on_the_graph(graph, 'midi_player'), may)


def test_only_those_who_are_meant_to_may_make_the_robot_play() -> None:
    def may(topic: str) -> set[str]:
        return {
            enclave.rpartition('/')[2]
            for enclave, rights in read_policy().items()
            if granted(rights.publish, f'/improv/{topic}')
        }

    assert may('audio') == {'microphone', 'replayer'}
    for topic in ('heard_notes', 'confirmed_notes'):
        assert may(topic) == {'transcriber', 'midi_keyboard', 'live_page', 'replayer'}
    assert may('generated_notes') == {'improviser', 'replayer'}
    assert may('body_notes') == {'simulated_robot', 'robot'}


def test_recording_and_replaying_need_just_what_their_enclaves_allow(graph: Graph) -> None:
    policy = read_policy()
    env = {**os.environ, **graph.env}
    command = [sys.executable, '-m', 'improv_ros.cli']
    recording = subprocess.Popen(
        [*command, 'record', str(graph.folder / 'new'), '--audio'], env=env
    )
    try:
        wait_until(
            lambda: (
                on_the_graph(graph, 'recorder').subscribe | {'/clock'}
                == policy['/improv/recorder'].subscribe
            ),
            'a recorder of every topic',
        )
        within(on_the_graph(graph, 'recorder'), policy['/improv/recorder'])
    finally:
        recording.send_signal(signal.SIGINT)
        recording.wait(PATIENCE)

    bag = BagWriter(graph.folder / 'bag', {f'{NAMESPACE}/heard_notes': STRING})
    text = String(data='rs_500\nat_1_0\nsq_0\n0_no_60_64\n1000_no_60_0\n')
    bag.write(f'{NAMESPACE}/heard_notes', serialize_message(text), 1, 1)
    bag.close()
    command += ['replay', str(graph.folder / 'bag'), '--loop']
    replaying = subprocess.Popen(command, env=env)
    try:
        wait_until(lambda: on_the_graph(graph, 'replay', '/').publish, 'a replay')
        within(on_the_graph(graph, 'replay', '/'), policy['/improv/replayer'])
    finally:
        replaying.kill()
        replaying.wait()


def test_the_robot_of_the_examples_needs_no_more_than_its_enclave_allows(graph: Graph) -> None:
    robot = subprocess.Popen(
        [sys.executable, str(ROBOT), '--ros-args', '-r', f'__ns:={NAMESPACE}'],
        env={**os.environ, **graph.env},
    )
    try:
        wait_until(lambda: on_the_graph(graph, 'robot').subscribe, 'the robot')
        within(on_the_graph(graph, 'robot'), read_policy()['/improv/robot'])
    finally:
        robot.kill()
        robot.wait()


def test_a_node_that_cannot_be_secured_does_not_run(graph: Graph) -> None:
    """The middleware of the wheels has no DDS Security; others have, and then the node runs."""
    keystore = make_keystore(graph.folder / 'keys', int(graph.env['ROS_DOMAIN_ID']))
    graph.env |= {
        'ROS_SECURITY_KEYSTORE': str(keystore),
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_ENCLAVE_OVERRIDE': '/improv/improviser',
    }
    node = graph.start('improviser')
    ended = wait_until(
        lambda: node.process.poll() is not None or 'active' in node.said, 'a word of the node'
    )
    if node.process.poll() is None:
        pytest.skip('this middleware has DDS Security')
    assert ended and node.process.returncode != 0
    assert "doesn't have the security libraries" in ' '.join(node.said.split())


def test_improv_run_puts_each_node_into_its_enclave(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    keystore = make_keystore(graph.folder / 'keys', int(graph.env['ROS_DOMAIN_ID']))
    secured = {'ROS_SECURITY_KEYSTORE': str(keystore), 'ROS_SECURITY_ENABLE': 'true'}
    for name, value in {**graph.env, **secured, 'ROS_SECURITY_STRATEGY': 'Enforce'}.items():
        monkeypatch.setenv(name, value)
    nodes = chain_spec.chain({'input': 'keyboard', 'output': 'file'})
    ensemble = Ensemble(nodes)
    said = []

    def found(executable: str) -> bool:
        said.append(capfd.readouterr().err)
        folder = f'{keystore}/enclaves/improv/{executable}'
        return f'Found security directory: {folder}' in ''.join(said)

    try:
        ensemble.start()
        for node in nodes:
            wait_until(
                lambda name=node.executable: found(name), f'{node.executable} in its enclave'
            )
    finally:
        ensemble.stop()


class Peer:
    """A speaker or a listener of Fast DDS with security, in a process of its own."""

    def __init__(self, binary: Path, *words: object) -> None:
        self.heard: list[str] = []
        self._process = subprocess.Popen(
            [binary, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.state = self._process.stdout.readline().strip()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def _read(self, output: TextIO) -> None:
        self.heard.extend(line.strip() for line in output)

    def close(self) -> None:
        """End the peer."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@pytest.fixture(scope='module')
def peer_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the peer against the system's Fast DDS, which unlike the wheels' has security."""
    source, binary = HERE / 'peer.cpp', tmp_path_factory.mktemp('peer') / 'peer'
    probe = '#include <fastrtps/config.h>\n#if !HAVE_SECURITY\n#error\n#endif\n'
    compiler = ['g++', '-E', '-xc++', '-']
    if subprocess.run(compiler, input=probe, text=True, capture_output=True).returncode:
        pytest.skip('no Fast DDS 2 with security here (Debian: libfastrtps-dev)')
    flags = ['-std=c++17', '-Wall', '-Wextra', '-o', str(binary)]
    subprocess.run(['g++', *flags, str(source), '-lfastrtps'], check=True)
    return binary


@pytest.fixture
def peer(graph: Graph, peer_binary: Path) -> Iterator[Callable[..., Peer]]:
    """Provide peers in the graph's domain: `peer('hear' or a text, topic, enclave folder)`."""
    peers: list[Peer] = []

    def start(text: str, topic: str = HEARD, enclave: Path | None = None) -> Peer:
        words = [text, topic, graph.env['ROS_DOMAIN_ID'], *([enclave] if enclave else [])]
        peers.append(Peer(peer_binary, *words))
        return peers[-1]

    yield start
    for one in peers:
        one.close()


@pytest.fixture
def enclaves(graph: Graph) -> Path:
    """Provide the folder of the enclaves of the chain."""
    keystore = make_keystore(graph.folder / 'keys', int(graph.env['ROS_DOMAIN_ID']))
    return keystore / 'enclaves' / 'improv'


def test_an_insider_is_heard_and_an_outsider_is_not(
    graph: Graph, peer: Callable[..., Peer], enclaves: Path
) -> None:
    """The outsiders: a real node without keys, and a peer with keys that it made itself."""
    strange = graph.folder / 'strange'
    domain = int(graph.env['ROS_DOMAIN_ID'])
    strangers = make_keystore(strange, domain) / 'enclaves' / 'improv'
    improviser = peer('hear', HEARD, enclaves / 'improviser')
    outside, stranger = peer('hear'), peer('hear', HEARD, strangers / 'improviser')
    assert (improviser.state, outside.state, stranger.state) == ('ready',) * 3

    outsider = graph.publisher('heard_notes')
    peer('stranger', HEARD, strangers / 'transcriber')

    def both_speak() -> bool:
        outsider.publish(String(data='outsider'))
        return len(outside.heard) >= 20 and len(stranger.heard) >= 20

    wait_until(both_speak, 'outsiders who hear their like', LONG)
    transcriber = peer('insider', HEARD, enclaves / 'transcriber')
    assert transcriber.state == 'ready'
    wait_until(lambda: both_speak() and len(improviser.heard) >= 20, 'the insider', LONG)
    assert {*improviser.heard} == {'insider'}
    assert {*stranger.heard} == {'stranger'}
    for unprotected in (outside.heard, graph.texts['heard_notes']):
        assert 'outsider' in unprotected
        assert not {'insider', 'stranger'} & {*unprotected}


def test_a_node_may_publish_only_the_topics_of_its_enclave(
    peer: Callable[..., Peer], enclaves: Path
) -> None:
    generated, asked = 'rt/improv/generated_notes', 'rq/improv/improviser/stopRequest'
    for enclave, topic, state in (
        ('transcriber', HEARD, 'ready'),
        ('midi_player', HEARD, 'refused: publisher'),
        ('improviser', HEARD, 'refused: publisher'),
        ('improviser', generated, 'ready'),
        ('transcriber', generated, 'refused: publisher'),
        ('robot', generated, 'refused: publisher'),
        ('operator', generated, 'refused: publisher'),
        ('operator', asked, 'ready'),
        ('midi_player', asked, 'refused: publisher'),
    ):
        assert peer('hello', topic, enclaves / enclave).state == state, (enclave, topic)
    assert peer('hear', asked, enclaves / 'improviser').state == 'ready'
    assert peer('hear', asked, enclaves / 'recorder').state == 'refused: subscription'


@pytest.mark.nightly
def test_permissions_that_were_changed_after_signing_are_refused(
    peer: Callable[..., Peer], enclaves: Path
) -> None:
    """Permissions that were changed after they were signed are no permissions."""
    signed = enclaves / 'midi_player' / 'permissions.p7s'
    forged = signed.read_text().replace('rt/improv/played_notes', HEARD)
    assert forged != signed.read_text()
    signed.write_text(forged)
    assert peer('hello', HEARD, enclaves / 'midi_player').state == 'refused: participant'
