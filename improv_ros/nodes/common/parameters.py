# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Parameters of a node: declared once, with type, range, unit and description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
import difflib
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from improv_ros.bringup.shared_files import SHIPPED, shipped_parameters
from improv_ros.nodes.common.rclpy_internals import parameter_overrides

# Parameters that ROS itself may set, whether this distribution declares them or not.
BUILT_IN = ('use_sim_time', 'start_type_description_service')
BUILT_IN_PREFIX = 'qos_overrides.'
LATER = 'takes effect when the node is next configured'


@dataclass(frozen=True)
class Setting:
    """One parameter of a node.

    `low` and `high` are the bounds of a number (inclusive); `unset` is one number outside of them
    that is also valid and leaves the choice to the node. `choices` are the only values of a string
    (of each comma-separated part of it, where `many` is true). A change of a `live` setting takes
    effect at once, a change of any other when the node is next configured.
    """

    name: str
    default: Any
    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    live: bool = False
    unset: float | None = None

    def descriptor(self) -> ParameterDescriptor:
        """Describe this parameter to `ros2 param describe`."""
        unit = f' [{self.unit}]' if self.unit else ''
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description + unit,
            additional_constraints=self._constraints(),
        )
        if self.low is not None and self.high is not None:
            low = self.low if self.unset is None else min(self.low, self.unset)
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(low), to_value=float(self.high))
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(low), to_value=int(self.high), step=1)
                ]
        return descriptor

    def refusal(self, value: Any) -> str:
        """Return why `value` cannot be used; empty where it can."""
        if self.choices:
            for part in split_list(value) if self.many else [value]:
                if part not in self.choices:
                    return f'{self.name} is {part!r}; choose from {", ".join(self.choices)}'
        if self.low is None or self.high is None or self.low <= value <= self.high:
            return ''
        if self.unset is not None and value == self.unset:
            return ''
        unit = f' {self.unit}' if self.unit else ''
        besides = '' if self.unset is None else f', or be {self.unset:g}'
        return f'{self.name} is {value}; it must lie from {self.low} to {self.high}{unit}{besides}'

    def converted(self, parameter: Parameter) -> Parameter:
        """Return the parameter, with an integer converted where the setting is a float."""
        if isinstance(self.default, float) and parameter.type_ == Parameter.Type.INTEGER:
            return Parameter(parameter.name, value=float(parameter.value))
        return parameter

    def _constraints(self) -> str:
        parts = []
        if self.choices:
            among = 'comma-separated, each one of' if self.many else 'one of'
            parts.append(f'{among}: {", ".join(self.choices)}')
        if self.unset is not None:
            parts.append(f'{self.unset:g}, or from {self.low} to {self.high}')
        if not self.live:
            parts.append(LATER)
        return '; '.join(parts)


def split_list(text: str) -> list[str]:
    """Split 'synth, file' into its parts."""
    return [part.strip() for part in text.split(',') if part.strip()]


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the one of `words` that is most similar to `word`; empty where none is similar."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return near[0] if near else ''


class Settings:
    """The parameters of a node: declares them, checks changes and keeps the values.

    `contradiction` returns why the given values of all parameters cannot be combined, or ''.
    """

    def __init__(
        self,
        node: Node,
        settings: tuple[Setting, ...],
        contradiction: Callable[[Mapping[str, Any]], str] = lambda values: '',
    ) -> None:
        self._node = node
        self._settings = {setting.name: setting for setting in settings}
        self._contradiction = contradiction
        self._values: dict[str, Any] = {}
        self._refused_at_start: dict[str, str] = {}
        self._given = parameter_overrides(node)
        for setting in settings:
            self._declare(setting)
        for name in sorted(self._given):
            if not self._is_known(name):
                self._refused_at_start[name] = self._unknown(name)
        node.add_on_set_parameters_callback(self._validate)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def refusals(self) -> list[str]:
        """Return what is wrong with values given at start that were not corrected since."""
        return list(self._refused_at_start.values())

    def converted(self, parameters: Iterable[Parameter]) -> list[Parameter]:
        """Return the parameters, with integers converted where the setting is a float."""
        return [
            self._settings[parameter.name].converted(parameter)
            if parameter.name in self._settings
            else parameter
            for parameter in parameters
        ]

    def note(self, parameters: Iterable[Parameter]) -> str:
        """Keep the values that were set; return which of them take effect later, or ''."""
        later = []
        for parameter in parameters:
            if setting := self._settings.get(parameter.name):
                self._values[parameter.name] = parameter.value
                self._refused_at_start.pop(parameter.name, None)
                if not setting.live:
                    later.append(parameter.name)
        return f'{", ".join(later)}: {LATER}' if later else ''

    def _declare(self, setting: Setting) -> None:
        descriptor = setting.descriptor()
        if setting.name in self._given:
            self._given[setting.name] = setting.converted(self._given[setting.name])
        try:
            value = self._node.declare_parameter(setting.name, setting.default, descriptor).value
            reason = setting.refusal(value)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            # The node stays alive with the default to report it, and refuses to be configured.
            value = self._node.declare_parameter(
                setting.name, setting.default, descriptor, ignore_override=True
            ).value
            reason = str(error)
        self._values[setting.name] = value
        if reason:
            self._refused_at_start[setting.name] = reason

    def _is_known(self, name: str) -> bool:
        return (
            self._node.has_parameter(name)
            or name in BUILT_IN
            or name.startswith(BUILT_IN_PREFIX)
            or self._belongs_to_another(name)
        )

    def _belongs_to_another(self, name: str) -> bool:
        """Return whether another node has this parameter: one given to all nodes is no error."""
        owners = [node for node, names in shipped_parameters().items() if name in names]
        if owners:
            self._node.get_logger().info(
                f'{name} is a parameter of {" and ".join(owners)}: this node ignores it'
            )
        return bool(owners)

    def _unknown(self, name: str) -> str:
        meant = nearest(name, self._settings)
        hint = f'did you mean {meant}?' if meant else f'{SHIPPED} lists all parameters'
        return f'{name} is no parameter of {self._node.get_name()}: {hint}'

    def _validate(self, parameters: list[Parameter]) -> SetParametersResult:
        changed = {p.name: p.value for p in parameters if p.name in self._settings}
        reason = next(
            (
                reason
                for name, value in changed.items()
                if (reason := self._settings[name].refusal(value))
            ),
            '',
        )
        if changed and not reason:
            reason = self._contradiction({**self._values, **changed})
        return SetParametersResult(successful=not reason, reason=reason)
