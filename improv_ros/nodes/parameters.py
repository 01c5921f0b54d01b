"""Node parameters: declared once, with type, range, unit and description."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Setting:
    """One parameter of a node.

    ``low`` and ``high`` bound a number (inclusive); ``choices`` names the only values of a
    string (of each comma-separated part of it, where ``many`` is true). A change of a setting
    that is ``live`` is felt at once; of any other, when the node is next configured.
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

    def descriptor(self) -> ParameterDescriptor:
        """Describe this parameter to `ros2 param describe`."""
        unit = f' [{self.unit}]' if self.unit else ''
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description + unit,
            additional_constraints=self._constraints(),
        )
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
                ]
        return descriptor

    def refusal(self, value: Any) -> str:
        """Say why `value` cannot be used; empty where it can."""
        if self.choices:
            for part in split_list(value) if self.many else [value]:
                if part not in self.choices:
                    return f'{self.name} is {part!r}; choose from {", ".join(self.choices)}'
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            unit = f' {self.unit}' if self.unit else ''
            return f'{self.name} is {value}; it must lie from {self.low} to {self.high}{unit}'
        return ''

    def _constraints(self) -> str:
        parts = []
        if self.choices:
            among = 'comma-separated, each one of' if self.many else 'one of'
            parts.append(f'{among}: {", ".join(self.choices)}')
        if not self.live:
            parts.append('takes effect when the node is next configured')
        return '; '.join(parts)


def split_list(text: str) -> list[str]:
    """Split 'synth, file' into its parts."""
    return [part.strip() for part in text.split(',') if part.strip()]


class Settings:
    """A node's parameters, declared and guarded."""

    def __init__(self, node: Node, settings: tuple[Setting, ...]) -> None:
        self._node = node
        self._settings = {setting.name: setting for setting in settings}
        self._refused_at_start: dict[str, str] = {}
        for setting in settings:
            self._declare(setting)
        node.add_on_set_parameters_callback(self._validate)

    def __getitem__(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def refusals(self) -> list[str]:
        """Say what was wrong with the values given at start and has not been set right since."""
        return list(self._refused_at_start.values())

    def _declare(self, setting: Setting) -> None:
        descriptor = setting.descriptor()
        try:
            value = self._node.declare_parameter(setting.name, setting.default, descriptor).value
            reason = setting.refusal(value)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            # The node must live to say so; the default stands in, and nothing is configured.
            self._node.declare_parameter(
                setting.name, setting.default, descriptor, ignore_override=True
            )
            reason = str(error)
        if reason:
            self._refused_at_start[setting.name] = reason

    def _validate(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            setting = self._settings.get(parameter.name)
            reason = setting.refusal(parameter.value) if setting else ''
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        for parameter in parameters:
            self._refused_at_start.pop(parameter.name, None)
        return SetParametersResult(successful=True)
