# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The person that the robot plays with: learning, remembering, forgetting and keeping."""

from __future__ import annotations

from improv_ros.event_text import TimedEvent
from improv_ros.improvising.network.vocabulary import (
    KeyboardState,
    Step,
    time_bin,
    to_ticks,
    velocity_bin,
)
from improv_ros.improvising.partner.adaptive_runtime import AdaptiveRuntime
from improv_ros.improvising.partner.learner_process import LearnerProcess
from improv_ros.improvising.partner.learnt import Learnt
from improv_ros.improvising.partner.motif_memory import MotifMemory, Place
from improv_ros.improvising.partner.output_heads import OutputHeads
from improv_ros.improvising.partner.partner_profile import Profile, ProfileFile


class Partner:
    """Passes what a person plays to the learner, and what it learns to the runtime.

    file: where the profile is kept, locked; None: nowhere. profile: what it has, if anything.
    """

    def __init__(
        self,
        runtime: AdaptiveRuntime,
        learner: LearnerProcess,
        shipped: OutputHeads,
        file: ProfileFile | None = None,
        profile: Profile | None = None,
    ) -> None:
        self._runtime, self._learner, self._shipped, self._file = runtime, learner, shipped, file
        self._keyboard, self._place = KeyboardState(), Place()
        self._tick: int | None = None  # of the latest event
        memory = MotifMemory()
        if profile is not None:
            memory.restore(profile.steps)
        self._start(profile.learnt if profile else Learnt.nothing(shipped), memory)

    @property
    def learnt(self) -> Learnt:
        """What the robot knows of the person now."""
        return self._runtime.learnt

    @property
    def problem(self) -> str:
        """Why nothing is learnt any more; '' while it is."""
        return self._learner.problem

    def hear(self, event: TimedEvent) -> None:
        """Learn from an event that the person played, if `adapt` is not 0."""
        changes = self._keyboard.apply(event)
        for event_type, velocity in changes:
            tick = to_ticks(event.time)
            wait = 0 if self._tick is None else max(tick - self._tick, 0)
            self._tick = tick if self._tick is None else max(self._tick, tick)
            step = Step(time_bin(wait), event_type, velocity_bin(velocity) if velocity else 0)
            if self._runtime.adapt:
                self._runtime.memory.add(self._place, step)
                self._learner.hear(step)
            self._place = self._place.after(step)

    def poll(self) -> None:
        """Take over what was learnt; call this between two events."""
        learnt = self._learner.poll()
        if learnt is not None:
            self._runtime.learnt = learnt

    def forget(self) -> None:
        """Drop all that was learnt and remembered, at once."""
        self._keyboard, self._place, self._tick = KeyboardState(), Place(), None
        self._start(Learnt.nothing(self._shipped), MotifMemory())

    def keep(self) -> None:
        """Write the profile, if there is a place for it. Raises ProfileError if that fails."""
        if self._file is not None:
            self._file.write(Profile(self.learnt, self._runtime.memory.steps))

    def close(self) -> None:
        """End the learner, and let other robots use the profile."""
        self._learner.close()
        if self._file is not None:
            self._file.unlock()

    def _start(self, learnt: Learnt, memory: MotifMemory) -> None:
        self._runtime.learnt, self._runtime.memory = learnt, memory
        self._learner.start(learnt, memory.steps)
