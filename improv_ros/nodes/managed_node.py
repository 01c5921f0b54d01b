"""What every node of the chain shares: lifecycle, autostart, diagnostics and a clean end."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import signal
import sys
import threading
import traceback

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
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
LONGEST_RETRY = 3.0  # so that what returns is found within 5 s
DIAGNOSTICS_PERIOD = 1.0
UNUSABLE = 2  # exit code of a node whose arguments it cannot even start with
LONGEST_SLEEP = 0.5  # seconds


class NotReadyError(Exception):
    """What the node needs is not there: a sentence which names it and the remedy."""


class ManagedNode(LifecycleNode):
    """A lifecycle node that fills in four verbs and tells its health.

    A node of the chain overrides ``configure`` (load the network, find the device),
    ``activate`` (start the flow), ``deactivate`` (silence it), ``cleanup`` (let go) and
    ``health``, and ``warning`` if it has any. ``configure`` and ``activate`` raise
    `NotReadyError` for a missing device or file: the node stays up, says so in its diagnostics,
    and with ``autostart`` tries again with growing pauses.
    """

    def __init__(self, name: str, settings: tuple[Setting, ...]) -> None:
        super().__init__(name)
        self.settings = Settings(self, (*SHARED, *settings))
        self.time = LocalTime(self.get_clock())
        self.active = False
        self._configured = False
        self._problem = ''
        self._clocks = ClockWatch(self)
        self._warned = ['', '']
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

    def warning(self) -> str:
        """Return what does not stop the flow, but should be looked into; empty: nothing."""
        return ''

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, then configure."""
        del state
        if not self._attempt(self._configure):
            self.cleanup()
            return TransitionCallbackReturn.FAILURE
        self._configured = True
        self._problem = ''
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate publishers and the flow."""
        result = super().on_activate(state)
        if not self._attempt(self.activate):
            with contextlib.suppress(Exception):  # what has not begun may not be able to end
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

    def leave(self) -> None:
        """Silence the flow and let go of everything, whatever the state."""
        self._silence()
        self._let_go()

    def _configure(self) -> None:
        refusals = self.settings.refusals()
        if refusals:
            raise NotReadyError('; '.join(refusals))
        self.configure()

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Tell whether `step` succeeds; where it does not, say why."""
        try:
            step()
        except NotReadyError as problem:
            self._report(str(problem))
            return False
        except Exception as error:  # which rclpy would swallow without a word
            self._report(f'{type(error).__name__}: {error}', traceback.format_exc())
            return False
        return True

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

    def _report(self, problem: str, details: str = '') -> None:
        if problem != self._problem:
            self._problem = problem
            self.get_logger().error('\n'.join(filter(None, (problem, details))))

    def _warnings(self) -> str:
        """Return what is suspicious here and in other hosts' clocks; log each when it begins."""
        warnings = [
            self.warning() if self.active else '',
            self._clocks.warning(self.settings['clock_tolerance']),
        ]
        for before, warning in zip(self._warned, warnings, strict=True):
            if warning and not before:
                self.get_logger().warning(warning)
        self._warned = warnings
        return '; '.join(filter(None, warnings))

    def _publish_diagnostics(self) -> None:
        problem, figures = self.health() if self.active else (self._problem, {})
        warning = self._warnings()
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
    try:
        rclpy.init(
            args=sys.argv if args is None else args, signal_handler_options=SignalHandlerOptions.NO
        )
        node = node_class()
    except (RCLError, ParameterException) as error:  # of a parameter file, mostly
        reason = str(error).partition(', at /')[0]  # where in the source of rcl, nobody asked
        print(f'{reason}: see the arguments and parameter files of this node', file=sys.stderr)
        rclpy.try_shutdown()
        return UNUSABLE
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    waker = threading.Thread(target=_keep_awake, args=(executor, stop), name='waker')
    waker.start()
    try:
        while not stop.is_set() and rclpy.ok():
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
    return 0


def _keep_awake(executor: Executor, stop: threading.Event) -> None:
    """Wake the executor now and then, until told to stop.

    The Fast DDS of PyPI waits by the system's clock, and if that is set back by an hour while it
    waits, an hour longer.
    """
    while not stop.wait(LONGEST_SLEEP):
        executor.wake()
