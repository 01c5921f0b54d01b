# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Another node's parameters, followed: what they are, what they may be, and setting them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.task import Future

ONE_OF = 'one of: '  # what a descriptor's constraints say before the choices
GIVE_UP = 5.0  # seconds after which an answer is no longer waited for


class RemoteParameters:
    """Some parameters of one node: `values`, and what the node's descriptors say of them.

    `on_change` is called whenever something is known that was not known before.
    """

    def __init__(
        self, node: Node, remote: str, names: Iterable[str], on_change: Callable[[], None]
    ) -> None:
        self._node = node
        self._remote = remote
        self._names = list(names)
        self._on_change = on_change
        self._asked: float | None = None
        self.values: dict[str, Any] = {}
        self.descriptions: dict[str, dict[str, Any]] = {}
        self._describe = self._client(DescribeParameters, 'describe_parameters')
        self._get = self._client(GetParameters, 'get_parameters')
        self._set = self._client(SetParameters, 'set_parameters')

    def look(self, now: float) -> None:
        """Ask for what is not known yet, if the node is there; call this every second."""
        known = self.values.keys() == self.descriptions.keys() and self.values
        if known or (self._asked is not None and now - self._asked < GIVE_UP):
            return
        if self._describe.service_is_ready() and self._get.service_is_ready():
            self._asked = now
            request = DescribeParameters.Request(names=self._names)
            self._describe.call_async(request).add_done_callback(self._described)

    def forget(self) -> None:
        """Drop what is known: the node is gone, or was started again."""
        self._asked = None
        self.values = {}
        self.descriptions = {}

    def hear(self, event: ParameterEvent) -> None:
        """Take in what changed, if it is of this node."""
        changed = [*event.new_parameters, *event.changed_parameters]
        if event.node == self._full_name and self._take(changed):
            self._on_change()

    def set(self, name: str, value: Any, on_answer: Callable[[bool, str], None]) -> None:
        """Set one; `on_answer` is told whether the node took it, and why not."""
        if name not in self.values:
            on_answer(False, f'{self._remote} has no parameter {name}, or is not there')
            return
        if isinstance(self.values[name], float) and isinstance(value, int):
            value = float(value)
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )

        def answered(future: Future) -> None:
            answer = future.result()
            results = answer.results if answer else []
            if not results:
                on_answer(False, f'{self._remote} does not answer')
            else:
                on_answer(results[0].successful, results[0].reason)

        self._set.call_async(request).add_done_callback(answered)

    def destroy(self) -> None:
        """Let go of the services."""
        for client in (self._describe, self._get, self._set):
            self._node.destroy_client(client)

    @property
    def _full_name(self) -> str:
        return f'{self._node.get_namespace().rstrip("/")}/{self._remote}'

    def _client(self, kind: Any, service: str) -> Client:
        return self._node.create_client(kind, f'{self._remote}/{service}')

    def _described(self, future: Future) -> None:
        answer = future.result()
        if not answer or len(answer.descriptors) != len(self._names):
            return
        self.descriptions = {
            name: description_of(descriptor)
            for name, descriptor in zip(self._names, answer.descriptors, strict=True)
            if descriptor.type or descriptor.name
        }
        request = GetParameters.Request(names=list(self.descriptions))
        self._get.call_async(request).add_done_callback(self._got)

    def _got(self, future: Future) -> None:
        answer = future.result()
        if answer and len(answer.values) == len(self.descriptions):
            self.values = {
                name: parameter_value_to_python(value)
                for name, value in zip(self.descriptions, answer.values, strict=True)
            }
            self._on_change()

    def _take(self, changed: list[ParameterMessage]) -> bool:
        ours = [p for p in changed if p.name in self.descriptions]
        for parameter in ours:
            self.values[parameter.name] = parameter_value_to_python(parameter.value)
        return bool(ours)


def description_of(descriptor: ParameterDescriptor) -> dict[str, Any]:
    """Return what a descriptor says: words, low, high and step of a number, choices of a text."""
    description: dict[str, Any] = {'words': descriptor.description}
    for bounds in (*descriptor.floating_point_range, *descriptor.integer_range):
        description |= {'low': bounds.from_value, 'high': bounds.to_value}
    if descriptor.integer_range:
        description['whole'] = True
    for constraint in descriptor.additional_constraints.split('; '):
        if constraint.startswith(ONE_OF):
            description['choices'] = constraint[len(ONE_OF) :].split(', ')
    return description
