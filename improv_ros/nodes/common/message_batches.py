# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Taking the messages of busy topics in batches, which costs a node far less processor time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
import time
from typing import Any
import weakref

from rclpy.callback_groups import CallbackGroup
from rclpy.subscription import Subscription

from improv_ros.nodes.common.rclpy_internals import InvalidHandle

LONGEST_STAY = 0.25  # seconds; then the executor serves what else is ready
LARGEST_BATCH = 200  # messages of a topic


class MessageBatches(CallbackGroup):
    """A callback group whose subscriptions are read in batches while messages follow each other.

    The first message after a silence is taken at once. All that arrive during the pause after it
    are taken together at its end, and another pause follows, until one has passed without a
    message. Meanwhile the executor does not wait: it takes one message of a subscription in each
    wait, and a wait costs time for every entity of the node. `interrupt` returns to it at once,
    and nothing pauses until `resume`: the executor may serve other subscriptions first.

    Of what has arrived together, a topic whose subscription was made earlier is taken first. The
    callbacks must take a message and its information.
    """

    def __init__(self, pause: Callable[[], float]) -> None:
        """pause: returns the length of the next pause, in seconds."""
        super().__init__()
        self._pause = pause
        self._interrupted = Event()
        self._subscriptions: list[weakref.ref[Subscription]] = []

    def interrupt(self) -> None:
        """Have the executor serve at once what else is ready; from any thread."""
        self._interrupted.set()

    def resume(self) -> None:
        """Pause again; call this before that is served for which `interrupt` was called."""
        self._interrupted.clear()

    def add_entity(self, entity: Any) -> None:
        """Add a subscription, or an entity that belongs to one."""
        super().add_entity(entity)
        if isinstance(entity, Subscription):
            present = [reference for reference in self._subscriptions if reference()]
            self._subscriptions = [*present, weakref.ref(entity)]

    def can_execute(self, entity: Any) -> bool:
        """Return whether the executor may wait for an entity of the group: always."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Return whether a callback may begin: always."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """After a callback, take what follows until a pause has passed without a message."""
        until = time.monotonic() + LONGEST_STAY
        while time.monotonic() < until and not self._interrupted.wait(self._pause()):
            present = filter(None, [reference() for reference in self._subscriptions])
            if not sum(map(_take_all, present)):
                return


def _take_all(subscription: Subscription) -> int:
    """Call the callback with the messages that wait; return their number."""
    callback: Callable[..., None] = subscription.callback
    try:
        with subscription.handle:
            for count in range(LARGEST_BATCH):
                message = subscription.handle.take_message(subscription.msg_type, False)
                if message is None:
                    return count
                callback(*message)
    except InvalidHandle:  # destroyed, and not yet collected as garbage
        return 0
    return LARGEST_BATCH
