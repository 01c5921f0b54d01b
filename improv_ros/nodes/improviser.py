# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The improviser node: it hears the person and publishes `generated_notes` ahead of time.

`heard_notes` tells whose turn it is; the memory is made of `confirmed_notes` where they come.
"""

from __future__ import annotations

if __name__ == '__main__':  # the imports below take a second, in which Ctrl-C may come
    from improv_ros.nodes.common.executable import improviser

    raise SystemExit(improviser())

from collections.abc import Mapping
import dataclasses
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from std_srvs.srv import Trigger

from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.improvising.dialogue.dialogue import Dialogue
from improv_ros.improvising.dialogue.improviser_settings import CHOICES, ImproviserSettings
from improv_ros.improvising.network.improviser_model import Model
from improv_ros.improvising.network.improviser_runtime import Runtime, load_runtime
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
from improv_ros.improvising.partner.heads_files import load_heads
from improv_ros.improvising.partner.learner_process import LearnerProcess
from improv_ros.improvising.partner.partner import Partner
from improv_ros.improvising.partner.partner_profile import ProfileError, ProfileFile
from improv_ros.inference.model_error import ModelError
from improv_ros.inference.model_files import RUNTIMES
from improv_ros.nodes.common.arguments import parse_arguments
from improv_ros.nodes.common.bodies import load_body
from improv_ros.nodes.common.latency_figures import LatencyFigures
from improv_ros.nodes.common.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.common.note_topics import NoteListener, NotePublisher, confirmer_of
from improv_ros.nodes.common.parameters import Setting, Settings
from improv_ros.performing.body import Body

PERIOD = 0.01  # seconds between two calls of `Dialogue.advance`

IMPROVISER_SETTINGS = tuple(
    Setting(
        field.name,
        field.default,
        choices=CHOICES.get(field.name, ()),
        live=True,
        **field.metadata,
    )
    for field in dataclasses.fields(ImproviserSettings)
    if field.metadata
)
SETTINGS = (
    Setting('model', '', 'Model file (.tflite or .keras); empty: the shipped one'),
    Setting('runtime', 'auto', 'Runtime of the network', choices=RUNTIMES),
    Setting(
        'instrument',
        '',
        'Robot body whose limits are kept: a shipped one or a YAML file; empty: none',
    ),
    Setting(
        'partner',
        '',
        'Name of the person, whose profile is taken up and kept; empty: none is kept',
    ),
    Setting('seed', -1, 'Seed of the sampling; -1: a different one each time', '', -1, 2**31 - 1),
    *IMPROVISER_SETTINGS,
)


class Improviser(ManagedNode):
    """Passes every heard event to the dialogue and publishes what it generates."""

    def __init__(self) -> None:
        super().__init__('improviser', SETTINGS)
        self._dialogue: Dialogue = None  # type: ignore[assignment]  # not before configure
        self._instrument: Body | None = None
        self._runtime: AdaptiveRuntime | None = None
        self._partner: Partner | None = None
        self._not_learning = ''  # why not, if there is no partner or its profile is not kept
        self._notes: NotePublisher = None  # type: ignore[assignment]  # not before configure
        for name, callback in (
            ('improvise', self._improvise),
            ('again', self._again),
            ('keep', self._keep),
            ('stop', self._stop),
            ('forget', self._forget),
        ):
            self.create_service(Trigger, f'~/{name}', callback)

    def configure(self) -> None:
        """Load the network."""
        instrument = self.settings['instrument']
        self._instrument = load_body(instrument) if instrument else None
        try:
            runtime = self._learning(
                load_runtime(self.settings['model'], self.settings['runtime'])
            )
            seed = self.settings['seed']
            settings = self._improviser_settings(self.settings)
            self._dialogue = Dialogue(
                Model(runtime), settings, None if seed < 0 else seed, self._learn
            )
            self._apply_adaptation(settings)
        except ValueError as error:
            raise NotReadyError(str(error)) from error
        self._notes = NotePublisher(self, 'generated_notes', self.time)

    def activate(self) -> None:
        """Start to listen and to play."""
        self._dialogue.resume()
        self._generated = 0
        self._heard_latency = LatencyFigures()
        self._generation_time = LatencyFigures()
        self._scheduling_lead = LatencyFigures()
        self._listener = NoteListener(self, 'heard_notes', self._hear, self.time)
        self._confirming = NoteListener(self, 'confirmed_notes', self._confirm, self.time)
        self._remembers = ''
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(PERIOD, self._advance, clock=steady)

    def deactivate(self) -> None:
        """Fall silent."""
        self._listener.destroy()
        self._confirming.destroy()
        self.destroy_timer(self._timer)
        self._publish(self._dialogue.stop(self.time.now()))
        if self._partner:
            try:
                self._partner.keep()
            except ProfileError as error:
                self.get_logger().error(str(error))

    def cleanup(self) -> None:
        """Release the network."""
        if self._partner:
            self._partner.close()
        self._partner = self._runtime = None
        self._dialogue = None  # type: ignore[assignment]
        if self._notes:
            self._notes.destroy()
            self._notes = None  # type: ignore[assignment]

    def health(self) -> tuple[str, dict[str, object]]:
        """Return the diagnostics: whether the robot plays, counts of notes, latencies."""
        return '', {
            'playing': self._dialogue.playing,
            'notes remembered': self._dialogue.notes_remembered,
            'remembers': self._remembered_topic(),
            'notes generated': self._generated,
            **self._partner_figures(),
            **self._heard_latency.figures('sound to improviser'),
            **self._generation_time.figures('generation time'),
            **self._scheduling_lead.figures('scheduling lead', (0.0, 0.05)),
            **self._listener.figures(),
            **self._confirming.figures(),
        }

    def warning(self) -> str:
        """Return why nothing is learnt from the partner, or not kept."""
        return (self._partner.problem if self._partner else '') or self._not_learning

    def activity(self) -> str:
        """Return whether the robot is silent because of the service `stop`."""
        return 'silent: stopped by the service' if self._dialogue.stopped else 'active'

    def contradiction(self, values: Mapping[str, Any]) -> str:
        """Return how values contradict each other, '' if they do not."""
        try:
            self._improviser_settings(values)
        except ValueError as error:
            return str(error)
        return ''

    def apply_settings(self, names: set[str]) -> None:
        """Apply changed settings at once; setting `mode` also ends the silence after `stop`."""
        if self._dialogue and names & {setting.name for setting in IMPROVISER_SETTINGS}:
            settings = self._improviser_settings(self.settings)
            self._dialogue.settings = settings
            self._apply_adaptation(settings)
            if 'mode' in names:
                self._dialogue.resume()

    def _improviser_settings(self, settings: Mapping[str, Any] | Settings) -> ImproviserSettings:
        values = {setting.name: settings[setting.name] for setting in IMPROVISER_SETTINGS}
        body = self._instrument
        if body:
            values['playable'] = frozenset(body.pitches)
            values['max_polyphony'] = min(values['max_polyphony'], len(body.strikers))
            repeat = body.repeat / SECOND
            values['min_repeat_interval'] = max(values['min_repeat_interval'], repeat)
        return ImproviserSettings(**values)

    def _learning(self, runtime: Runtime) -> Runtime:
        """Return the runtime that learns from the partner, or the given one if that is impossible.

        A profile that cannot be used is reported and left as it is.
        """
        name, self._not_learning = self.settings['partner'], ''
        file = profile = None
        try:
            heads = load_heads(self.settings['model'], runtime)
        except ModelError as error:
            self.get_logger().info(str(error))
            self._not_learning = str(error) if name else ''
            return runtime
        if name:
            try:
                file = ProfileFile(name, heads)
                file.lock()
                profile = file.read()
            except ProfileError as error:
                self._not_learning = f'{error}: what is learnt now is not kept'
                self.get_logger().error(self._not_learning)
                if file:
                    file.unlock()
                file = None
        adaptive = self._runtime = AdaptiveRuntime(runtime, heads)
        learner = LearnerProcess(self.settings['model'], adaptive.learnt)
        self._partner = Partner(adaptive, learner, heads, file, profile)
        if file:
            known = f'{profile.learnt.notes} notes learnt' if profile else 'a new profile'
            self.get_logger().info(f'partner {name}: {known}, {file.path}')
        return adaptive

    def _apply_adaptation(self, settings: ImproviserSettings) -> None:
        if self._runtime:
            self._runtime.adapt, self._runtime.motifs = settings.adapt, settings.motifs

    def _learn(self, event: TimedEvent) -> None:
        if self._partner:
            self._partner.hear(event)

    def _partner_figures(self) -> dict[str, object]:
        if not self._partner:
            return {}
        learnt = self._partner.learnt
        return {
            'partner': self.settings['partner'] or '(not kept)',
            'notes learnt from': learnt.notes,
            'knows you better than a stranger by (nats a note)': round(learnt.gain, 3),
        }

    def _hear(self, events: list[TimedEvent]) -> None:
        now = self.time.now()
        confirmer = confirmer_of(
            self._listener.speaker,
            self._listener.publisher_names,
            self._confirming.publisher_names,
        )
        to_publish: list[TimedEvent] = []
        for event in events:
            # A stamp in the future is from a clock that was set back since.
            event = event._replace(time=min(event.time, now))
            to_publish += self._dialogue.hear(event, now, confirmer)
            if is_note_on(event):
                self._heard_latency.add(now - event.time)
        self._publish(to_publish)

    def _confirm(self, events: list[TimedEvent]) -> None:
        now = self.time.now()
        speaker = self._confirming.speaker
        confirmer = speaker if speaker in self._listener.publisher_names else ''
        for event in events:
            self._dialogue.confirm(event._replace(time=min(event.time, now)), now, confirmer)

    def _remembered_topic(self) -> str:
        """Return the topic that the memory is made of; say when it changes."""
        before = self._remembers
        confirmed = self._confirming.publisher_names and not self._dialogue.unconfirmed
        self._remembers = 'confirmed_notes' if confirmed else 'heard_notes'
        if before == 'confirmed_notes' != self._remembers:
            reason = 'come no more' if self._confirming.publisher_names else 'have no publisher'
            self.get_logger().warning(f'confirmed_notes {reason}: heard_notes are remembered')
        return self._remembers

    def _advance(self) -> None:
        began = time.monotonic_ns()
        if self._partner:
            self._partner.poll()
        events = self._dialogue.advance(self.time.now())
        if events:
            self._generation_time.add(time.monotonic_ns() - began)
        self._publish(events)
        published = self.time.now()
        for event in events:
            self._scheduling_lead.add(event.time - published)

    def _publish(self, events: list[TimedEvent]) -> None:
        if events:
            self._generated += sum(map(is_note_on, events))
            self._notes.publish(events)

    def _improvise(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._dialogue.improvise(self.time.now())
        return self._answer(response, 'improvising')

    def _again(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            try:
                self._publish(self._dialogue.again(self.time.now()))
            except ValueError as reason:
                response.message = str(reason)
                return response
        return self._answer(response, 'improvising again')

    def _keep(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        message = ''
        if self.active:
            try:
                kept = self._dialogue.keep(self.time.now())
            except ValueError as reason:
                response.message = str(reason)
                return response
            message = f'{sum(map(is_note_on, kept))} notes of the answer count as heard'
        return self._answer(response, message)

    def _stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._publish(self._dialogue.stop(self.time.now()))
        return self._answer(response, 'silent')

    def _forget(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.active:
            self._dialogue.forget(self.time.now())
            if self._partner:
                self._partner.forget()
        return self._answer(response, 'what was heard and learnt is forgotten')

    def _answer(self, response: Trigger.Response, message: str) -> Trigger.Response:
        response.success = self.active
        response.message = message if self.active else 'the improviser is not active'
        return response


def main() -> int:
    """Run the node."""
    parse_arguments('improviser', SETTINGS)
    return run(Improviser)
