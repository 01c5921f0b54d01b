# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fits a room: all that known notes and their recording tell of a piano and a microphone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from improv_ros.calibration.conditions import loudness
from improv_ros.calibration.hop_outputs import HeardNote, HopOutputs
from improv_ros.calibration.latency_fit import (
    Latency,
    OnsetBias,
    first_lag,
    fit_latency,
    fit_onset_bias,
)
from improv_ros.calibration.note_matching import Note, figures, match
from improv_ros.calibration.note_program import SentNote
from improv_ros.calibration.onset_times import onset_time
from improv_ros.calibration.refusal import CalibrationError, NotFittedError
from improv_ros.calibration.room import Hearing, Room
from improv_ros.calibration.threshold_fit import Take, ThresholdFit, fit_thresholds
from improv_ros.calibration.tuning_fit import Tuning, fit_tuning
from improv_ros.calibration.velocity_fit import fit_velocity
from improv_ros.listening.transcription.estimator import LOWEST_PITCH
from improv_ros.listening.transcription.velocity_scale import VelocityScale

Floats = npt.NDArray[np.float64]
Lag = Callable[[int], float]

MAX_FOREIGN = 0.3  # of the heard notes, that nobody sent
_ALONE = 0.04  # seconds without another note, about a note whose onset is measured
_UNDISTURBED = 0.2  # seconds without another note after a note whose tuning is measured


class Recorded(NamedTuple):
    """A recording and what was played in it.

    samples: mono, at sample_rate. sent: when each note was sent, in seconds of the recording.
    outputs: of the network, by delay. by_person: whether a person played, so that `sent` tells
    when the notes sounded (`person_notes`).
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    sent: Sequence[SentNote]
    outputs: Mapping[int, HopOutputs]
    by_person: bool = False


class Shipped(NamedTuple):
    """How a model is decoded without a calibration. delay: of `heard_notes`, in hops.

    confirmed: the settings of the decoder at other delays, by delay.
    """

    delay: int
    onset_bias: float
    decoding: Mapping[str, Any]
    confirmed: Mapping[int, Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True)
class Points:
    """What the picture of a calibration shows; one entry for each note.

    pitch, struck: of the notes that were heard. level: of the note's partials, in dB.
    heard_before, heard_after: velocities. error_before, error_after: of onsets, in seconds, of the
    notes whose sound had a clear beginning, at the velocities error_velocity. lag, lag_velocity:
    seconds from sending to sound, of notes that were sent with these velocities.
    """

    pitch: Floats
    struck: Floats
    level: Floats
    heard_before: Floats
    heard_after: Floats
    error_velocity: Floats
    error_before: Floats
    error_after: Floats
    lag_velocity: Floats
    lag: Floats


def fit_room(
    room: Room, recorded: Recorded, shipped: Shipped, report: Callable[[str], object] = str
) -> tuple[Room, Points]:
    """Return the room with what was fitted, and the points of its picture.

    room: one with its name, its devices and its model. report: called with what is being done.

    Raises CalibrationError where what was heard is not what was played. What only one fit lacks is
    told in `not_fitted`.
    """
    return _Fitting(room, recorded, shipped, report).fit()


class _Fitting:
    def __init__(
        self, room: Room, recorded: Recorded, shipped: Shipped, report: Callable[[str], object]
    ) -> None:
        self._room = room
        self._recorded = recorded
        self._shipped = shipped
        self._report = report
        self._not_fitted: dict[str, str] = {}
        self._figures: list[tuple[str, float | None, float | None, str]] = []

    def fit(self) -> tuple[Room, Points]:
        self._report('comparing what was played with what was heard')
        sent = self._recorded.sent
        main = self._recorded.outputs[self._shipped.delay]
        heard = main.decode(self._shipped.decoding)
        hearing_lag = first_lag(sent, heard)
        pairs = match(sent, heard, hearing_lag)
        foreign = 1 - len(pairs) / max(1, len(heard))
        if foreign > MAX_FOREIGN and not self._recorded.by_person:
            raise CalibrationError(
                f'{100 * foreign:.0f} % of the notes that were heard were not played: somebody '
                'else played, or the room is too loud. Repeat it when the room is quiet'
            )
        self._report('measuring when notes begin to sound')
        sounds = self._sounds(hearing_lag)
        latency = self._fitted('latency', lambda: self._fit_latency(sounds))
        hearing, bias = {}, None
        for delay, outputs in self._recorded.outputs.items():
            self._report(f'fitting what the network hears {delay} hops later')
            hearing[delay], its_bias = self._fit_hearing(delay, outputs, hearing_lag, sounds)
            bias = its_bias if delay == self._shipped.delay else bias
        tuning = self._fitted('tuning', lambda: self._fit_tuning(sounds))
        points = self._points(main, heard, pairs, hearing[self._shipped.delay], sounds, latency)
        self._tell(main, heard, hearing[self._shipped.delay], hearing_lag, bias, points)
        room = replace(
            self._room,
            latency=latency,
            hearing=hearing,
            tuning=tuning,
            not_fitted=self._not_fitted,
            figures=tuple(self._figures),
            conditions=self._conditions(sounds),
        )
        return room, points

    def _fitted(self, name: str, fit: Callable[[], Any]) -> Any:
        try:
            return fit()
        except NotFittedError as error:
            self._not_fitted[name] = str(error)
            return None

    def _sounds(self, lag: Lag) -> dict[int, float]:
        """Return when notes begin to sound in the recording, by their place in `sent`."""
        sent, bias = self._recorded.sent, self._shipped.onset_bias
        expected = np.array([note.onset + lag(note.velocity) - bias for note in sent])
        sounds = {}
        for place, note in enumerate(sent):
            others = np.abs(np.delete(expected, place) - expected[place])
            if len(others) and others.min() < _ALONE:
                continue
            found = onset_time(
                self._recorded.samples,
                self._recorded.sample_rate,
                note.pitch,
                float(expected[place]),
            )
            if found is not None:
                sounds[place] = found
        return sounds

    def _fit_latency(self, sounds: Mapping[int, float]) -> Latency:
        if self._recorded.by_person:
            raise NotFittedError('nobody knows when a person presses a key before it sounds')
        sent = self._recorded.sent
        velocities = np.array([sent[place].velocity for place in sounds], np.float64)
        lags = np.array([time - sent[place].onset for place, time in sounds.items()])
        return fit_latency(velocities, lags, min(note.velocity for note in sent))

    def _fit_hearing(
        self, delay: int, outputs: HopOutputs, lag: Lag, sounds: Mapping[int, float]
    ) -> tuple[Hearing, OnsetBias | None]:
        sent = self._recorded.sent
        decoding = self._shipped.confirmed.get(delay, self._shipped.decoding)
        name = 'heard' if delay == self._shipped.delay else f'delay {delay}'
        thresholds = self._fitted(
            f'thresholds ({name})', lambda: self._fit_thresholds(outputs, lag, decoding)
        )
        if thresholds:
            decoding = thresholds.decoding
        heard = outputs.decode(decoding)
        pairs = match(sent, heard, lag)
        errors = np.array([heard[b].onset - sounds[a] for a, b in pairs if a in sounds])
        bias = self._fitted(f'onset bias ({name})', lambda: fit_onset_bias(errors))
        velocity = self._fitted(
            f'velocity ({name})', lambda: fit_velocity(*velocity_data(outputs, sent, heard, pairs))
        )
        hearing = Hearing(
            round(bias.seconds, 5) if bias else None,
            decoding if thresholds else None,
            velocity.scale if velocity else None,
        )
        return hearing, bias

    def _fit_thresholds(
        self, outputs: HopOutputs, lag: Lag, decoding: Mapping[str, Any]
    ) -> ThresholdFit:
        if self._recorded.by_person:
            raise NotFittedError('what a person played is known only as far as it was heard')
        return fit_thresholds([Take(outputs, self._recorded.sent, lag)], decoding)

    def _fit_tuning(self, sounds: Mapping[int, float]) -> Tuning:
        sent = self._recorded.sent
        onsets = np.array([note.onset for note in sent])
        alone = []
        for place, time in sounds.items():
            after = onsets - sent[place].onset
            after = after[np.arange(len(onsets)) != place]
            if not ((after > -_ALONE) & (after < _UNDISTURBED)).any():
                alone.append((time, sent[place].pitch))
        return fit_tuning(self._recorded.samples, self._recorded.sample_rate, alone)

    def _points(
        self,
        outputs: HopOutputs,
        heard: list[HeardNote],
        pairs: list[tuple[int, int]],
        hearing: Hearing,
        sounds: Mapping[int, float],
        latency: Latency | None,
    ) -> Points:
        sent = self._recorded.sent
        found, keys, struck, before = velocity_data(outputs, sent, heard, pairs)
        scale = hearing.scale
        after = scale.of(found @ scale.weights, keys) if scale else before
        bias = self._shipped.onset_bias if hearing.onset_bias is None else hearing.onset_bias
        clear = [(a, b) for a, b in pairs if a in sounds]
        late = np.array([heard[b].onset - sounds[a] for a, b in clear])
        return Points(
            pitch=(keys + LOWEST_PITCH).astype(np.float64),
            struck=struck,
            level=found[:, 0] if len(found) else np.zeros(0),
            heard_before=before,
            heard_after=after,
            error_velocity=np.array([sent[a].velocity for a, _ in clear], np.float64),
            error_before=late - self._shipped.onset_bias,
            error_after=late - bias,
            lag_velocity=np.array([sent[a].velocity for a in sounds], np.float64),
            lag=np.array([time - sent[a].onset for a, time in sounds.items()]),
        )

    def _tell(
        self,
        outputs: HopOutputs,
        heard: list[HeardNote],
        hearing: Hearing,
        lag: Lag,
        bias: OnsetBias | None,
        points: Points,
    ) -> None:
        sent = self._recorded.sent
        decoded = outputs.decode(hearing.decoding) if hearing.decoding else heard
        rows = self._figures
        if not self._recorded.by_person:
            before, after = figures(sent, heard, lag).f1, figures(sent, decoded, lag).f1
            rows.append(
                ('onset F1 of the program', before, after if hearing.decoding else None, '')
            )
        if len(points.error_before):
            shown = [1000 * float(np.mean(e)) for e in (points.error_before, points.error_after)]
            rows.append(('mean error of onsets', shown[0], shown[1] if bias else None, 'ms'))
        if len(points.struck):
            shown = [
                float(np.sqrt(np.mean((each - points.struck) ** 2)))
                for each in (points.heard_before, points.heard_after)
            ]
            rows.append(('error of velocities', shown[0], shown[1] if hearing.scale else None, ''))

    def _conditions(self, sounds: Mapping[int, float]) -> dict[str, float]:
        samples, rate = self._recorded.samples, self._recorded.sample_rate
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        heard = loudness(samples, rate)
        return {
            'peak (dBFS)': round(20 * np.log10(max(peak, 1e-6)), 1),
            'quiet moments (dBFS)': round(heard.floor, 1),
            'notes sent': len(self._recorded.sent),
            'notes with a clear beginning': len(sounds),
        }


def velocity_data(
    outputs: HopOutputs,
    sent: Sequence[Note],
    heard: Sequence[HeardNote],
    pairs: Sequence[tuple[int, int]],
) -> tuple[Floats, npt.NDArray[np.int64], Floats, Floats]:
    """Return features, keys, struck and heard velocities of matched notes: see `fit_velocity`."""
    hops = np.array([heard[b].hop for _, b in pairs], np.int64)
    keys = np.array([heard[b].pitch - LOWEST_PITCH for _, b in pairs], np.int64)
    struck = np.array([sent[a].velocity for a, _ in pairs], np.float64)
    before = np.array([heard[b].velocity for _, b in pairs], np.float64)
    return outputs.features(hops, keys), keys, struck, before


def scaled_velocities(
    scale: VelocityScale, features: Floats, keys: npt.NDArray[np.int64]
) -> Floats:
    """Return the velocities of notes on a scale."""
    return scale.of(features @ scale.weights, keys)
