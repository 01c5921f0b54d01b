# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`improv replay`: publish the messages of a bag, with all stamps moved to now."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import sys
import threading
import time

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int16MultiArray, String

from improv_ros.bags.bag_format import AUDIO, STRING, BagError
from improv_ros.bags.bag_reader import Bag, Recorded, read_bag
from improv_ros.bags.time_shift import TimeShift, shift_text
from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.event_text import (
    SECOND,
    EventTextError,
    StreamReader,
    Text,
    format_text,
    from_timed,
)
from improv_ros.listening.capture.audio_chunk import AudioChunkError
from improv_ros.nodes.common.audio_topic import audio_chunk, audio_message
from improv_ros.nodes.common.note_topics import CHAIN_QOS
from improv_ros.process import signals

DISCOVERY_TIME = 1.0  # seconds without a new subscriber, after which all are in the graph
ACK_TIMEOUT = 1.0  # seconds, at the end, for a subscriber that hangs
SUBSCRIBER_TIMEOUT = 5.0  # seconds to wait for a subscriber on every topic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bag', type=Path, help='folder of a bag, or an .mcap file')
    parser.add_argument(
        '--topics',
        nargs='+',
        metavar='TOPIC',
        help='topics to replay, such as heard_notes (default: all note topics, and audio)',
    )
    parser.add_argument(
        '--namespace', default='', help='namespace to publish in (default: the recorded one)'
    )
    parser.add_argument(
        '--rate', type=_rate, default=1.0, help='speed, from 0.1 to 10 (default: %(default)s)'
    )
    parser.add_argument('--loop', action='store_true', help='repeat the bag until Ctrl-C')


def run(arguments: argparse.Namespace) -> int:
    """Replay until the end of the bag, or a request to end."""
    try:
        bag = read_bag(arguments.bag)
        topics = chosen(bag, arguments.topics, arguments.rate)
    except BagError as error:
        print(f'improv replay: {error}', file=sys.stderr)
        return 2
    if bag.truncated:
        print(
            'improv replay: the bag is truncated; replaying the messages that it has',
            file=sys.stderr,
        )
    messages = [message for message in bag.messages if message.topic in topics]
    stop = signals.stop_event()
    set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    player = Replayer(topics, arguments.namespace)
    try:
        player.wait_for_subscribers(stop)
        seconds = (messages[-1].time - messages[0].time) / SECOND / arguments.rate
        print(f'replaying {len(messages)} messages, {seconds:.1f} s', flush=True)
        player.replay(messages, arguments.rate, stop)
        while arguments.loop and not stop.is_set():
            player.replay(messages, arguments.rate, stop)
    finally:
        player.close()
        rclpy.try_shutdown()
    if player.malformed:
        print(f'improv replay: {player.malformed} malformed messages skipped', file=sys.stderr)
    return 0


def chosen(bag: Bag, names: list[str] | None, rate: float) -> dict[str, str]:
    """Return the topics to replay and their types; BagError where there is nothing to replay.

    `names` are full or last names of topics; without them, all note topics and audio are chosen.
    """
    used = {message.topic for message in bag.messages}
    replayable = {
        topic: kind
        for topic, kind in bag.topics.items()
        if (kind == STRING and topic.endswith('_notes')) or kind == AUDIO
    }
    topics: dict[str, str] = {}
    for name in names or replayable:
        found = [t for t in replayable if name.strip('/') in (t.strip('/'), t.rpartition('/')[2])]
        if not found:
            known = ', '.join(replayable) or 'no topic that can be replayed'
            raise BagError(f'the bag has no topic {name}; it has {known}')
        topics.update((topic, replayable[topic]) for topic in found)
    topics = {topic: topics[topic] for topic in topics if topic in used}
    if not topics:
        raise BagError('the bag has no message to replay')
    if rate != 1.0 and AUDIO in topics.values():
        raise BagError('audio can only be replayed at its own speed: leave it out with --topics')
    return topics


class Replayer(Node):
    """Publishes recorded messages with their recorded intervals, stamped with the present time."""

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
        self._last: dict[str, Text] = {}  # the latest message of each topic

    def wait_for_subscribers(self, stop: threading.Event) -> None:
        """Wait for subscribers; warn about topics without one and with other publishers."""
        publishers = self._outlets.values()
        began = changed = time.monotonic()
        before: list[int] = []
        while time.monotonic() - began < SUBSCRIBER_TIMEOUT and not stop.wait(0.05):
            known = [self.count_subscribers(publisher.topic_name) for publisher in publishers]
            matched = [publisher.get_subscription_count() for publisher in publishers]
            if known != before:
                before, changed = known, time.monotonic()
            elif time.monotonic() - changed > DISCOVERY_TIME and all(
                0 < count <= met for count, met in zip(known, matched, strict=True)
            ):
                break
        for publisher in publishers:
            topic = publisher.topic_name
            if not publisher.get_subscription_count():
                print(f'improv replay: {topic} has no subscriber', file=sys.stderr)
            if self.count_publishers(topic) > 1:
                print(
                    f'improv replay: {topic} has another publisher, and subscribers receive both: '
                    'select topics with --topics, or stop the other publisher',
                    file=sys.stderr,
                )

    def replay(self, messages: list[Recorded], rate: float, stop: threading.Event) -> None:
        """Publish each message when it is due; finally release all sounding notes."""
        began = time.monotonic()
        shift = TimeShift(messages[0].time, self.get_clock().now().nanoseconds, rate)
        for message in messages:
            due = began + (message.time - messages[0].time) / SECOND / rate
            if stop.wait(max(0.0, due - time.monotonic())):
                break
            try:
                self._publish(message, shift)
            except (EventTextError, AudioChunkError):
                self.malformed += 1
        self._release()

    def close(self) -> None:
        """Destroy the node after every message has arrived."""
        deadline = time.monotonic() + ACK_TIMEOUT
        for publisher in self._outlets.values():
            left = max(0.0, deadline - time.monotonic())
            publisher.wait_for_all_acked(Duration(seconds=left))
        self.destroy_node()

    def _publish(self, message: Recorded, shift: TimeShift) -> None:
        publisher = self._outlets[message.topic]
        if message.topic in self._readers:
            text = shift_text(deserialize_message(message.data, String).data, shift)
            self._readers[message.topic].read(format_text(text))
            self._last[message.topic] = text
            publisher.publish(String(data=format_text(text)))
        else:
            chunk = audio_chunk(deserialize_message(message.data, Int16MultiArray))
            publisher.publish(audio_message(replace(chunk, time=shift(chunk.time))))

    def _release(self) -> None:
        """Release sounding notes, where the bag or the replay ended early."""
        now = self.get_clock().now().nanoseconds
        for topic, reader in self._readers.items():
            releases = reader.close(now)
            if releases:
                last = self._last[topic]
                number = (last.sequence or 0) + 1
                text = replace(from_timed(releases), sequence=number, publisher=last.publisher)
                self._outlets[topic].publish(String(data=format_text(text)))


def _rate(text: str) -> float:
    rate = float(text)
    if not 0.1 <= rate <= 10:
        raise argparse.ArgumentTypeError(f'{text} is not a speed from 0.1 to 10')
    return rate
