"""What was heard of a recording, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .recordings import Notes, Recording, RecordingError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """What it took to hear a recording as live. Arrays have an entry for each note heard.

    known: seconds into the recording at which the chunk was complete with which a note was
    understood. published: that, and what it took to compute, with all that waited before it.
    computing: seconds of processor over the whole recording. megabytes: resident, of the process
    that heard.
    """

    known: Floats
    published: Floats
    computing: float
    megabytes: float


@dataclass(frozen=True)
class Heard:
    """The notes heard of a recording; timing: None where it was not heard as live."""

    notes: Notes
    timing: Timing | None = None


@dataclass(frozen=True)
class Measurement:
    """One model's measurement, as it is kept to be drawn. latency: algorithmic, in seconds."""

    model: str
    latency: float
    recordings: Sequence[Recording]
    heard: Sequence[Heard]

    def save(self, path: Path) -> None:
        """Write an .npz."""
        arrays: dict[str, npt.ArrayLike] = {
            'model': self.model,
            'latency': self.latency,
            'names': [recording.name for recording in self.recordings],
            'seconds': [recording.seconds for recording in self.recordings],
        }
        for number, (recording, heard) in enumerate(zip(self.recordings, self.heard, strict=True)):
            arrays[f'heard {number}'] = heard.notes
            if recording.notes is not None:
                arrays[f'played {number}'] = recording.notes
        with path.open('wb') as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """Read what `save` wrote, without timing or sound. Raises RecordingError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            recordings = [
                Recording(str(name), path, arrays.get(f'played {number}'), float(seconds))
                for number, (name, seconds) in enumerate(
                    zip(arrays['names'], arrays['seconds'], strict=True)
                )
            ]
            heard = [Heard(arrays[f'heard {number}']) for number in range(len(recordings))]
            return cls(str(arrays['model']), float(arrays['latency']), recordings, heard)
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f'{path} is no measurement: {error}') from error
