# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The base class of all nodes: lifecycle, autostart, diagnostics and a clean end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
import os
import sys
import threading
import traceback
from typing import Any, cast

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock as ClockMessage

from improv_ros.bringup.ros_environment import set_fast_dds_profile
from improv_ros.event_text import SECOND
from improv_ros.nodes.common.clock_watch import ClockWatch
from improv_ros.nodes.common.local_time import LocalTime
from improv_ros.nodes.common.parameters import Setting, Settings
from improv_ros.nodes.common.rclpy_internals import RCLError, UnknownROSArgsError
from improv_ros.process import signals
from improv_ros.process.backoff import UNUSABLE, Backoff

AUTOSTART = Setting(
    'autostart',
    True,
    'Go to the state active without a lifecycle manager; set it false where one is used',
)
CLOCK_TOLERANCE = Setting(
    'clock_tolerance',
    0.005,
    'Difference to the clock of another host above which diagnostics warn',
    's',
    0.0001,
    10.0,
    live=True,
)
SHARED = (AUTOSTART, CLOCK_TOLERANCE)  # the settings of every node
# Seconds between attempts to start, so that a device that returns is in use within 5 s.
FIRST_RETRY, LONGEST_RETRY = 1.0, 3.0
DIAGNOSTICS_PERIOD = 1.0
WAKE_PERIOD = 0.5  # seconds
INACTIVE_END_TIMEOUT = 1.5  # seconds that an inactive node may take to end
UNUSABLE_ARGUMENTS = (RCLError, UnknownROSArgsError, ParameterException)
NO_CLOCK = (
    'use_sim_time is true, but no time has arrived on /clock yet: '
    'start the simulation, or set use_sim_time to false'
)


class NotReadyError(Exception):
    """A device or file that the node needs is missing: a sentence with its name and the remedy."""


class ManagedNode(LifecycleNode):
    """A lifecycle node: subclasses override the steps of the transitions and report health.

    A subclass overrides `configure` (load the network, find the device), `activate` (start to
    publish), `deactivate` (stop and release notes), `cleanup` (close everything), `health` and,
    if it has warnings, `warning`. `configure` and `activate` raise `NotReadyError` for a missing
    device or file. The node then stays alive, reports the problem in its diagnostics and, with
    `autostart`, retries with growing pauses until somebody else requests a transition. Any other
    exception of a step is logged with its traceback, and what the step opened is closed.
    """

    def __init__(self, name: str, settings: tuple[Setting, ...]) -> None:
        super().__init__(name)
        self.settings = Settings(self, (*SHARED, *settings), self.contradiction)
        self.time = LocalTime(cast(ROSClock, self.get_clock()))
        self.active = False
        self._configured = False
        self._starting = False  # a transition by autostart is in progress
        self._problem = ''
        self._clocks = ClockWatch(self)
        self._last_warnings = ['', '']
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady
        )
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._start_timer = self.create_timer(0.01, self._start, clock=steady)

    def configure(self) -> None:
        """Open what the node needs; NotReadyError where it is missing."""

    def activate(self) -> None:
        """Start to publish; NotReadyError where that is impossible."""

    def deactivate(self) -> None:
        """Stop and release notes; called whenever an active node stops, for any reason."""

    def cleanup(self) -> None:
        """Close what `configure` opened."""

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the present problem (empty: none) and the values for diagnostics."""
        return '', {}

    def warning(self) -> str:
        """Return a problem that does not stop the node; empty where there is none."""
        return ''

    def activity(self) -> str:
        """Return the diagnostics message of an active node without a problem."""
        return 'active'

    def contradiction(self, values: Mapping[str, Any]) -> str:
        """Return why settings cannot have these values together; empty where they can."""
        return ''

    def apply_settings(self, names: set[str]) -> None:
        """Apply the parameters with these names, which were just set to valid values."""

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters; an integer is accepted for a float. The reason names what applies later.

        rclpy's parameter services call this method in every distribution. Callbacks are not
        enough: Humble has none for parameters that were set, and rclpy drops the reason of a
        successful result.
        """
        parameters = self.settings.converted(parameter_list)
        result = super().set_parameters_atomically(parameters)
        if result.successful:
            result.reason = self.settings.note(parameters)
            self.apply_settings({parameter.name for parameter in parameters})
        return result

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and call `configure`."""
        del state
        self._leave_autostart()
        before = self._entities()
        if not self._attempt(self._configure):
            self._try_to(self.cleanup)
            self._destroy_all_but(before)
            return TransitionCallbackReturn.FAILURE
        self._before_configured = before
        self._configured = True
        self._problem = ''
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate the publishers and call `activate`."""
        self._leave_autostart()
        before = self._entities()
        result = super().on_activate(state)
        if not self._attempt(self._activate):
            self._try_to(self.deactivate)
            self._destroy_all_but(before)
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        self.active = True
        self._problem = ''
        self.get_logger().info('active')
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `deactivate`."""
        self._leave_autostart()
        if not self._attempt(self.deactivate):
            return TransitionCallbackReturn.ERROR
        self.active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `cleanup`."""
        self._leave_autostart()
        if not self._attempt(self.cleanup):
            return TransitionCallbackReturn.ERROR
        self._configured = False
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and close everything, from any state, and publish a last diagnostics message."""
        self._leave_autostart()
        self.leave()
        self.destroy_timer(self._start_timer)
        self.destroy_timer(self._diagnostics_timer)
        self._publish_status(DiagnosticStatus.WARN, 'shut down', {})
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close everything after a failed transition, so that the next `configure` works."""
        self.get_logger().error(f'a transition from {state.label} failed: unconfigured')
        self.leave()
        return TransitionCallbackReturn.SUCCESS

    def leave(self) -> None:
        """Stop and close everything, from any state."""
        if self.active:
            self.active = False
            self._attempt(self.deactivate)
        if self._configured:
            self._configured = False
            self._attempt(self.cleanup)
            self._destroy_all_but(self._before_configured)

    def _configure(self) -> None:
        refusals = self.settings.refusals()
        if refusals:
            raise NotReadyError('; '.join(refusals))
        self.configure()

    def _activate(self) -> None:
        if self.time.waiting:
            raise NotReadyError(NO_CLOCK)
        self.activate()

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Return whether `step` succeeds; log why where it does not."""
        try:
            step()
        except NotReadyError as problem:
            self._report(str(problem))
            return False
        except Exception as error:  # rclpy would discard it without a log message
            self._report(f'{type(error).__name__}: {error}', traceback.format_exc())
            return False
        return True

    def _try_to(self, step: Callable[[], object]) -> None:
        """Undo a failed step. It may have opened nothing, so errors are logged for debug only."""
        try:
            step()
        except Exception as error:
            self.get_logger().debug(f'{type(error).__name__}: {error}')

    def _entities(self) -> dict[int, tuple[object, Callable[[Any], object]]]:
        """Return the timers, subscriptions and publishers, with the methods that destroy them."""
        return {
            id(entity): (entity, destroy)
            for entities, destroy in (
                (self.timers, self.destroy_timer),
                (self.subscriptions, self.destroy_subscription),
                (self.publishers, self.destroy_publisher),
            )
            for entity in entities
        }

    def _destroy_all_but(self, kept: Mapping[int, object]) -> None:
        """Destroy what a failed step has created, except the subscription of ROS to /clock."""
        for number, (entity, destroy) in self._entities().items():
            if number not in kept and getattr(entity, 'msg_type', None) is not ClockMessage:
                self._try_to(partial(destroy, entity))

    def _leave_autostart(self) -> None:
        """End the attempts to start, if somebody else has requested a transition."""
        if not self._starting:
            self._start_timer.cancel()

    def _start(self) -> None:
        self._start_timer.cancel()
        if not self.settings['autostart']:
            return
        steps = []
        if not self._configured:
            steps.append(self.trigger_configure)
        if not self.active:
            steps.append(self.trigger_activate)
        self._starting = True
        try:
            if any(step() != TransitionCallbackReturn.SUCCESS for step in steps):
                self._retry_later()
        finally:
            self._starting = False

    def _retry_later(self) -> None:
        self._start_timer.timer_period_ns = int(self._backoff.next_pause() * SECOND)
        self._start_timer.reset()

    def _report(self, problem: str, details: str = '') -> None:
        if problem != self._problem:
            self._problem = problem
            self.get_logger().error('\n'.join(filter(None, (problem, details))))

    def _warnings(self) -> str:
        """Return the warnings of this node and of its clock watch; log each when it begins."""
        warnings = [
            self.warning() if self.active else '',
            self._clocks.warning(self.settings['clock_tolerance']),
        ]
        for before, warning in zip(self._last_warnings, warnings, strict=True):
            if warning and not before:
                self.get_logger().warning(warning)
        self._last_warnings = warnings
        return '; '.join(filter(None, warnings))

    def _publish_diagnostics(self) -> None:
        problem, figures = self.health() if self.active else (self._problem, {})
        if self.active and self.time.waiting:
            problem = NO_CLOCK
        warning = self._warnings()
        if problem:
            level, message = DiagnosticStatus.ERROR, '; '.join(filter(None, (problem, warning)))
        elif warning:
            level, message = DiagnosticStatus.WARN, warning
        elif self.active:
            level, message = DiagnosticStatus.OK, self.activity()
        else:
            level = DiagnosticStatus.WARN
            message = 'inactive' if self._configured else 'unconfigured'
        self._publish_status(level, message, {**figures, **self._clocks.figures()})

    def _publish_status(self, level: bytes, message: str, figures: Mapping[str, object]) -> None:
        status = DiagnosticStatus(
            level=level,
            name=self.get_fully_qualified_name().lstrip('/').replace('/', ': '),
            message=message,
            hardware_id='improv_ros',
            values=[KeyValue(key=key, value=str(value)) for key, value in figures.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def run(node_class: Callable[[], ManagedNode], args: list[str] | None = None) -> int:
    """Run a node until a signal or a shutdown, then close it; return the exit code."""
    stop = signals.stop_event()
    set_fast_dds_profile(rclpy.get_rmw_implementation_identifier())
    # rclpy's own handlers would close the context before the node could send its last messages.
    try:
        rclpy.init(
            args=sys.argv if args is None else args, signal_handler_options=SignalHandlerOptions.NO
        )
        node = node_class()
    except UNUSABLE_ARGUMENTS as error:  # of a parameter file, mostly
        reason = str(error).partition(', at /')[0]  # without the place in the source of rcl
        if isinstance(error, UnknownROSArgsError):
            reason = f'ROS does not know the arguments {reason}'
        print(f'{reason}: see the arguments and parameter files of this node', file=sys.stderr)
        rclpy.try_shutdown()
        return UNUSABLE
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    left = threading.Event()
    waker = threading.Thread(target=_keep_awake, args=(executor, node, stop, left), name='waker')
    waker.start()
    try:
        while not stop.is_set() and rclpy.ok():
            executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        pass
    finally:
        left.set()
        waker.join()
        node.leave()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _keep_awake(
    executor: Executor, node: ManagedNode, stop: threading.Event, left: threading.Event
) -> None:
    """Wake the executor every `WAKE_PERIOD`, until the node has ended.

    The Fast DDS of PyPI waits by the system clock: if that is set back by an hour during a wait,
    the wait takes an hour longer.

    A node that is asked to end during `configure`, which may take a minute, has no notes to
    release: its process ends without waiting for the step.
    """
    waited = 0.0
    while not left.wait(WAKE_PERIOD):
        executor.wake()
        if stop.is_set() and not node.active:
            waited += WAKE_PERIOD
            if waited >= INACTIVE_END_TIMEOUT:
                os._exit(0)
