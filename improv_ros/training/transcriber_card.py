"""What the model card of a transcriber says."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile

from .loop import Progress
from .model_card import how_long, write_card

if TYPE_CHECKING:
    from .train_transcriber import ListeningOptions


def transcriber_card(
    model: Path,
    network: Any,
    options: ListeningOptions,
    paths: Sequence[Path],
    checksum: str,
    progress: Progress,
) -> None:
    """Write the card of a network that learnt from the recordings of these paths."""
    delays = ', '.join(str(10 * delay) for delay in network.delays)
    hours = sum(soundfile.info(path).duration for path in paths) / 3600
    write_card(
        model,
        'The transcriber',
        [
            'A causal recurrent network that hears which keys of a piano are struck, and how hard '
            f'({network.channels} channels, a GRU of {network.units} for each key with weights '
            f'that all keys share, {network.count_params():,} parameters). It believes what it '
            f'does about the sound {delays} ms before. It is the network of '
            '`improv_ros/listening/network.py`.'
        ],
        [
            f'{len(paths)} recordings, {hours:.1f} hours, made by `improv synthesize`; checksum '
            f'over their notes `{checksum}`.',
            *_sources(options.recordings),
        ],
        [
            f'{how_long(progress)} A batch is {options.streams} recordings × {options.hops} hops '
            f'of 10 ms in each of {options.processes} processes; every {options.groups} batches '
            f'Adam takes a step, learning rate {options.rate} falling as half a cosine, seed '
            f'{options.seed}. Kept: the network as it was in the end.'
        ],
        [
            f'Loss on {options.development}, which it did not learn from, in the end: '
            f'{progress.curve[-1]["development"]:.3f} weighted nats a hop; the smallest: '
            f'{progress.best:.3f}.'
        ],
    )


def _sources(folders: Sequence[str]) -> list[str]:
    """Return what sets say of the commands, pianos and music that they were made by."""
    commands: list[str] = []
    pianos: dict[str, None] = {}
    music: dict[str, None] = {}
    for folder in folders:
        try:
            manifest = Path(folder).parent / 'manifest.json'
            about = json.loads(manifest.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        commands.append(f'    {about["command"]}')
        for piano in about['pianos']:
            if not piano['held_out']:
                pianos[f'- {piano["name"]}: {piano["licence"]} ({piano["source"]})'] = None
        music |= {f'- {each["folder"]}: {each["terms"]}': None for each in about['music']}
    return ['\n'.join(lines) for lines in (commands, pianos, music) if lines]
