# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The model card of a transcriber."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

import soundfile

from improv_ros.training.engine.model_card import describe_duration, write_card
from improv_ros.training.engine.trainer import Progress
from improv_ros.training.transcriber.transcriber_options import TranscriberOptions


def transcriber_card(
    model: Path,
    network: Any,
    options: TranscriberOptions,
    paths: Sequence[Path],
    checksum: str,
    progress: Progress,
) -> None:
    """Write the card of a network that was trained on the recordings with these paths."""
    delays = ', '.join(str(10 * delay) for delay in network.delays)
    hours = sum(soundfile.info(path).duration for path in paths) / 3600
    write_card(
        model,
        'The transcriber',
        [
            'A causal recurrent network that detects which keys of a piano are struck, and how '
            f'hard ({network.channels} channels, a GRU of {network.units} units per key with '
            f'weights that all keys share, {network.count_params():,} parameters). Its outputs '
            f'lag the input by {delays} ms. Its code is '
            '`improv_ros/listening/transcription/transcription_network.py`.'
        ],
        [
            f'{len(paths)} recordings, {hours:.1f} hours, made by `improv synthesize`; checksum '
            f'over their notes `{checksum}`.',
            *_sources(options.recordings),
        ],
        [
            f'{describe_duration(progress)} A batch is {options.streams} recordings × '
            f'{options.hops} hops of 10 ms in each of {options.processes} processes; Adam takes a '
            f'step every {options.groups} batches. The learning rate falls from '
            f'{options.learning_rate} as half a cosine; seed {options.seed}. Saved: the network '
            'at the end of the run.'
        ],
        [
            f'Loss on {options.validation}, which it was not trained on, at the end: '
            f'{progress.curve[-1]["validation"]:.3f} weighted nats per hop; the smallest: '
            f'{progress.best:.3f}.'
        ],
    )


def _sources(folders: Sequence[str]) -> list[str]:
    """Return the commands, pianos and music by which sets were made, from their manifests."""
    commands: list[str] = []
    pianos: dict[str, None] = {}
    music: dict[str, None] = {}
    for folder in folders:
        try:
            manifest = Path(folder).parent / 'manifest.json'
            made = json.loads(manifest.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        commands.append(f'    {made["command"]}')
        for piano in made['pianos']:
            if not piano['held_out']:
                pianos[f'- {piano["name"]}: {piano["licence"]} ({piano["source"]})'] = None
        music |= {f'- {each["folder"]}: {each["terms"]}': None for each in made['music']}
    return ['\n'.join(lines) for lines in (commands, pianos, music) if lines]
