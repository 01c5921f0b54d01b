# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Transcribes with basic-pitch; basic_pitch_baseline.py runs it in an environment that has it.

Reads one JSON object from its input: `recordings` (paths), `cache` (a folder, or null) and
`settings`, a list of {"onset_threshold", "frame_threshold", "minimum_length" (ms),
"infer_onsets", "melodia_trick"}. Writes a line of JSON for each recording: its `path` and, for
each of the settings, its `notes` as [onset, offset, pitch, amplitude].
"""

import json
import logging
from pathlib import Path
import sys

import numpy as np

logging.disable(logging.WARNING)  # it warns of every runtime that is missing

from basic_pitch import FilenameSuffix, build_icassp_2022_model_path  # noqa: E402
from basic_pitch.constants import AUDIO_SAMPLE_RATE, FFT_HOP  # noqa: E402
from basic_pitch.inference import Model, run_inference  # noqa: E402
from basic_pitch.note_creation import model_output_to_notes  # noqa: E402


def main() -> int:
    job = json.load(sys.stdin)
    model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))
    for recording in job['recordings']:
        output = outputs(model, Path(recording), job['cache'])
        notes = [notes_of(output, **settings) for settings in job['settings']]
        print(json.dumps({'path': recording, 'notes': notes}), flush=True)
    return 0


def outputs(model: Model, recording: Path, cache: str | None) -> dict[str, np.ndarray]:
    """Return the outputs of the network for the whole file, kept for the next time."""
    kept = Path(cache) / f'{recording.stem}.npz' if cache else None
    if kept and kept.is_file():
        return dict(np.load(kept))
    output = run_inference(recording, model)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = {name: values.astype(np.float16) for name, values in output.items()}
        with kept.open('wb') as file:
            np.savez(file, **half)
        return half
    return output


def notes_of(
    output: dict[str, np.ndarray],
    onset_threshold: float,
    frame_threshold: float,
    minimum_length: float,
    infer_onsets: bool,
    melodia_trick: bool,
) -> list[list[float]]:
    _, notes = model_output_to_notes(
        {name: values.astype(np.float32) for name, values in output.items()},
        onset_thresh=onset_threshold,
        frame_thresh=frame_threshold,
        min_note_len=round(minimum_length / 1000 * AUDIO_SAMPLE_RATE / FFT_HOP),
        include_pitch_bends=False,
        infer_onsets=infer_onsets,
        melodia_trick=melodia_trick,
    )
    return sorted([float(value) for value in note[:4]] for note in notes)


if __name__ == '__main__':
    sys.exit(main())
