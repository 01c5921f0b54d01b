# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The page node: the session in any browser, to see, to steer and to play."""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import live_page

    raise SystemExit(live_page())

from collections.abc import Callable
import datetime
import os
from pathlib import Path
from queue import SimpleQueue
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
from rcl_interfaces.msg import ParameterEvent
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from improv_ros.event_text import TimedEvent
from improv_ros.listening.capture.audio_chunk import AudioChunk
from improv_ros.listening.capture.input_level import CLIPPED, dbfs
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.audio_topic import AudioListener
from improv_ros.nodes.common.latency_figures import LatencyFigures
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.message_batches import MessageBatches
from improv_ros.nodes.common.note_topics import (
    CHAIN_QOS,
    HEARING_TOPICS,
    NoteListener,
    NotePublisher,
    confirmer_of,
)
from improv_ros.nodes.common.parameters import Setting
from improv_ros.nodes.common.remote_parameters import RemoteParameters
from improv_ros.nodes.common.session_files import FORMS
from improv_ros.page.access import Access, is_loopback, kept_token
from improv_ros.page.keys import BrowserKeys
from improv_ros.page.page_state import PageState
from improv_ros.page.session_log import SOURCES
from improv_ros.page.turns import Turns
from improv_ros.playing import PlayingError
from improv_ros.playing.synth.sound_bank import cached_bank
from improv_ros.process import packages

SETTINGS = (
    Setting('page_port', 8765, 'TCP port of the page; 0: any that is free', '', 0, 65535),
    Setting(
        'page_address',
        'localhost',
        'Address to serve on; any but this machine alone (0.0.0.0 for all) asks for a token',
    ),
    Setting('page_token', '', 'Token asked for on the network; empty: one is made and kept'),
    Setting('recordings', '.', 'Folder for sessions that are recorded from the page'),
    Setting('soundfont', '', 'SoundFont file of the sound in browsers; empty: an installed one'),
)
# What can be steered: parameters by node. Ranges and words are those of the nodes' descriptors.
STEERED = {
    'improviser': (
        'mode',
        'pause_mode',
        'pause',
        'shortest_pause',
        'longest_pause',
        'temperature',
        'follow',
        'adapt',
        'motifs',
        'lookahead',
        'max_density',
        'lowest_pitch',
        'highest_pitch',
        'max_polyphony',
    ),
    'microphone': ('device', 'source'),
    'midi_keyboard': ('ports',),
}
ACTIONS = {
    'improvise': ('improviser/improvise',),
    'again': ('improviser/again',),
    'keep': ('improviser/keep',),
    'stop': ('improviser/stop',),
    'forget': ('improviser/forget',),
    'panic': ('improviser/stop', 'midi_player/panic'),
}
CHOSEN = {'microphone': ('microphone', 'device'), 'keyboards': ('midi_keyboard', 'ports')}
RESTART = (
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
)  # what makes a node take up a parameter that is read when it is configured
START = RESTART[2:]
RETRY_PAUSE = 3.0  # seconds until a node that could not be configured is tried again
TICK = 0.05  # seconds between looks at the turn and the input level, while somebody watches
UNWATCHED_PAUSE = 0.1  # seconds during which notes gather while nobody watches
CHECK_PERIOD = 1.0  # seconds until a publisher that has left is noticed
GONE_AFTER = 3.5  # seconds without diagnostics after which a node counts as gone
SOON_HEARD = 60.0  # ms from a sound to its note, while nobody tells
LOOKING_FOR_DEVICES = 8.0  # seconds
QUIETEST_SHOWN = -90.0  # dBFS


class LivePage(ManagedNode):
    """Listens to everything, and says only what browsers play and ask for."""

    def __init__(self) -> None:
        super().__init__('live_page', SETTINGS)
        self.state = PageState(self.time.now())
        self._ahead = self.time.minus_monotonic()  # for the server's thread
        self._server: Any = None
        self._outlets: list[NotePublisher] = []
        self._from_browsers: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._wake = self.create_guard_condition(self._serve_browsers)
        self._recording: subprocess.Popen[bytes] | None = None
        self._beyond_page: list[Any] = []
        self._remotes: dict[str, RemoteParameters] = {}
        self._batches = MessageBatches(self._pause_between_batches)

    # -- life ------------------------------------------------------------------------------

    def configure(self) -> None:
        """Begin to serve."""
        try:
            from improv_ros.page.web import PageServer
        except ImportError as error:
            raise NotReadyError(
                f'the live page cannot be served: {packages.advice(error)}'
            ) from error
        address, port = self.settings['page_address'], self.settings['page_port']
        try:
            access = Access(address, self._token(address))
            server = PageServer(address, port, access, self)
            server.start()
        except OSError as error:
            raise NotReadyError(
                f'the page cannot be served on {address or "localhost"}, port {port}: '
                f'{error.strerror or error}; give another page_port or page_address'
            ) from error
        self._server = server
        self._outlets = [NotePublisher(self, topic, self.time) for topic in HEARING_TOPICS]
        print(f'live page: {self._url(access)}', flush=True)

    def activate(self) -> None:
        """Listen to all topics."""
        self._turns = Turns()
        self._keys = BrowserKeys()
        self._key_latency = LatencyFigures()
        self._nodes: dict[str, tuple[float, dict[str, Any]]] = {}
        self._devices: subprocess.Popen[str] | None = None
        self._peak, self._clipped = 0, False
        self._start_again: dict[str, float] = {}
        self._audio: AudioListener | None = None
        self._listeners = {
            topic: NoteListener(
                self,
                topic,
                self._hearer(topic),
                self.time,
                check_period=CHECK_PERIOD,
                group=self._batches,
            )
            for topic in SOURCES
        }
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._remotes = {
            remote: RemoteParameters(self, remote, names, self._tell_parameters)
            for remote, names in STEERED.items()
        }
        self._triggers: dict[str, Client] = {
            name: self.create_client(Trigger, name)
            for name in sorted({name for names in ACTIONS.values() for name in names})
        }
        self._transitions: dict[str, Client] = {
            remote: self.create_client(ChangeState, f'{remote}/change_state')
            for remote, _ in CHOSEN.values()
        }
        self._beyond_page = [
            self.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 50),
            self.create_subscription(ParameterEvent, '/parameter_events', self._note_change, 50),
            self.create_subscription(
                JointTrajectory, 'joint_trajectory', self._follow_body, CHAIN_QOS
            ),
        ]
        self._tick = self.create_timer(TICK, self._look, clock=steady)
        self._timers_of_page = [
            self._tick,
            self.create_timer(1.0, self._look_around, clock=steady),
        ]
        self.state.tell('ensemble', self.get_namespace().strip('/'))
        self._tell_recording('')

    def deactivate(self) -> None:
        """Release what browsers hold, and listen no longer."""
        self._serve_browsers()
        for listener in self._listeners.values():
            listener.destroy()
        self._stop_listening_to_audio()
        for timer in self._timers_of_page:
            self.destroy_timer(timer)
        for subscription in self._beyond_page:
            self.destroy_subscription(subscription)
        for client in (*self._triggers.values(), *self._transitions.values()):
            self.destroy_client(client)
        for remote in self._remotes.values():
            remote.destroy()
        for browser in self._keys.browsers:
            self._publish(self._keys.leave(browser, self.time.now()))
        self._record(False)

    def cleanup(self) -> None:
        """Close the server."""
        if self._server:
            self._server.stop()
            self._server = None
        while self._outlets:
            self._outlets.pop().destroy()

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell how many watch, and how quickly what they play is passed on."""
        figures: dict[str, object] = {
            'browsers': self._server.watched,
            **self._key_latency.figures('key to heard_notes'),
        }
        for listener in self._listeners.values():
            figures |= listener.figures()
        return '', figures

    def _token(self, address: str) -> str:
        if is_loopback(address):
            return ''
        base = os.environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
        return self.settings['page_token'] or kept_token(Path(base) / 'improv_ros' / 'page_token')

    def _url(self, access: Access) -> str:
        port = self._server.port
        if access.loopback:
            return f'http://localhost:{port}'
        address = self.settings['page_address']
        host = own_address() if address in ('0.0.0.0', '::') else address  # noqa: S104
        host = f'[{host}]' if ':' in host else host
        return f'http://{host}:{port}/?token={access.token}'

    # -- what the server asks, in its own thread -------------------------------------------

    def clock(self) -> float:
        """Return the page's time in milliseconds."""
        return self.state.milliseconds(time.monotonic_ns() + self._ahead)

    def frame(self) -> str:
        """Return what is new."""
        return self.state.frame()

    def whole(self) -> str:
        """Return the whole state."""
        return self.state.state(time.monotonic_ns() + self._ahead)

    def command(self, browser: int, name: str, fields: dict[str, Any]) -> None:
        """Leave a command to the node's thread."""
        self._from_browsers.put((time.monotonic_ns(), browser, name, fields))
        self._wake.trigger()
        self._batches.interrupt()

    def left(self, browser: int) -> None:
        """Leave it to the node's thread that a browser is gone."""
        self.command(browser, 'leave', {})

    def download(self, kind: str) -> tuple[bytes, str, str]:
        """Return the session so far as a file."""
        make, content_type = FORMS[kind]
        try:
            content = make(self.state.log.entries(), self.get_namespace().rstrip('/'))
        except (PlayingError, ValueError) as error:
            raise OSError(str(error)) from error
        return content, f'session_{datetime.datetime.now():%Y-%m-%d_%H-%M}.{kind}', content_type

    def sounds(self) -> Path:
        """Return the bank of piano sounds."""
        try:
            return cached_bank(self.settings['soundfont'])
        except PlayingError as error:
            self.state.say(f'no sound in browsers: {error}', False)
            raise OSError(str(error)) from error

    # -- what browsers ask -----------------------------------------------------------------

    def _serve_browsers(self) -> None:
        self._batches.resume()
        while not self._from_browsers.empty():
            came, browser, name, fields = self._from_browsers.get()
            if self.active:
                getattr(self, f'_on_{name}')(browser, came, **fields)
        self._server.wake()

    def _on_key(self, browser: int, came: int, pitch: int, velocity: int, time: float) -> None:
        at, now = self.state.nanoseconds(time), self.time.now()
        self._publish(self._keys.key(browser, pitch, velocity, at, now), came)

    def _on_pedal(self, browser: int, came: int, value: int, time: float) -> None:
        at, now = self.state.nanoseconds(time), self.time.now()
        self._publish(self._keys.pedal(browser, value, at, now), came)

    def _on_leave(self, browser: int, came: int) -> None:
        self._publish(self._keys.leave(browser, self.time.now()), came)

    def _on_act(self, browser: int, came: int, action: str) -> None:
        if action in ('stop', 'panic'):
            self._turns.ask_for_silence(f'“{action}” on the page', self.time.now())
        for name in ACTIONS[action]:
            client = self._triggers[name]
            if client.service_is_ready():
                future = client.call_async(Trigger.Request())
                future.add_done_callback(self._teller(action))
            else:
                self._say(f'{action}: {name.partition("/")[0]} is not there', False)

    def _on_set(self, browser: int, came: int, parameter: str, value: Any) -> None:
        if parameter not in STEERED['improviser']:
            self._say(f'{parameter[:40]} is nothing that the page can set', False)
            return

        def answered(taken: bool, reason: str) -> None:
            if not taken:
                self._say(f'{parameter} stays as it is: {reason}', False)
                self._tell_parameters(again=True)  # the slider goes back

        self._remotes['improviser'].set(parameter, value, answered)

    def _on_devices(self, browser: int, came: int) -> None:
        if self._devices is None:
            command = [sys.executable, '-m', 'improv_ros.nodes.common.device_lists']
            self._devices = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._devices_due = time.monotonic() + LOOKING_FOR_DEVICES

    def _on_choose(self, browser: int, came: int, kind: str, names: str) -> None:
        remote, parameter = CHOSEN[kind]

        def answered(taken: bool, reason: str) -> None:
            if taken:
                self._restart(remote, list(RESTART))
            else:
                self._say(f'{kind}: {reason}', False)

        self._remotes[remote].set(parameter, names, answered)

    def _on_record(self, browser: int, came: int, on: bool) -> None:
        self._record(on)

    def _restart(self, remote: str, transitions: list[int]) -> None:
        """Take a node through the transitions; those that it is past or not ready for fail.

        If it cannot be configured, as without its device, it is tried again: a node to which
        transitions are sent does not start by itself any more.
        """
        self._start_again.pop(remote, None)
        if not transitions:
            return
        transition = transitions.pop(0)

        def answered(future: Future) -> None:
            answer = future.result()
            if transition == Transition.TRANSITION_CONFIGURE and not (answer and answer.success):
                self._start_again[remote] = time.monotonic() + RETRY_PAUSE
            else:
                self._restart(remote, transitions)

        request = ChangeState.Request(transition=Transition(id=transition))
        self._transitions[remote].call_async(request).add_done_callback(answered)

    def _start_waiting_nodes(self, now: float) -> None:
        """Try again to start the nodes that could not be configured, unless they run by now."""
        for remote, due in list(self._start_again.items()):
            if self._nodes.get(remote, (0, {'level': 3}))[1]['level'] == 0:
                del self._start_again[remote]
            elif now >= due:
                self._restart(remote, list(START))

    def _record(self, on: bool) -> None:
        if on and self._recording is None:
            name = f'session_{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}'
            path = Path(self.settings['recordings']).expanduser() / name
            namespace = self.get_namespace().strip('/')
            command = [sys.executable, '-m', 'improv_ros.cli', 'record', str(path)]
            self._recording = subprocess.Popen(
                [*command, '--namespace', namespace],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._tell_recording(str(path))
        elif not on and self._recording is not None:
            self._recording.send_signal(signal.SIGINT)
            try:
                self._recording.wait(5.0)
            except subprocess.TimeoutExpired:
                self._recording.kill()
                self._recording.wait()
            self._recording = None
            self._tell_recording('')

    def _tell_recording(self, path: str) -> None:
        self._tell('recording', path)

    def _teller(self, action: str) -> Callable[[Future], None]:
        def tell(future: Future) -> None:
            answer = future.result()
            if answer is not None:
                self._say(f'{action}: {answer.message}', answer.success)

        return tell

    def _say(self, words: str, good: bool = True) -> None:
        self.state.say(words, good)
        self._server.wake()

    def _tell(self, name: str, value: Any) -> None:
        if self.state.tell(name, value) and self._server:
            self._server.wake()

    def _publish(self, events: list[TimedEvent], came: int = 0) -> None:
        if events and self._outlets:
            for outlet in self._outlets:
                outlet.publish(events)
            if came:
                self._key_latency.add(time.monotonic_ns() - came)

    # -- what is heard ---------------------------------------------------------------------

    def _hearer(self, topic: str) -> Callable[[list[TimedEvent]], None]:
        def hear(events: list[TimedEvent]) -> None:
            now = self.time.now()
            if topic == 'heard_notes':
                self._turns.hear(events, now)
            elif topic == 'generated_notes':
                self._turns.generate(events, now)
            self.state.add(topic, events, now, self._server.watched > 0)
            if topic == 'heard_notes' and not self._is_confirmed_later():
                self.state.add('confirmed_notes', events, now, self._server.watched > 0)
            ahead = self.time.ros_minus_local()
            self.state.log.add(
                topic, now + ahead, [replace_time(event, ahead) for event in events]
            )
            if self._server.watched:
                self._look()
                self._server.wake()

        return hear

    def _is_confirmed_later(self) -> bool:
        """Tell whether somebody is going to confirm the events that are passed on."""
        heard, confirmed = (self._listeners[topic] for topic in HEARING_TOPICS)
        names = heard.publisher_names, confirmed.publisher_names
        return confirmer_of(heard.speaker, *names) is not None

    def _pause_between_batches(self) -> float:
        return self._server.feed.interval if self._server.watched else UNWATCHED_PAUSE

    def _follow_body(self, message: JointTrajectory) -> None:
        stamp = message.header.stamp
        start = stamp.sec * 10**9 + stamp.nanosec - self.time.ros_minus_local()
        points = []
        for point in message.points[:500]:
            after = point.time_from_start.sec * 10**9 + point.time_from_start.nanosec
            ms = self.state.milliseconds(start + after)
            points.append([ms, *(round(position, 4) for position in point.positions)])
        self._tell('body', {'joints': list(message.joint_names), 'points': points})

    def _diagnose(self, message: DiagnosticArray) -> None:
        ours = self.get_namespace().strip('/').replace('/', ': ')
        for status in message.status:
            ensemble, _, name = status.name.rpartition(': ')
            if ensemble == ours:
                self._take_status(name, status)

    def _take_status(self, name: str, status: DiagnosticStatus) -> None:
        level = int.from_bytes(status.level, 'little') if isinstance(status.level, bytes) else 0
        if name in self._remotes and name not in self._nodes:
            self._remotes[name].forget()
        figures = {value.key: value.value for value in status.values}
        self._nodes[name] = (
            time.monotonic(),
            {'level': level, 'words': status.message, 'figures': figures},
        )
        self._tell(f'node {name}', self._nodes[name][1])

    def _note_change(self, event: ParameterEvent) -> None:
        for remote in self._remotes.values():
            remote.hear(event)

    def _tell_parameters(self, again: bool = False) -> None:
        improviser = self._remotes['improviser']
        values = improviser.values
        self._turns.mode = values.get('mode', self._turns.mode)
        longest = 'longest_pause' if values.get('pause_mode') == 'adaptive' else 'pause'
        self._turns.pause = values.get(longest, self._turns.pause)
        if again:
            self.state.tell('parameters', None)
        self._tell(
            'parameters',
            {
                name: {**improviser.descriptions[name], 'value': values[name]}
                for name in STEERED['improviser']
                if name in values
            },
        )
        chosen = {
            kind: self._remotes[remote].values.get(parameter)
            for kind, (remote, parameter) in CHOSEN.items()
        }
        if self._remotes['microphone'].values.get('source') == 'file':
            chosen['microphone'] = None
        self._tell('chosen', chosen)

    # -- what is looked at now and then ----------------------------------------------------

    def _look(self) -> None:
        now = self.time.now()
        self._ahead = self.time.minus_monotonic()
        turn = self._turns.now(now)
        trouble = self._trouble_with_hearing() if turn.state == 'listening' else ''
        words = f'nothing is heard: {trouble}' if trouble else turn.words
        self._tell(
            'turn',
            {
                'state': 'deaf' if trouble else turn.state,
                'words': self._request() or words,
                'since': self.state.milliseconds(turn.since) if turn.until else 0,
                'until': self.state.milliseconds(turn.until) if turn.until else 0,
            },
        )
        if self._audio and self._server.watched:
            level = round(max(QUIETEST_SHOWN, dbfs(self._peak)))
            self._tell('level', {'peak': level, 'clipped': self._clipped})
            self._peak, self._clipped = 0, False

    def _request(self) -> str:
        """Return what `improv calibrate` asks the person to play; empty if it does not run."""
        _, status = self._nodes.get('calibration', (0, {'level': 3, 'words': ''}))
        return '' if status['level'] else status['words']

    def _trouble_with_hearing(self) -> str:
        for name in ('microphone', 'transcriber', 'midi_keyboard'):
            if name in self._nodes and self._nodes[name][1]['level']:
                return self._nodes[name][1]['words']
        return ''

    def _look_around(self) -> None:
        now = time.monotonic()
        self._tick_if_watched()
        for name, (seen, _) in list(self._nodes.items()):
            if now - seen > GONE_AFTER:
                self._nodes[name] = (seen, {'level': 3, 'words': 'gone', 'figures': {}})
                self._tell(f'node {name}', self._nodes[name][1])
                if name in self._remotes:
                    self._remotes[name].forget()
        for name, remote in self._remotes.items():
            if name in self._nodes and self._nodes[name][1]['level'] != 3:
                remote.look(now)
        figures = self._nodes.get('transcriber', (0, {'figures': {}}))[1]['figures']
        self._tell('certain', float(figures.get('sound to heard p50 (ms)', SOON_HEARD)))
        self._tell(
            'answering',
            round(sorted(self._turns.delays)[len(self._turns.delays) // 2] / 1e6)
            if self._turns.delays
            else None,
        )
        self._listen_to_audio()
        self._look_for_devices(now)
        self._start_waiting_nodes(now)
        if self._recording is not None and self._recording.poll() is not None:
            code = self._recording.returncode
            self._recording = None
            self._tell_recording('')
            self._say(f'the recording has ended by itself (exit code {code})', False)

    def _tick_if_watched(self) -> None:
        if not self._server.watched:
            self._tick.cancel()
            self._look()
        elif self._tick.is_canceled():
            self._tick.reset()

    def _listen_to_audio(self) -> None:
        """Hear the sound while somebody watches, and only once the transcriber hears it.

        A recording that is played into the chain begins when somebody listens.
        """
        hears = self._nodes.get('transcriber', (0, {'level': 3}))[1]['level'] < 2
        if self._server.watched and hears and self._audio is None:
            self._audio = AudioListener(self, self._measure, self._batches)
        elif self._audio is not None and not (self._server.watched and hears):
            self._stop_listening_to_audio()

    def _stop_listening_to_audio(self) -> None:
        if self._audio is not None:
            self._audio.destroy()
            self._audio = None
            self._tell('level', None)

    def _measure(self, chunk: AudioChunk) -> None:
        peak = int(np.abs(chunk.samples.astype(np.int32)).max(initial=0))
        self._peak = max(self._peak, peak)
        self._clipped = self._clipped or peak >= CLIPPED

    def _look_for_devices(self, now: float) -> None:
        if self._devices is None:
            return
        if self._devices.poll() is None and now < self._devices_due:
            return
        self._devices.kill()
        lines = self._devices.communicate()[0].splitlines()
        self._devices = None
        lists: dict[str, list[str]] = {'microphone': [], 'keyboards': []}
        for line in lines[:200]:
            kind, _, name = line.partition('\t')
            if kind in lists:
                lists[kind].append(name[:200])
        self.state.tell('devices', None)
        self._tell('devices', lists)


def replace_time(event: TimedEvent, shift: int) -> TimedEvent:
    """Return an event so much later (ns)."""
    return event._replace(time=event.time + shift)


def own_address() -> str:
    """Return the address under which others reach this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.1', 9))
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


def main() -> int:
    """Run the node."""
    parse_arguments('live_page', SETTINGS)
    return run(LivePage)
