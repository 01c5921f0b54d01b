"""`improv replay`: a bag played into the graph, every stamp moved to now."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import signal
import sys
import threading
import time

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int16MultiArray, String

from improv_ros.bags.bag_reader import Bag, Recorded, read_bag
from improv_ros.bags.errors import BagError
from improv_ros.bags.message_types import AUDIO, STRING
from improv_ros.bags.time_shift import TimeShift, shift_text
from improv_ros.event_text import EventTextError, StreamReader, format_text, from_timed
from improv_ros.listening.audio_chunk import AudioChunkError
from improv_ros.nodes.audio_topic import audio_chunk, audio_message
from improv_ros.nodes.network import recover_losses_soon
from improv_ros.nodes.note_topics import CHAIN_QOS

LISTENERS_TIMEOUT = 3.0  # seconds that every topic has to find somebody who listens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bag', type=Path, help='folder of a bag, or an .mcap file')
    parser.add_argument(
        '--topics',
        nargs='+',
        metavar='TOPIC',
        help='only these, such as heard_notes (default: every note topic, and audio)',
    )
    parser.add_argument(
        '--namespace', default='', help='ensemble to play into (default: the one recorded)'
    )
    parser.add_argument(
        '--rate', type=_rate, default=1.0, help='speed, such as 0.5 (default: %(default)s)'
    )
    parser.add_argument('--loop', action='store_true', help='begin again at the end')


def run(arguments: argparse.Namespace) -> int:
    """Replay until the end, or until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        bag = read_bag(arguments.bag)
        topics = chosen(bag, arguments.topics, arguments.rate)
    except BagError as error:
        print(f'improv replay: {error}', file=sys.stderr)
        return 2
    if bag.broken_off:
        print('improv replay: the recording breaks off; replaying what there is', file=sys.stderr)
    messages = [message for message in bag.messages if message.topic in topics]
    recover_losses_soon()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    player = Replayer(topics, arguments.namespace)
    try:
        player.await_listeners(stop)
        seconds = (messages[-1].time - messages[0].time) / 1e9 / arguments.rate
        print(f'replaying {len(messages)} messages, {seconds:.1f} s', flush=True)
        player.replay(messages, arguments.rate, stop)
        while arguments.loop and not stop.is_set():
            player.replay(messages, arguments.rate, stop)
    finally:
        player.leave()
        rclpy.try_shutdown()
    if player.malformed:
        print(f'improv replay: {player.malformed} malformed messages skipped', file=sys.stderr)
    return 0


def chosen(bag: Bag, names: list[str] | None, rate: float) -> dict[str, str]:
    """Return the topics to replay and their types; BagError where there is nothing to replay.

    `names` are full or last names of topics; without them it is the chain's own.
    """
    spoken = {message.topic for message in bag.messages}
    replayable = {
        topic: kind
        for topic, kind in bag.topics.items()
        if (kind == STRING and topic.endswith('_notes')) or kind == AUDIO
    }
    topics: dict[str, str] = {}
    for name in names or replayable:
        found = [t for t in replayable if name.strip('/') in (t.strip('/'), t.rpartition('/')[2])]
        if not found:
            known = ', '.join(replayable) or 'nothing that can be replayed'
            raise BagError(f'the bag has no topic {name}; it has {known}')
        topics.update((topic, replayable[topic]) for topic in found)
    topics = {topic: topics[topic] for topic in topics if topic in spoken}
    if not topics:
        raise BagError('the bag has no message to replay')
    if rate != 1.0 and AUDIO in topics.values():
        raise BagError('sound can only be replayed at its own speed: leave audio out by --topics')
    return topics


class Replayer(Node):
    """Publishes recorded messages in their time, as if they were sent now."""

    def __init__(self, topics: dict[str, str], namespace: str) -> None:
        super().__init__('replay')
        self.malformed = 0
        self._outlets = {
            topic: self.create_publisher(
                Int16MultiArray if kind == AUDIO else String,
                f'/{namespace.strip("/")}/{topic.rpartition("/")[2]}' if namespace else topic,
                CHAIN_QOS,
            )
            for topic, kind in topics.items()
        }
        self._readers = {topic: StreamReader() for topic, kind in topics.items() if kind == STRING}
        self._last: dict[str, int | None] = {}  # number of each topic's latest message

    def await_listeners(self, stop: threading.Event) -> None:
        """Give listeners time to be found; say who else publishes, and what nobody hears."""
        publishers = self._outlets.values()
        deadline = time.monotonic() + LISTENERS_TIMEOUT
        while time.monotonic() < deadline and not stop.wait(0.05):
            if all(publisher.get_subscription_count() for publisher in publishers):
                break
        for publisher in publishers:
            topic = publisher.topic_name
            if not publisher.get_subscription_count():
                print(f'improv replay: nobody listens to {topic}', file=sys.stderr)
            if self.count_publishers(topic) > 1:
                print(
                    f'improv replay: {topic} has another publisher, and listeners will hear '
                    'both: choose what to replay by --topics, or stop the other',
                    file=sys.stderr,
                )

    def replay(self, messages: list[Recorded], rate: float, stop: threading.Event) -> None:
        """Publish each message when it is due; in the end release every note that sounds."""
        began = time.monotonic()
        shift = TimeShift(messages[0].time, self.get_clock().now().nanoseconds, rate)
        for message in messages:
            due = began + (message.time - messages[0].time) / 1e9 / rate
            if stop.wait(max(0.0, due - time.monotonic())):
                break
            try:
                self._publish(message, shift)
            except (EventTextError, AudioChunkError):
                self.malformed += 1
        self._release()

    def leave(self) -> None:
        """Leave once every message has arrived."""
        for publisher in self._outlets.values():
            publisher.wait_for_all_acked(Duration(seconds=1))
        self.destroy_node()

    def _publish(self, message: Recorded, shift: TimeShift) -> None:
        publisher = self._outlets[message.topic]
        if message.topic in self._readers:
            text = shift_text(deserialize_message(message.data, String).data, shift)
            self._readers[message.topic].read(format_text(text))
            self._last[message.topic] = text.sequence
            publisher.publish(String(data=format_text(text)))
        else:
            chunk = audio_chunk(deserialize_message(message.data, Int16MultiArray))
            publisher.publish(audio_message(replace(chunk, time=shift(chunk.time))))

    def _release(self) -> None:
        """End what sounds, where the recording broke off or the replay did."""
        now = self.get_clock().now().nanoseconds
        for topic, reader in self._readers.items():
            releases = reader.close(now)
            if releases:
                text = replace(from_timed(releases), sequence=(self._last[topic] or 0) + 1)
                self._outlets[topic].publish(String(data=format_text(text)))


def _rate(text: str) -> float:
    rate = float(text)
    if not 0.1 <= rate <= 10:
        raise argparse.ArgumentTypeError(f'{text} is not a speed from 0.1 to 10')
    return rate
