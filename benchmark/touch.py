"""Fits how hard a key was struck to how loud it sounds, and tells how well that is heard.

Each recording is taken for itself, as the gain of its microphone is its own: what is fitted are
differences from its mean. Fit on recordings that are made up (`improv synthesize`), then judge by
others. Prints the weights for `improv_ros/listening/touch.py`, and of each set the mean over its
recordings of the correlation with the velocities that were played: by the fit, by the weights as
they are, and by the network alone.

    python benchmark/touch.py SET/train [--judge SET...] [--recordings 60]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import sys

import numpy as np

from improv_ros.listening.estimator import BELIEFS, LOWEST_PITCH
from improv_ros.listening.runtime import DEFAULT_MODEL, read_about
from improv_ros.listening.touch import WEIGHTS, evidence, powers
from improv_ros.training.transcription.posteriors import beliefs_of
from improv_ros.training.transcription.recordings import Recording, RecordingError, find

HOPS_A_SECOND = 100
ONSET, VELOCITY = (BELIEFS.index(name) for name in ('onset', 'velocity'))
FEWEST = 50  # notes
ONSET_HOPS = 5  # in which the onset curve's peak is looked for


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('set', type=Path)
    parser.add_argument('--judge', type=Path, nargs='*', default=[])
    parser.add_argument('--recordings', type=int, default=60, help='at most, of each set')
    parser.add_argument('--seconds', type=float, default=60.0, help='at most, of each recording')
    parser.add_argument('--model-file', type=Path, default=DEFAULT_MODEL.with_suffix('.keras'))
    arguments = parser.parse_args()
    weights = None
    try:
        for place in (arguments.set, *arguments.judge):
            found = find(place, arguments.seconds)[: arguments.recordings]
            pairs = list(apart(found, arguments.model_file))
            if weights is None:
                all_evidence, played = map(np.concatenate, zip(*pairs, strict=True))
                weights = np.linalg.lstsq(all_evidence, played, rcond=None)[0]
                print('WEIGHTS =', tuple(float(f'{weight:.3g}') for weight in weights))
            print(f'{place}: {len(pairs)} recordings, {sum(len(y) for _, y in pairs)} notes')
            for name, row in (
                ('fitted', weights),
                ('as they are', np.array(WEIGHTS)),
                ('network alone', np.array((0, 0, 1, 0, 0))),
            ):
                close = np.mean([np.corrcoef(x @ row, y)[0, 1] for x, y in pairs])
                error = np.sqrt(np.mean(np.concatenate([x @ row - y for x, y in pairs]) ** 2))
                print(f'  {name:14} correlation {close:.3f}, error {error:.1f} velocities RMS')
    except RecordingError as error:
        print(f'touch: {error}', file=sys.stderr)
        return 1
    return 0


def apart(recordings: list[Recording], model: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield of each recording the evidence, (notes, 5), and the velocities, less their means."""
    about = read_about(model)
    delay = about['delay']
    place = about['delays'].index(delay)
    for recording in recordings:
        if recording.notes is None or len(recording.notes) < FEWEST:
            continue
        spectra, beliefs = beliefs_of(model, recording)
        power = powers(spectra)
        rows = []
        for onset, _, pitch, _ in recording.notes:
            key = round(pitch) - LOWEST_PITCH
            begin = round(onset * HOPS_A_SECOND) + delay
            peak = begin + int(np.argmax(beliefs[begin : begin + ONSET_HOPS, key, place, ONSET]))
            hops = slice(peak - delay, peak + 2)
            believed = beliefs[peak, :, place, VELOCITY]
            rows.append(evidence(power[hops].max(axis=0), believed)[:, key])
        found, played = np.array(rows), recording.notes[:, 3]
        yield found - found.mean(axis=0), played - played.mean()


if __name__ == '__main__':
    sys.exit(main())
