# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a calibration found of a piano, a room and a microphone, and the model it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from improv_ros.calibration.latency_fit import Latency
from improv_ros.calibration.refusal import CalibrationError
from improv_ros.calibration.tuning_fit import Tuning
from improv_ros.listening.transcription.decoder import DECODER_SETTINGS, HOP_SETTINGS
from improv_ros.listening.transcription.estimator import Estimator
from improv_ros.listening.transcription.transcription_runtime import NetworkEstimator
from improv_ros.listening.transcription.velocity_scale import VelocityScale

VERSION = 1
MODEL_SUFFIXES = ('.tflite', '.keras')
LARGEST_BIAS = 0.1  # seconds
LARGEST_LATENCY = 2.0  # seconds


@dataclass(frozen=True)
class Hearing:
    """The fits of the network's outputs at one of its delays; None: keep what is shipped."""

    onset_bias: float | None = None
    decoding: Mapping[str, Any] | None = None
    scale: VelocityScale | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            'onset_bias': self.onset_bias,
            'decoding': None if self.decoding is None else dict(self.decoding),
            'velocity': None if self.scale is None else self.scale.as_dict(),
        }

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> Hearing:
        """Read what `as_dict` returned. Raises ValueError, KeyError or TypeError."""
        bias, decoding, velocity = about['onset_bias'], about['decoding'], about['velocity']
        if bias is not None and not abs(_number(bias)) <= LARGEST_BIAS:
            raise ValueError(f'onset_bias must be at most {LARGEST_BIAS} s')
        if decoding is not None:
            for name, value in decoding.items():
                if name not in DECODER_SETTINGS:
                    raise ValueError(f'decoding has {name!r}, which the decoder does not know')
                most = 100 if name in HOP_SETTINGS else 1
                if not 0 <= _number(value) <= most:
                    raise ValueError(f'{name} must be a number from 0 to {most}')
        scale = None if velocity is None else VelocityScale.from_dict(velocity)
        return cls(bias, decoding, scale)


@dataclass(frozen=True)
class Room:
    """A calibration.

    made: date and time. model: name of the model file. checksums: of the files of the model, by
    suffix. devices: what was played on and heard with. output: what the latency is of, an output
    of the player or a body (`body_output`). hearing: by delay of the network, in hops. not_fitted:
    why a fit was not made, by its name. figures: rows of (what, before, after, unit). conditions:
    what was measured of the sound.
    """

    name: str
    made: str
    model: str
    checksums: Mapping[str, str]
    devices: Mapping[str, str]
    output: str
    latency: Latency | None = None
    hearing: Mapping[int, Hearing] = field(default_factory=dict)
    tuning: Tuning | None = None
    not_fitted: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[tuple[str, float | None, float | None, str], ...] = ()
    conditions: Mapping[str, float] = field(default_factory=dict)

    def latency_of(self, output: str) -> Latency | None:
        """Return the latency of an output; None where it was not measured."""
        return self.latency if self.output == output else None

    def check_model(self, path: Path) -> None:
        """Raise CalibrationError where the model at `path` is not the one of this calibration."""
        theirs = self.checksums.get(path.suffix)
        try:
            fits = theirs is not None and theirs == checksum(path)
        except OSError:
            fits = False
        if not fits:
            raise CalibrationError(
                f'the room {self.name} was calibrated with another model than {path.name} '
                f'({self.model}, {self.made[:10]}): run improv calibrate {self.name} again, or '
                'leave room empty'
            )

    def apply_to(self, estimator: Estimator) -> None:
        """Let an estimator use the fits of its delays; call it before a decoder is made for it.

        Raises CalibrationError where the calibration has none of its main delay.
        """
        if estimator.latency_hops not in self.hearing:
            raise CalibrationError(
                f'the room {self.name} was calibrated for outputs that lag by '
                f'{", ".join(map(str, self.hearing)) or "no"} hops, and this model lags by '
                f'{estimator.latency_hops}: run improv calibrate {self.name} again'
            )
        main = self.hearing[estimator.latency_hops]
        if main.onset_bias is not None:
            estimator.onset_bias = main.onset_bias
        if main.decoding is not None:
            estimator.decoding = main.decoding
        confirmation = estimator.confirmation
        if confirmation and (later := self.hearing.get(confirmation.latency_hops)):
            if later.onset_bias is not None:
                confirmation = confirmation._replace(onset_bias=later.onset_bias)
            if later.decoding is not None:
                confirmation = confirmation._replace(decoding=later.decoding)
            estimator.confirmation = confirmation
        if isinstance(estimator, NetworkEstimator):
            for delay, velocity_estimator in estimator.velocity_estimators.items():
                velocity_estimator.scale = self.hearing.get(delay, main).scale

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            'version': VERSION,
            'name': self.name,
            'made': self.made,
            'model': self.model,
            'checksums': dict(self.checksums),
            'devices': dict(self.devices),
            'output': self.output,
            'latency': None if self.latency is None else self.latency._asdict(),
            'hearing': {str(delay): each.as_dict() for delay, each in self.hearing.items()},
            'tuning': None if self.tuning is None else self.tuning._asdict(),
            'not_fitted': dict(self.not_fitted),
            'figures': [list(row) for row in self.figures],
            'conditions': dict(self.conditions),
        }

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> Room:
        """Read what `as_dict` returned. Raises CalibrationError."""
        try:
            if about['version'] != VERSION:
                raise ValueError(f'version {about["version"]!r} is not {VERSION}')
            latency, tuning = about['latency'], about['tuning']
            return cls(
                name=str(about['name']),
                made=str(about['made']),
                model=str(about['model']),
                checksums={str(k): str(v) for k, v in about['checksums'].items()},
                devices={str(k): str(v) for k, v in about['devices'].items()},
                output=str(about['output']),
                latency=None if latency is None else _latency(latency),
                hearing={int(k): Hearing.from_dict(v) for k, v in about['hearing'].items()},
                tuning=None if tuning is None else Tuning(**tuning),
                not_fitted={str(k): str(v) for k, v in about['not_fitted'].items()},
                figures=tuple(
                    (str(row[0]), row[1], row[2], str(row[3])) for row in about['figures']
                ),
                conditions={str(k): _number(v) for k, v in about['conditions'].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise CalibrationError(
                f'the calibration is damaged or of another version ({error!r}): make it again'
            ) from error


def body_output(body: str) -> str:
    """Return the name that a calibration has for the latency of a body."""
    return f'body {body}'


def checksum(path: Path) -> str:
    """Return the checksum of a model file together with its description. Raises OSError."""
    digest = sha256(path.read_bytes())
    digest.update(path.with_suffix('.json').read_bytes())
    return digest.hexdigest()


def checksums(path: Path) -> dict[str, str]:
    """Return the checksums of the files of a model, by suffix. Raises OSError."""
    files = [path.with_suffix(suffix) for suffix in MODEL_SUFFIXES]
    return {file.suffix: checksum(file) for file in files if file.is_file()}


def _latency(about: Mapping[str, Any]) -> Latency:
    strike = tuple((int(v), _number(seconds)) for v, seconds in about['strike'])
    fixed = _number(about['fixed'])
    for velocity, seconds in ((0, fixed), *strike):
        if not (0 <= velocity <= 127 and 0 <= seconds <= LARGEST_LATENCY):
            raise ValueError(f'the latency {velocity}:{seconds} is out of range')
    if len(dict(strike)) < len(strike):
        raise ValueError('the latency has a velocity twice')
    return Latency(
        fixed, strike, _number(about['error']), _number(about['spread']), int(about['notes'])
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise TypeError(f'{value!r} is not a number')
    return float(value)
