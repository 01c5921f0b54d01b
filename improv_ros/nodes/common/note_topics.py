# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Event text on topics: publishes and receives `std_msgs/String`, counts what was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from functools import lru_cache
from hashlib import sha256
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import String

from improv_ros.event_text import (
    LIVE_LIMITS,
    EventTextError,
    StreamWriter,
    TimedEvent,
    TimestampOutOfRangeError,
    TopicReader,
    parse,
)
from improv_ros.nodes.common.clock_jumps import ClockJumps
from improv_ros.nodes.common.local_time import CLOCK_JUMP, LocalTime

# What the person plays: as soon as it can be told, and when it is known more surely.
HEARING_TOPICS = ('heard_notes', 'confirmed_notes')
# Every topic that carries event text, in the order of the flow.
NOTE_TOPICS = (*HEARING_TOPICS, 'generated_notes', 'performed_notes', 'played_notes')
CHAIN_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
CHECK_PERIOD = 0.2  # seconds
# Deep enough for two seconds of the densest music, while a node gets no processor time.
NOTES_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'  # the graph's name for a node it has not discovered yet
MAX_UNKNOWN = 64  # publishers that left or are unknown to the graph, of which the names are kept
ACK_TIMEOUT = Duration(seconds=0.3)  # wait for a subscriber that hangs; others take 1 ms


class NotePublisher:
    """Publishes timed events (local time, nanoseconds) on a note topic, stamped with ROS time."""

    def __init__(self, node: Node, topic: str, time: LocalTime) -> None:
        self._node = node
        self._time = time
        before = publishers_on(node, topic)
        self._publisher = node.create_publisher(String, topic, NOTES_QOS)
        here = node.get_fully_qualified_name()
        after = publishers_on(node, topic).items()
        own = [its_id for its_id, name in after if name == here and its_id not in before]
        self._writer = StreamWriter(publisher=own[0] if len(own) == 1 else None)
        self.published = 0

    def publish(self, events: Iterable[TimedEvent]) -> None:
        """Publish events as one live message, or as several where one would exceed its limits."""
        for text in self._writer.write(events, self._time.ros_minus_local()):
            self._publisher.publish(String(data=text))
            self.published += 1

    @property
    def subscribers(self) -> int:
        """The number of subscribers that are connected."""
        return self._publisher.get_subscription_count()

    def destroy(self) -> None:
        """Leave the topic after the last messages have arrived: usually they end notes."""
        self._publisher.wait_for_all_acked(ACK_TIMEOUT)
        self._node.destroy_publisher(self._publisher)


class NoteListener:
    """Receives a note topic and passes on its events (local time, ns); every note-on gets an end.

    Each publisher has a reader of its own. Publishers are told apart by their gid where rclpy
    gives it (from Kilted on), otherwise by the id in their messages. A node that was restarted is
    recognised by its name, unless its id was not made from its gid.

    When a publisher disappears from the graph, its sounding notes are released: `on_gone`, by
    default `on_events`, is called with the events that release them. The same happens when another
    publisher of the same node name appears, because a node that was killed stays in the graph for
    seconds; and when ROS time jumps, because note-offs may then carry stamps of the clock before
    the jump.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        on_events: Callable[[list[TimedEvent]], None],
        time: LocalTime,
        on_gone: Callable[[list[TimedEvent]], None] | None = None,
        check_period: float = CHECK_PERIOD,
        group: CallbackGroup | None = None,
    ) -> None:
        """check_period: seconds between checks of the publishers and of the clock."""
        self._node = node
        self._time = time
        self._offset = time.ros_minus_local()
        self._jumps = ClockJumps()
        self._topic = topic
        self._on_events = on_events
        self._on_gone = on_gone or on_events
        self._reader = TopicReader()
        self._names: dict[str, str] = {}  # by id, of the publishers heard; empty if unknown
        self._gone: deque[str] = deque(maxlen=MAX_UNKNOWN)  # the names of those that left
        self._subscription = node.create_subscription(
            String, topic, self._receive, NOTES_QOS, callback_group=group
        )
        self._present: dict[str, str] = {}  # the publishers in the graph: names by id
        self._timer = node.create_timer(
            check_period, self._check_publishers, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.received = 0
        self.malformed = 0
        self.out_of_range = 0  # messages with a timestamp out of range
        self.publisher_names: frozenset[str] = frozenset()
        """The full names of the nodes that publish on the topic, as far as they are known."""
        self.speaker = ''
        """The name of the node whose events are passed on; empty if it is not known."""

    @property
    def publishers(self) -> int:
        """The number of publishers on the topic."""
        return self._node.count_publishers(self._subscription.topic_name)

    def figures(self) -> dict[str, object]:
        """Return the counts of this topic for diagnostics."""
        counts = self._reader.counts
        return {
            f'{self._topic} received': self.received,
            f'{self._topic} malformed': self.malformed,
            f'{self._topic} timestamps out of range': self.out_of_range,
            f'{self._topic} lost': counts['lost'],
            f'{self._topic} duplicates': counts['duplicates'],
            f'{self._topic} restarts': counts['restarts'],
        }

    def destroy(self) -> None:
        """Leave the topic."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: String, info: Mapping[str, Any]) -> None:
        try:
            text = parse(message.data, LIVE_LIMITS)
        except EventTextError as error:
            self.malformed += 1
            self._warn(self.malformed, error)
            return
        publisher = publisher_of(info) or text.publisher
        if publisher and publisher not in self._names:
            self._make_room()
            self._names[publisher] = ''
            self._check_publishers()
        self._check_clock()  # before the first message after a jump is read
        now, ahead = self._time.now(), self._time.ros_minus_local()
        try:
            events = self._reader.read(text, publisher, now + ahead, -ahead)
            self.received += 1
        except TimestampOutOfRangeError as error:
            self.out_of_range += 1
            self._warn(self.out_of_range, error)
            # The message may have held note-offs: release the notes as if it were lost.
            events = self._reader.release(publisher, now)
        except EventTextError as error:
            self.malformed += 1
            self._warn(self.malformed, error)
            return
        if events:
            self.speaker = self._names.get(publisher or '', '')
            self._on_events(events)
            self.speaker = ''

    def _warn(self, count: int, error: EventTextError) -> None:
        self._node.get_logger().warning(
            f'{self._topic}: message skipped ({count} so far): {error}',
            throttle_duration_sec=1.0,
        )

    def _check_publishers(self) -> None:
        """Check for publishers that left or have a new id, and for a clock that was set.

        A message may arrive before the graph knows the name of its publisher.
        """
        found = publishers_on(self._node, self._topic)
        gone = self._present.keys() - found.keys()
        new = {its_id: name for its_id, name in found.items() if name != self._present.get(its_id)}
        self._present = found
        self.publisher_names = frozenset(filter(None, found.values()))
        now = self._time.now()
        released = []
        for publisher in gone:
            name = self._names.pop(publisher, None)
            if name is not None:
                released += self._reader.leave(publisher, now)
                if name and name in self._names.values():  # it restarted before it was missed
                    self._reader.note_restart()
                else:
                    self._gone.append(name)
            else:  # its messages may have carried an id that was not made from its gid
                for unknown in set(self._reader.publishers) - found.keys():
                    released += self._reader.release(unknown, now)
        self._release(released, 'its publisher has left')
        replaced = []
        for publisher, name in self._names.items():
            if name and name in new.values() and publisher not in new:
                replaced += self._reader.release(publisher, now)
        self._release(replaced, 'its publisher was started again')
        for publisher in [p for p, name in self._names.items() if not name]:
            self._name(publisher, found.get(publisher, ''))
        self._check_clock()

    def _make_room(self) -> None:
        """Drop the oldest unknown publisher where there are more than `MAX_UNKNOWN`."""
        unknown = [p for p in self._names if p not in self._present]
        if len(unknown) >= MAX_UNKNOWN:
            del self._names[unknown[0]]
            released = self._reader.leave(unknown[0], self._time.now())
            self._release(released, 'too many publishers that are not in the graph')

    def _name(self, publisher: str, name: str) -> None:
        """Keep the name of a publisher. Others with that name may still publish: they are kept."""
        if name and name in self._gone:
            self._reader.note_restart()
        while name and name in self._gone:
            self._gone.remove(name)
        self._names[publisher] = name

    def _check_clock(self) -> None:
        offset, before = self._time.ros_minus_local(), self._offset
        self._offset = offset
        if abs(offset - before) >= CLOCK_JUMP:
            reason = self._jumps.reason(offset - before)
            self._release(self._reader.close(self._time.now()), reason)

    def _release(self, releases: list[TimedEvent], reason: str) -> None:
        if releases:
            self._node.get_logger().warning(
                f'{self._topic}: {reason}; sounding notes are released'
            )
            self._on_gone(releases)


def confirmer_of(speaker: str, heard: Set[str], confirmed: Set[str]) -> str | None:
    """Return who confirms what a node publishes on `heard_notes`; None for nobody.

    It does so itself where it publishes on both topics; otherwise a node that confirms what others
    heard, whose name is given as ''. heard, confirmed: the names of the nodes that publish on the
    two topics.
    """
    if speaker in confirmed:
        return speaker
    unknown = not speaker and confirmed
    return '' if unknown or confirmed - heard else None


def publisher_of(info: Mapping[str, Any]) -> str | None:
    """Return the id of the publisher of a message; None where rclpy does not give it."""
    gid = info.get('publisher_gid')
    return id_from(bytes(gid['data'])) if gid else None


@lru_cache
def id_from(gid: bytes) -> str:
    """Return the id of the publisher with this gid, as its live messages carry it."""
    return sha256(gid.rstrip(b'\0')).hexdigest()[:12]


def publishers_on(node: Node, topic: str) -> dict[str, str]:
    """Return the ids and names of the publishers of a topic, as this node sees the graph."""
    return {
        id_from(bytes(endpoint.endpoint_gid)): name_of(endpoint)
        for endpoint in node.get_publishers_info_by_topic(topic)
    }


def name_of(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of the node of an endpoint; empty if it is not known yet."""
    if endpoint.node_name == UNKNOWN_NAME:
        return ''
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'
