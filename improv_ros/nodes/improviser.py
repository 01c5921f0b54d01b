"""The improviser node: `heard_notes` in, an answer on `generated_notes` ahead of time."""

from __future__ import annotations

import sys
import time

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from improv_ros.event_text import TimedEvent, is_note_on
from improv_ros.improvising.conversation import Conversation
from improv_ros.improvising.model import load_model
from improv_ros.improvising.settings import BOUNDS, MODES
from improv_ros.improvising.settings import Settings as Manners
from improv_ros.inference.model_files import RUNTIMES
from improv_ros.nodes.bodies import load_body
from improv_ros.nodes.latency import LatencyFigures
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting
from improv_ros.performing.body import SECOND, Body

TICK = 0.01  # seconds between two looks at whether there is something to say

DESCRIPTIONS = {
    'mode': ('How the robot takes part', ''),
    'pause': ('Silence that ends a phrase', 's'),
    'lookahead': ('Time from publishing a note to when it sounds', 's'),
    'temperature': ('Below 1 keeps to what is likely, above 1 dares more', ''),
    'top_p': ('Only the likeliest choices with together this probability are drawn from', ''),
    'repetition_control': ('Taken from a key each time it lately followed the same three', 'nats'),
    'follow': ('How far an answer keeps to the density, register, loudness and key heard', ''),
    'lowest_pitch': ('Lowest pitch the robot may play', 'MIDI pitch'),
    'highest_pitch': ('Highest pitch the robot may play', 'MIDI pitch'),
    'max_polyphony': ('Most keys the robot holds at once', 'keys'),
    'max_note_seconds': ('No key is held longer', 's'),
    'max_silence': ('Silence after which the robot, while it speaks, plays on', 's'),
    'max_density': ('Most notes begun within a second', 'notes'),
    'min_repeat_interval': ('Time from pressing a key to pressing it again, at the soonest', 's'),
    'shortest_answer': ('Shortest answer, whatever the phrase', 's'),
    'longest_answer': ('Longest answer, whatever the phrase', 's'),
    'ignore_while_speaking': ('True to hear nothing while speaking, if cancel_echo fails', ''),
}


def _manner(name: str, description: str, unit: str) -> Setting:
    low, high = BOUNDS.get(name, (None, None))
    choices = MODES if name == 'mode' else ()
    default = getattr(Manners(), name)
    return Setting(name, default, description, unit, low, high, choices, live=True)


MANNERS = tuple(_manner(name, *words) for name, words in DESCRIPTIONS.items())
SETTINGS = (
    Setting('model', '', 'Network file (.tflite or .keras); empty: the shipped one'),
    Setting('runtime', 'auto', 'What runs the network', choices=RUNTIMES),
    Setting(
        'instrument',
        '',
        'Body whose limits the robot keeps to: a shipped one or a YAML file; empty: none',
    ),
    Setting('seed', -1, 'Seed of the improvisation; -1: another one each time', '', -1, 2**31 - 1),
    *MANNERS,
)


class Improviser(ManagedNode):
    """Lets the conversation hear every event, and publishes what it has to say."""

    def __init__(self) -> None:
        super().__init__('improviser', SETTINGS)
        self.add_on_set_parameters_callback(self._refuse_contradictions)
        self._conversation: Conversation | None = None
        self._instrument: Body | None = None
        self._notes: NotePublisher | None = None
        for name, callback in (
            ('improvise', self._improvise),
            ('stop', self._stop),
            ('forget', self._forget),
        ):
            self.create_service(Trigger, f'~/{name}', callback)

    def configure(self) -> None:
        """Load the network."""
        instrument = self.settings['instrument']
        self._instrument = load_body(instrument) if instrument else None
        try:
            model = load_model(self.settings['model'], self.settings['runtime'])
            seed = self.settings['seed']
            self._conversation = Conversation(model, self._manners(), None if seed < 0 else seed)
        except ValueError as error:
            raise NotReadyError(str(error)) from error
        self._notes = NotePublisher(self, 'generated_notes', self.time)

    def activate(self) -> None:
        """Begin to listen and to speak."""
        self._generated = 0
        self._hearing = LatencyFigures()
        self._thinking = LatencyFigures()
        self._notice = LatencyFigures()
        self._listener = NoteListener(self, 'heard_notes', self._hear, self.time)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(TICK, self._advance, clock=steady)

    def deactivate(self) -> None:
        """Fall silent."""
        self._listener.destroy()
        self.destroy_timer(self._timer)
        self._publish(self._conversation.stop(self.time.now()))

    def cleanup(self) -> None:
        """Let go of the network."""
        self._conversation = None
        if self._notes:
            self._notes.destroy()
            self._notes = None

    def health(self) -> tuple[str, dict[str, object]]:
        """Tell what the robot is doing, how long it thinks and how far ahead it publishes."""
        return '', {
            'speaking': self._conversation.speaking,
            'notes remembered': self._conversation.memory,
            'notes generated': self._generated,
            **self._hearing.figures('sound to improviser'),
            **self._thinking.figures('thinking'),
            'notice at least (ms)': f'{self._notice.percentile(0.0):.1f}',
            'notice p5 (ms)': f'{self._notice.percentile(0.05):.1f}',
            **self._listener.figures(),
        }

    def _manners(self, **changed: object) -> Manners:
        values = {setting.name: self.settings[setting.name] for setting in MANNERS} | changed
        body = self._instrument
        if body:
            values['playable'] = frozenset(body.pitches)
            values['max_polyphony'] = min(values['max_polyphony'], len(body.strikers))
            repeat = body.repeat / SECOND
            values['min_repeat_interval'] = max(values['min_repeat_interval'], repeat)
        return Manners(**values)

    def _refuse_contradictions(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse what is wrong only together, such as a lowest pitch above the highest."""
        manners = {setting.name for setting in MANNERS}
        try:
            self._manners(**{p.name: p.value for p in parameters if p.name in manners})
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _hear(self, events: list[TimedEvent]) -> None:
        now = self.time.now()
        said = []
        for event in events:
            # Nobody has played in times to come: it was stamped by a clock that was set since.
            event = event._replace(time=min(event.time, now))
            said += self._conversation.hear(event, now)
            if is_note_on(event):
                self._hearing.add(now - event.time)
        self._publish(said)

    def _advance(self) -> None:
        self._conversation.settings = self._manners()
        began = time.monotonic_ns()
        events = self._conversation.advance(self.time.now())
        if events:
            self._thinking.add(time.monotonic_ns() - began)
        self._publish(events)
        published = self.time.now()
        for event in events:
            self._notice.add(event.time - published)

    def _publish(self, events: list[TimedEvent]) -> None:
        if events:
            self._generated += sum(map(is_note_on, events))
            self._notes.publish(events)

    def _improvise(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._conversation.improvise(self.time.now())
        return self._answer(response, 'improvising')

    def _stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._publish(self._conversation.stop(self.time.now()))
        return self._answer(response, 'silent')

    def _forget(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._conversation.forget()
        return self._answer(response, 'what was heard is forgotten')

    def _answer(self, response: Trigger.Response, message: str) -> Trigger.Response:
        response.success = self.active
        response.message = message if self.active else 'the improviser is not active'
        return response


def main() -> int:
    """Run the node."""
    return run(Improviser)


if __name__ == '__main__':
    sys.exit(main())
