# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The card of a calibration: what was found, in Markdown, and a picture of it."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from improv_ros.calibration.room import Room
from improv_ros.calibration.room_fit import Points

CARD_FILE = 'card.md'
PICTURE_FILE = 'card.png'


def card(room: Room, picture: bool) -> str:
    """Return the card in Markdown. picture: whether there is one."""
    lines = [f'# {room.name}', '', f'Calibrated on {room.made} for the model {room.model}.', '']
    lines += [f'- {what}: {which}' for what, which in room.devices.items()]
    lines += [f'- {what}: {value:g}' for what, value in room.conditions.items()]
    lines += ['', '## What was found', '', *found(room), '']
    if room.figures:
        lines += ['| | before | after |', '|---|---|---|']
        for what, before, after, unit in room.figures:
            shown = [_shown(value, unit) for value in (before, after)]
            lines.append(f'| {what} | {shown[0]} | {shown[1]} |')
        lines += ['', 'Measured on the notes of the program itself.', '']
    if room.not_fitted:
        lines += ['## What was not fitted', '']
        lines += [f'- {what}: {why}.' for what, why in room.not_fitted.items()]
        lines.append('')
    if picture:
        lines += [f'![each key, onsets and velocities]({PICTURE_FILE})', '']
    lines.append(f'Use it with `improv run --room {room.name}`, or `room:={room.name}`.')
    return '\n'.join(lines) + '\n'


def found(room: Room) -> list[str]:
    """Return what was fitted, a line each."""
    lines = []
    if latency := room.latency:
        lines.append(
            f'- latency of {room.output}: {1000 * latency.fixed:.1f} ms ± '
            f'{1000 * latency.error:.1f} ms; single notes ± {1000 * latency.spread:.1f} ms '
            f'({latency.notes} notes)'
        )
        if latency.strike:
            lines.append(f'- beyond it, by velocity (`strike_latency`): {latency.strike_text}')
        lines.append(f'- both together, as the `latency` of a body: {latency.body_text}')
    for delay, hearing in room.hearing.items():
        parts = []
        if hearing.onset_bias is not None:
            parts.append(f'onsets are heard {1000 * hearing.onset_bias:+.1f} ms late')
        if hearing.scale is not None:
            parts.append('velocities have a scale')
        if hearing.decoding is not None:
            decoding = ', '.join(f'{name} {value:g}' for name, value in hearing.decoding.items())
            parts.append(f'thresholds {decoding}')
        if parts:
            lines.append(f'- the network, {delay} hops after the sound: ' + '; '.join(parts))
    if tuning := room.tuning:
        lines.append(
            f'- tuning: {tuning.cents:+.1f} ± {tuning.cents_error:.1f} cents from 440 Hz, '
            f'stretched by {tuning.stretch:.1f} ± {tuning.stretch_error:.1f} cents an octave'
        )
    return lines or ['- nothing']


def picture(room: Room, points: Points) -> bytes | None:
    """Return the picture as PNG; None where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    figure = Figure(figsize=(11, 7), layout='constrained')
    FigureCanvasAgg(figure)
    keys, lags, onsets, velocities = figure.subplots(2, 2).ravel()
    shades = keys.scatter(points.pitch, points.level, c=points.struck, s=9, cmap='viridis')
    figure.colorbar(shades, ax=keys, label='velocity struck')
    keys.set(title='Level of each key', xlabel='MIDI pitch', ylabel='dB')
    lags.scatter(points.lag_velocity, 1000 * points.lag, s=8, color='tab:gray')
    if room.latency:
        at = np.arange(1, 128)
        lags.plot(
            at, [1000 * room.latency.at(velocity) for velocity in at.tolist()], color='tab:red'
        )
    lags.set(title='From note to sound', xlabel='velocity', ylabel='ms')
    for errors, name, color in (
        (points.error_before, 'before', 'tab:gray'),
        (points.error_after, 'after', 'tab:blue'),
    ):
        onsets.hist(
            1000 * errors, bins=np.arange(-40.0, 41.0, 2.0), alpha=0.6, label=name, color=color
        )
    onsets.set(title='Errors of onsets', xlabel='ms late', ylabel='notes')
    onsets.legend()
    for heard, name, color in (
        (points.heard_before, 'before', 'tab:gray'),
        (points.heard_after, 'after', 'tab:blue'),
    ):
        velocities.scatter(points.struck, heard, s=8, alpha=0.6, label=name, color=color)
    velocities.plot((1, 127), (1, 127), color='black', linewidth=0.8)
    velocities.set(title='Velocities', xlabel='struck', ylabel='heard')
    velocities.legend()
    file = BytesIO()
    figure.savefig(file, format='png', dpi=110)
    return file.getvalue()


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return 'as before'
    return f'{value:.3f}' if not unit and abs(value) <= 1 else f'{value:.1f} {unit}'.rstrip()
