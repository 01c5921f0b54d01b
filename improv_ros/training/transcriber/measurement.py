# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Transcribes recordings as the node transcribes a microphone; keeps notes and timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from improv_ros.event_text import SECOND, TimedEvent, is_note_on
from improv_ros.listening.transcription.streaming_transcriber import (
    ChunkTranscriber,
    StreamingTranscriber,
    confirming_decoder_for,
)
from improv_ros.training.transcriber.estimators import load_estimator, transcriber
from improv_ros.training.transcriber.recordings import (
    Notes,
    Recording,
    RecordingError,
    chunks,
    notes_of,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """The timing of a live transcription. Arrays have an entry for each transcribed note.

    known: end of the chunk with which the note was transcribed, in seconds of the recording.
    published: `known` plus the computing time, including that of chunks before it, in seconds.
    computing: processor time for the whole recording, in seconds.
    megabytes: resident memory of the process.
    """

    known: Floats
    published: Floats
    computing: float
    megabytes: float


@dataclass(frozen=True)
class Transcription:
    """The transcribed notes of a recording. timing: None if it was not transcribed live."""

    notes: Notes
    timing: Timing | None = None


@dataclass(frozen=True)
class Measurement:
    """The transcriptions of one model. latency: algorithmic, in seconds."""

    model: str
    latency: float
    recordings: Sequence[Recording]
    transcriptions: Sequence[Transcription]

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        arrays: dict[str, Any] = {
            'model': self.model,
            'latency': self.latency,
            'names': [recording.name for recording in self.recordings],
            'seconds': [recording.seconds for recording in self.recordings],
        }
        for number, (recording, transcription) in enumerate(
            zip(self.recordings, self.transcriptions, strict=True)
        ):
            arrays[f'heard {number}'] = transcription.notes
            if recording.notes is not None:
                arrays[f'played {number}'] = recording.notes
        with path.open('wb') as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """Read a file of `save`, without timing or sound. Raises RecordingError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            recordings = [
                Recording(str(name), path, arrays.get(f'played {number}'), float(seconds))
                for number, (name, seconds) in enumerate(
                    zip(arrays['names'], arrays['seconds'], strict=True)
                )
            ]
            transcriptions = [
                Transcription(arrays[f'heard {number}']) for number in range(len(recordings))
            ]
            return cls(str(arrays['model']), float(arrays['latency']), recordings, transcriptions)
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f'{path} is not a saved measurement: {error}') from error


def transcribe_live(
    recording: Recording, model: str, settings: Mapping[str, float], confirmed: bool = False
) -> Transcription:
    """Transcribe a recording chunk by chunk, as if each chunk arrived when it was complete.

    confirmed: whether to return the confirmed notes, of an estimator that confirms.
    """
    streaming = transcriber(load_estimator(model), settings)
    if confirmed:
        estimator, decoder = streaming.estimator, streaming.decoder
        streaming = StreamingTranscriber(estimator, decoder, confirming_decoder_for(estimator))
    chunk_transcriber = ChunkTranscriber(streaming)
    events: list[TimedEvent] = []
    arrivals: dict[tuple[int, int], tuple[float, float]] = {}
    free = computing = 0.0
    for chunk in chunks(recording):
        complete = (chunk.time + chunk.duration) / SECOND
        began, processor = time.perf_counter(), time.process_time()
        new = chunk_transcriber.transcribe(chunk)
        if confirmed:
            new = chunk_transcriber.take_confirmed()
        free = max(free, complete) + time.perf_counter() - began
        computing += time.process_time() - processor
        _arrive(new, complete, free, arrivals)
        events += new
    rest = chunk_transcriber.flush()
    if confirmed:
        rest = chunk_transcriber.take_confirmed()
    _arrive(rest, recording.seconds, free, arrivals)
    notes = notes_of(events + rest)
    when = np.array([arrivals[round(note[0] * SECOND), int(note[2])] for note in notes])
    known, published = when.reshape(-1, 2).T
    return Transcription(notes, Timing(known, published, computing, _resident_megabytes()))


def _arrive(
    events: list[TimedEvent],
    known: float,
    published: float,
    arrivals: dict[tuple[int, int], tuple[float, float]],
) -> None:
    for event in events:
        if is_note_on(event):
            arrivals[event.time, event.values[0]] = known, published


def _resident_megabytes() -> float:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    return float('nan')
