# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv record`: record the topics of a session into a bag."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import datetime
from pathlib import Path
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Int16MultiArray, String

from improv_ros.bags.bag_format import AUDIO, DIAGNOSTICS, JOINTS, STRING, BagError
from improv_ros.bags.bag_writer import BagWriter
from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.event_text import EventTextError, TopicReader
from improv_ros.nodes.common.note_topics import CHAIN_QOS, NOTE_TOPICS, NOTES_QOS, publisher_of
from improv_ros.process import signals

MESSAGES = {
    STRING: String,
    AUDIO: Int16MultiArray,
    JOINTS: JointState,
    DIAGNOSTICS: DiagnosticArray,
}
CHECKPOINT_PERIOD = 0.5  # seconds; a killed recorder loses no more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    now = datetime.datetime.now()
    parser.add_argument(
        'bag',
        nargs='?',
        type=Path,
        default=Path(f'session_{now:%Y-%m-%d_%H-%M-%S}'),
        help='new folder for the bag (default: session_ with date and time)',
    )
    parser.add_argument(
        '--namespace', default='improv', help='namespace of the nodes (default: %(default)s)'
    )
    parser.add_argument(
        '--audio', action='store_true', help='record the audio, too: 2 MB per minute'
    )


def run(arguments: argparse.Namespace) -> int:
    """Record until a request to end."""
    stop = signals.stop_event()
    namespace = arguments.namespace.strip('/')
    topics = {f'/{namespace}/{name}': STRING for name in NOTE_TOPICS}
    topics |= {f'/{namespace}/joint_states': JOINTS, '/diagnostics': DIAGNOSTICS}
    if arguments.audio:
        topics[f'/{namespace}/audio'] = AUDIO
    try:
        bag = BagWriter(arguments.bag, topics)
    except BagError as error:
        print(f'improv record: {error}', file=sys.stderr)
        return 2
    set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    recorder = Recorder(bag, topics, namespace)
    print(f'recording {", ".join(topics)} into {arguments.bag}/ (Ctrl-C ends it)', flush=True)
    try:
        recorder.record(stop)
    except OSError as error:
        print(f'improv record: {arguments.bag}: {error.strerror}', file=sys.stderr)
        return 1
    finally:
        recorder.destroy_node()
        rclpy.try_shutdown()
    for topic, count in bag.counts.items():
        lost = recorder.readers[topic].counts['lost'] if topic in recorder.readers else 0
        print(f'{topic}  {count} messages' + (f', {lost} lost on the network' if lost else ''))
    return 0


class Recorder(Node):
    """Subscribes to the topics and writes each message to the bag, serialized as it arrived."""

    def __init__(self, bag: BagWriter, topics: dict[str, str], namespace: str) -> None:
        super().__init__('recorder', namespace=namespace)
        self._bag = bag
        self.readers = {topic: TopicReader() for topic, kind in topics.items() if kind == STRING}
        for topic, kind in topics.items():
            qos = NOTES_QOS if kind == STRING else CHAIN_QOS
            self.create_subscription(MESSAGES[kind], topic, self._keeper(topic), qos, raw=True)

    def record(self, stop: threading.Event) -> None:
        """Record until `stop` is set; OSError where the bag cannot be written any more."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        try:
            due = time.monotonic() + CHECKPOINT_PERIOD
            while not stop.is_set():
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() > due:
                    self._bag.checkpoint()
                    due = time.monotonic() + CHECKPOINT_PERIOD
        finally:
            executor.shutdown()
            self._bag.close()

    def _keeper(self, topic: str) -> Callable[[bytes, Any], None]:
        def keep(data: bytes, info: Any) -> None:
            received = self.get_clock().now().nanoseconds
            self._bag.write(topic, data, received, info['source_timestamp'] or received)
            if topic in self.readers:
                self._count_losses(topic, data, publisher_of(info))

        return keep

    def _count_losses(self, topic: str, data: bytes, publisher: str | None) -> None:
        try:
            self.readers[topic].read(deserialize_message(data, String).data, publisher)
        except EventTextError as error:
            self.get_logger().warning(
                f'{topic}: a malformed message was recorded: {error}', throttle_duration_sec=1.0
            )
