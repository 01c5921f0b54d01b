# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A real ROS graph for a test: nodes as processes, and a probe that talks with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int16MultiArray, String
import yaml

from improv_ros.event_text import SECOND, StreamReader, TimedEvent
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from timing import PATIENCE

# As the nodes do. Through shared memory, nodes that are killed can crash or block the probe.
os.environ.setdefault('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')

NAMESPACE = '/improv'
NOTE_TOPICS = (
    'heard_notes',
    'confirmed_notes',
    'generated_notes',
    'played_notes',
    'performed_notes',
    'strikes',
)


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return the condition's first true value; fail the test where it never comes."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f'{what}: not within {patience:g} s')


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.create_server(('localhost', 0)) as server:
        return server.getsockname()[1]


class NodeProcess:
    """A node of the chain in a process of its own, its words kept."""

    def __init__(
        self,
        executable: str,
        folder: Path,
        env: dict[str, str],
        namespace: str = NAMESPACE,
        program: Sequence[str] = (),
        **parameters: Any,
    ) -> None:
        self.log = folder / f'{executable}.log'
        file = folder / f'{executable}.yaml'
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
        files = ['--params-file', str(file)] if parameters else []
        command = [sys.executable, *(program or ['-m', f'improv_ros.nodes.{executable}'])]
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [*command, '--ros-args', '-r', f'__ns:={namespace}', *files],
                env={**os.environ, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """What the node printed so far."""
        return self.log.read_text()

    def leave(self, number: int = signal.SIGINT) -> float:
        """Interrupt the node; return the seconds it took to leave."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=PATIENCE)
        return time.monotonic() - began

    def kill(self) -> None:
        """End the node, whatever it does."""
        self.process.kill()
        self.process.wait()


class Graph:
    """One test's own ROS domain, with a probe on every topic of the chain."""

    def __init__(self, folder: Path, domain: int, namespace: str = NAMESPACE) -> None:
        self.folder = folder
        self.namespace = namespace
        self.env = {
            'ROS_DOMAIN_ID': str(domain),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'ROS_LOG_DIR': str(folder / 'ros_log'),
        }
        self.nodes: list[NodeProcess] = []
        self.texts: dict[str, list[str]] = {}
        self.events: dict[str, list[TimedEvent]] = {}
        self.chunks: list[Int16MultiArray] = []
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._killed = 0  # when, in ROS time
        self._context = rclpy.Context()
        rclpy.init(
            args=[],
            context=self._context,
            domain_id=domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.probe = Node('probe', namespace=namespace, context=self._context)
        for topic in NOTE_TOPICS:
            self.listen(topic)
        self.probe.create_subscription(Int16MultiArray, 'audio', self.chunks.append, CHAIN_QOS)
        self.probe.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.probe)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def start(
        self, executable: str, program: Sequence[str] = (), **parameters: Any
    ) -> NodeProcess:
        """Start a node in this domain; `program` in its place, where one is given."""
        node = NodeProcess(
            executable, self.folder, self.env, self.namespace, program, **parameters
        )
        self.nodes.append(node)
        return node

    def now(self) -> int:
        """Return ROS time in nanoseconds."""
        return self.probe.get_clock().now().nanoseconds

    def publisher(self, topic: str, kind: type = String) -> Any:
        """Return a publisher on a topic of the chain, once somebody listens there besides us."""
        name = f'{NAMESPACE}/{topic}'
        ours = sum(own.topic_name == name for own in self.probe.subscriptions)
        publisher = self.probe.create_publisher(kind, topic, CHAIN_QOS)
        wait_until(lambda: publisher.get_subscription_count() > ours, f'a listener on {topic}')
        return publisher

    def healthy(self, name: str) -> bool:
        """Tell whether a node's diagnostics say that it is active and well."""
        status = self.diagnostics.get(name)
        return status is not None and status.level == DiagnosticStatus.OK

    def says(self, name: str) -> str:
        """Return the sentence in a node's latest diagnostics."""
        status = self.diagnostics.get(name)
        return status.message if status else ''

    def figures(self, name: str) -> dict[str, str]:
        """Return the figures in a node's latest diagnostics."""
        status = self.diagnostics.get(name)
        return {value.key: value.value for value in status.values} if status else {}

    def kill_nodes(self) -> None:
        """End every node, and forget what they said, also what is still on its way."""
        self._kill()
        self._killed = self.now()
        self.diagnostics.clear()

    def close(self) -> None:
        """End every node and leave the domain."""
        self._kill()
        self._executor.shutdown()
        self._thread.join()
        self.probe.destroy_node()
        rclpy.shutdown(context=self._context)

    def _kill(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.kill()

    def listen(self, topic: str) -> list[TimedEvent]:
        """Listen to a note topic; return its events, which become more."""
        texts = self.texts[topic] = []
        events = self.events[topic] = []
        reader = StreamReader()

        def receive(message: String) -> None:
            texts.append(message.data)
            with contextlib.suppress(ValueError):
                events.extend(reader.read(message.data))

        self.probe.create_subscription(String, topic, receive, CHAIN_QOS)
        return events

    def _diagnose(self, message: DiagnosticArray) -> None:
        stamp = message.header.stamp
        if stamp.sec * SECOND + stamp.nanosec < self._killed:
            return
        for status in message.status:
            ensemble, _, node = status.name.rpartition(': ')
            if ensemble == self.namespace.strip('/'):
                self.diagnostics[node] = status


@contextlib.contextmanager
def graph_in(folder: Path, domain: int, namespace: str = NAMESPACE) -> Iterator[Graph]:
    """Provide a graph and clean it up."""
    graph = Graph(folder, domain, namespace)
    try:
        yield graph
    finally:
        graph.close()
