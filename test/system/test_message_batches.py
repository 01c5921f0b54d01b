# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Messages of busy topics are taken in batches: all of them, in order, in few waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Timer
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from graph import wait_until
from improv_ros.nodes.common.message_batches import MessageBatches
from improv_ros.nodes.common.note_topics import NOTES_QOS

PAUSE = 0.2  # seconds


class Listener:
    """A node with two topics in one group."""

    def __init__(self, context: rclpy.Context) -> None:
        self.pause: Callable[[], float] = lambda: PAUSE
        self.node = Node('listener', context=context)
        self.batches = MessageBatches(lambda: self.pause())
        self.heard: list[str] = []
        self.publishers = {}
        self.subscriptions = {}
        for topic in ('first', 'second'):
            self.subscriptions[topic] = self.node.create_subscription(
                String, topic, self._hear, NOTES_QOS, callback_group=self.batches
            )
            self.publishers[topic] = self.node.create_publisher(String, topic, NOTES_QOS)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        for publisher in self.publishers.values():
            wait_until(publisher.get_subscription_count, 'the subscription')

    def say(self, topic: str, *words: str) -> None:
        for word in words:
            self.publishers[topic].publish(String(data=word))

    def spin_until(self, count: int) -> int:
        """Spin until so many messages were heard; return how often."""
        spins = 0

        def spin() -> bool:
            nonlocal spins
            self.executor.spin_once(timeout_sec=0.01)
            spins += 1
            return len(self.heard) >= count

        wait_until(spin, f'{count} messages')
        return spins

    def _hear(self, message: String, _: object) -> None:
        self.heard.append(message.data)


@pytest.fixture
def listener(domain: int) -> Iterator[Listener]:
    context = rclpy.Context()
    rclpy.init(
        args=[],
        context=context,
        domain_id=domain,
        signal_handler_options=SignalHandlerOptions.NO,
    )
    listener = Listener(context)
    yield listener
    listener.executor.shutdown()
    listener.node.destroy_node()
    rclpy.shutdown(context=context)


def test_what_comes_in_a_pause_is_taken_at_its_end_in_order(listener: Listener) -> None:
    listener.say('second', 'alone')
    listener.spin_until(1)
    words = {topic: [f'{topic} {n}' for n in range(100)] for topic in ('second', 'first')}
    for topic, said in words.items():
        listener.say(topic, *said)
    assert listener.spin_until(201) < 100  # an executor alone takes one message in each
    for said in words.values():
        assert [word for word in listener.heard if word in said] == said


def test_all_messages_arrive_however_they_come(listener: Listener) -> None:
    sent = 0
    for burst in (1, 3, 1, 50, 2):
        listener.say('first', *map(str, range(sent, sent + burst)))
        sent += burst
        listener.spin_until(sent)
        time.sleep(PAUSE * (burst % 3))
    assert listener.heard == [str(number) for number in range(sent)]


def test_a_subscription_that_was_destroyed_disturbs_no_other(listener: Listener) -> None:
    """It stays in memory: its callback is a method of its owner, so both are garbage together."""
    listener.node.destroy_subscription(listener.subscriptions['first'])
    listener.say('second', 'one', 'two')
    listener.spin_until(2)
    assert listener.heard == ['one', 'two']


def test_an_interruption_returns_to_the_executor_before_the_pause_is_over(
    listener: Listener,
) -> None:
    def endless() -> float:
        Timer(0.1, listener.batches.interrupt).start()
        return 1000.0

    listener.pause = endless
    listener.say('first', 'one')
    listener.spin_until(1)
    listener.pause = lambda: 1000.0
    listener.say('first', 'two')  # the executor may serve it before that which interrupts
    listener.spin_until(2)
    listener.pause = lambda: PAUSE
    listener.batches.resume()
    listener.say('first', 'three')
    began = time.monotonic()
    listener.spin_until(3)
    assert time.monotonic() - began >= PAUSE
    assert listener.heard == ['one', 'two', 'three']


def test_an_endless_stream_does_not_keep_the_executor_from_a_timer(listener: Listener) -> None:
    fired: list[float] = []
    listener.pause = lambda: 0.001
    listener.node.create_timer(0.1, lambda: fired.append(time.monotonic()))

    def publish_more(message: String, _: object) -> None:
        listener.say('second', message.data)

    listener.node.create_subscription(
        String, 'second', publish_more, NOTES_QOS, callback_group=listener.batches
    )
    listener.say('second', 'on and on')

    def spin() -> bool:
        listener.executor.spin_once(timeout_sec=0.01)
        return len(fired) >= 3

    wait_until(spin, 'a timer')
    assert len(listener.heard) > 3
