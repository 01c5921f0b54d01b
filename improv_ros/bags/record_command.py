"""`improv record`: a session kept as a bag, from which it can be replayed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import datetime
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int16MultiArray, String

from improv_ros.bags.bag_writer import BagWriter
from improv_ros.bags.errors import BagError
from improv_ros.bags.message_types import AUDIO, STRING
from improv_ros.event_text import EventTextError, StreamReader
from improv_ros.nodes.note_topics import CHAIN_QOS, NOTE_TOPICS

MESSAGES = {STRING: String, AUDIO: Int16MultiArray}
CHECKPOINT = 0.5  # seconds: what is lost, at the most, when the recorder is killed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    now = datetime.datetime.now()
    parser.add_argument(
        'bag',
        nargs='?',
        type=Path,
        default=Path(f'session_{now:%Y-%m-%d_%H-%M-%S}'),
        help='new folder to record into (default: session_ and the time)',
    )
    parser.add_argument('--namespace', default='improv', help='ensemble (default: %(default)s)')
    parser.add_argument('--audio', action='store_true', help='keep the sound, too: 2 MB a minute')


def run(arguments: argparse.Namespace) -> int:
    """Record until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    namespace = arguments.namespace.strip('/')
    topics = {f'/{namespace}/{name}': STRING for name in NOTE_TOPICS}
    if arguments.audio:
        topics[f'/{namespace}/audio'] = AUDIO
    try:
        bag = BagWriter(arguments.bag, topics)
    except BagError as error:
        print(f'improv record: {error}', file=sys.stderr)
        return 2
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
        lost = recorder.readers[topic].lost if topic in recorder.readers else 0
        print(f'{topic}  {count} messages' + (f', {lost} lost before they came' if lost else ''))
    return 0


class Recorder(Node):
    """Hears every topic and hands each message to the bag as it came."""

    def __init__(self, bag: BagWriter, topics: dict[str, str], namespace: str) -> None:
        super().__init__('recorder', namespace=namespace)
        self._bag = bag
        self.readers = {topic: StreamReader() for topic, kind in topics.items() if kind == STRING}
        for topic, kind in topics.items():
            self.create_subscription(
                MESSAGES[kind], topic, self._keeper(topic), CHAIN_QOS, raw=True
            )

    def record(self, stop: threading.Event) -> None:
        """Record until told to stop; OSError where the bag cannot be written any more."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        try:
            due = time.monotonic() + CHECKPOINT
            while not stop.is_set():
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() > due:
                    self._bag.checkpoint()
                    due = time.monotonic() + CHECKPOINT
        finally:
            executor.shutdown()
            self._bag.close()

    def _keeper(self, topic: str) -> Callable[[bytes, Any], None]:
        def keep(data: bytes, info: Any) -> None:
            received = self.get_clock().now().nanoseconds
            self._bag.write(topic, data, received, info['source_timestamp'] or received)
            if topic in self.readers:
                self._count_losses(topic, data)

        return keep

    def _count_losses(self, topic: str, data: bytes) -> None:
        try:
            self.readers[topic].read(deserialize_message(data, String).data)
        except EventTextError as error:
            self.get_logger().warning(
                f'{topic}: kept, though malformed: {error}', throttle_duration_sec=1.0
            )
