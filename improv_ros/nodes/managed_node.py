"""What every node of the chain shares: lifecycle, autostart, diagnostics and a clean end."""

from __future__ import annotations

import signal
import sys
import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from improv_ros.nodes.clock import LocalTime
from improv_ros.nodes.clock_watch import ClockWatch
from improv_ros.nodes.network import recover_losses_soon
from improv_ros.nodes.parameters import Setting, Settings

AUTOSTART = Setting(
    'autostart',
    True,
    'Walk to active without a lifecycle manager; false where one is in charge',
)
CLOCK_TOLERANCE = Setting(
    'clock_tolerance',
    0.005,
    "Another host's clock may differ by this before diagnostics warn",
    's',
    0.0001,
    10.0,
    live=True,
)
SHARED = (AUTOSTART, CLOCK_TOLERANCE)  # the settings of every node
FIRST_RETRY = 1.0  # seconds; doubles at each failure
LONGEST_RETRY = 30.0
DIAGNOSTICS_PERIOD = 1.0
LONGEST_SLEEP = 0.5  # seconds


class NotReadyError(Exception):
    """What the node needs is not there: a sentence which names it and the remedy."""


class ManagedNode(LifecycleNode):
    """A lifecycle node that fills in four verbs and tells its health.

    A node of the chain overrides ``configure`` (load the network, find the device),
    ``activate`` (start the flow), ``deactivate`` (silence it), ``cleanup`` (let go) and
    ``health``. ``configure`` and ``activate`` raise `NotReadyError` for a missing device or file:
    the node stays up, says so in its diagnostics, and with ``autostart`` tries again with
    growing pauses.
    """

    def __init__(self, name: str, settings: tuple[Setting, ...]) -> None:
        super().__init__(name)
        self.settings = Settings(self, (*SHARED, *settings))
        self.time = LocalTime(self.get_clock())
        self.active = False
        self.given_up = False
        self._configured = False
        self._problem = ''
        self._clocks = ClockWatch(self)
        self._clock_warning = ''
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=steady
        )
        self._retry_pause = FIRST_RETRY
        self._start_timer = self.create_timer(0.01, self._start, clock=steady)

    def configure(self) -> None:
        """Find what the node needs; raise `NotReadyError` where it is missing."""

    def activate(self) -> None:
        """Start the flow."""

    def deactivate(self) -> None:
        """Silence the flow; called for any active node that stops, for whatever reason."""

    def cleanup(self) -> None:
        """Let go of what ``configure`` found."""

    def health(self) -> tuple[str, dict[str, object]]:
        """Return what is wrong right now (empty: nothing) and figures worth watching."""
        return '', {}

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, then configure."""
        del state
        try:
            refusals = self.settings.refusals()
            if refusals:
                raise NotReadyError('; '.join(refusals))
            self.configure()
        except NotReadyError as problem:
            self._report(str(problem))
            self.cleanup()
            return TransitionCallbackReturn.FAILURE
        self._configured = True
        self._problem = ''
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate publishers and the flow."""
        result = super().on_activate(state)
        try:
            self.activate()
        except NotReadyError as problem:
            self._report(str(problem))
            self.deactivate()
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        self.active = True
        self._problem = ''
        self.get_logger().info('active')
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Silence the flow."""
        self._silence()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go."""
        self._let_go()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Silence the flow and let go, from whatever state."""
        self.leave()
        return super().on_shutdown(state)

    def give_up(self, problem: str) -> None:
        """End this process, with an exit code that says so: only a new one can help."""
        self.get_logger().fatal(problem)
        self.given_up = True

    def leave(self) -> None:
        """Silence the flow and let go of everything, whatever the state."""
        self._silence()
        self._let_go()

    def _silence(self) -> None:
        if self.active:
            try:
                self.deactivate()
            finally:
                self.active = False

    def _let_go(self) -> None:
        if self._configured:
            self._configured = False
            self.cleanup()

    def _start(self) -> None:
        self._start_timer.cancel()
        if not self.settings['autostart']:
            return
        steps = []
        if not self._configured:
            steps.append(self.trigger_configure)
        if not self.active:
            steps.append(self.trigger_activate)
        if any(step() != TransitionCallbackReturn.SUCCESS for step in steps):
            self._retry_later()

    def _retry_later(self) -> None:
        self._start_timer.timer_period_ns = int(self._retry_pause * 1e9)
        self._start_timer.reset()
        self._retry_pause = min(2 * self._retry_pause, LONGEST_RETRY)

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self.get_logger().error(problem)

    def _compare_clocks(self) -> str:
        """Return what is wrong with other hosts' clocks, and log it when that begins."""
        warning = self._clocks.warning(self.settings['clock_tolerance'])
        if warning and not self._clock_warning:
            self.get_logger().warning(warning)
        self._clock_warning = warning
        return warning

    def _publish_diagnostics(self) -> None:
        problem, figures = self.health() if self.active else (self._problem, {})
        warning = self._compare_clocks()
        if problem:
            level, message = DiagnosticStatus.ERROR, '; '.join(filter(None, (problem, warning)))
        elif warning:
            level, message = DiagnosticStatus.WARN, warning
        elif self.active:
            level, message = DiagnosticStatus.OK, 'active'
        else:
            level = DiagnosticStatus.WARN
            message = 'inactive' if self._configured else 'unconfigured'
        status = DiagnosticStatus(
            level=level,
            name=self.get_fully_qualified_name().lstrip('/').replace('/', ': '),
            message=message,
            hardware_id='improv_ros',
            values=[
                KeyValue(key=key, value=str(value))
                for key, value in {**figures, **self._clocks.figures()}.items()
            ],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def run(node_class: type[ManagedNode], args: list[str] | None = None) -> int:
    """Run a node until Ctrl-C or SIGTERM, then let it leave cleanly; return the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    recover_losses_soon()
    # rclpy's own handlers would close the context before the node could send its last words.
    rclpy.init(
        args=sys.argv if args is None else args, signal_handler_options=SignalHandlerOptions.NO
    )
    node = node_class()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    waker = threading.Thread(target=_keep_awake, args=(executor, stop), name='waker')
    waker.start()
    try:
        while not stop.is_set() and not node.given_up and rclpy.ok():
            executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        pass
    finally:
        stop.set()
        waker.join()
        node.leave()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node.given_up else 0


def _keep_awake(executor: Executor, stop: threading.Event) -> None:
    """Wake the executor now and then, until told to stop.

    The Fast DDS of PyPI waits by the system's clock, and if that is set back by an hour while it
    waits, an hour longer.
    """
    while not stop.wait(LONGEST_SLEEP):
        executor.wake()
