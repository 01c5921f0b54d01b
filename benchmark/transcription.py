"""How well and how fast notes are heard: compare the transcriber with recordings whose notes are
known.

A recording is an audio file with a .tsv of the same name beside it: a line a note, onset, offset
(s), MIDI pitch and velocity. Each is heard as it would be live, in chunks of 20 ms. Figures of
accuracy are those of mir_eval: an onset counts within 50 ms at the right pitch; an offset within
50 ms or a fifth of the note, whichever is more.

Without a folder the phrase of the demonstration is rendered and heard.

    python benchmark/transcription.py [FOLDER] [--seconds 60]
"""

import argparse
from pathlib import Path
import sys
import tempfile
import time
from typing import NamedTuple

import mir_eval
import numpy as np
import soundfile

from improv_ros import bringup
from improv_ros.event_text import is_note_on, parse, to_timed
from improv_ros.listening.audio_chunk import AudioChunk, to_int16
from improv_ros.listening.resampling import Resampler
from improv_ros.listening.spectral import SpectralEstimator
from improv_ros.listening.transcription import StreamingTranscriber
from improv_ros.playing.render import render, write_wav

CHUNK_SECONDS = 0.02
Notes = np.ndarray  # shape (notes, 4): onset and offset in seconds, MIDI pitch, velocity


class TimedEstimator(SpectralEstimator):
    """Notes how long each hop takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def step(self, samples):
        began = time.perf_counter()
        estimate = super().step(samples)
        self.seconds.append(time.perf_counter() - began)
        return estimate


class Result(NamedTuple):
    name: str
    reference: int
    estimated: int
    matched: int
    matched_with_offset: int
    onset_errors: np.ndarray  # s, of the matched notes
    velocity_pairs: np.ndarray  # shape (matched, 2): reference, estimated
    hop_seconds: np.ndarray
    audio_seconds: float
    wall_seconds: float


def chunks_of(path, seconds):
    """The recording as a microphone would give it."""
    with soundfile.SoundFile(path) as file:
        frames = round(CHUNK_SECONDS * file.samplerate)
        limit = (
            file.frames if seconds is None else min(file.frames, int(seconds * file.samplerate))
        )
        for sequence, start in enumerate(range(0, limit, frames)):
            samples = to_int16(file.read(min(frames, limit - start), 'float32', always_2d=True))
            yield AudioChunk(samples, file.samplerate, start * 10**9 // file.samplerate, sequence)


def notes_of(events) -> Notes:
    sounding, notes = {}, []
    for event in events:
        pitch, velocity, _ = event.values
        if is_note_on(event):
            sounding[pitch] = event.time, velocity
        else:
            onset, struck = sounding.pop(pitch)
            notes.append((onset / 1e9, max(event.time, onset + 10**6) / 1e9, pitch, struck))
    return np.array(sorted(notes)).reshape(-1, 4)


def hear(path, seconds, transcriber):
    resampler = Resampler(transcriber.sample_rate)
    events = []
    for chunk in chunks_of(path, seconds):
        for piece in resampler.process(chunk):
            events += transcriber.process(piece.mono())
    for piece in resampler.flush():
        events += transcriber.process(piece.mono())
    return notes_of(events + transcriber.flush())


def matches(reference: Notes, estimated: Notes, offset_ratio):
    if not len(reference) or not len(estimated):
        return []
    hertz = [440 * 2 ** ((notes[:, 2] - 69) / 12) for notes in (reference, estimated)]
    return mir_eval.transcription.match_notes(
        reference[:, :2], hertz[0], estimated[:, :2], hertz[1], offset_ratio=offset_ratio
    )


def measure(path: Path, seconds: float | None, thresholds: dict[str, float]) -> Result:
    reference = np.loadtxt(path.with_suffix('.tsv'), ndmin=2)
    length = soundfile.info(path).duration
    if seconds is not None and seconds < length:
        length = seconds
        reference = reference[reference[:, 0] < length]
    estimator = TimedEstimator()
    transcriber = StreamingTranscriber(estimator)
    for name, value in thresholds.items():
        setattr(transcriber.decoder, name, value)
    began = time.perf_counter()
    estimated = hear(path, seconds, transcriber)
    wall = time.perf_counter() - began
    pairs = np.array(matches(reference, estimated, None), int).reshape(-1, 2)
    heard, meant = estimated[pairs[:, 1]].reshape(-1, 4), reference[pairs[:, 0]].reshape(-1, 4)
    return Result(
        path.stem,
        len(reference),
        len(estimated),
        len(pairs),
        len(matches(reference, estimated, 0.2)),
        heard[:, 0] - meant[:, 0],
        np.column_stack((meant[:, 3], heard[:, 3])),
        np.array(estimator.seconds),
        length,
        wall,
    )


def total(results: list[Result]) -> Result:
    """All recordings taken together, each note counting once."""
    columns = list(zip(*results, strict=True))
    sums = [sum(column) for column in columns[1:5]]
    joined = [np.concatenate(column) for column in columns[5:8]]
    return Result('all notes', *sums, *joined, sum(columns[8]), sum(columns[9]))


def scores(result: Result) -> tuple[float, float, float, float]:
    """Onset F1, precision, recall; onset and offset F1."""
    both = max(1, result.reference + result.estimated)
    return (
        2 * result.matched / both,
        result.matched / max(1, result.estimated),
        result.matched / max(1, result.reference),
        2 * result.matched_with_offset / both,
    )


def line(result: Result) -> str:
    real_time = result.wall_seconds / result.audio_seconds
    errors = result.onset_errors * 1000 if len(result.onset_errors) else np.zeros(1)
    p50, p99 = np.percentile(result.hop_seconds, (50, 99)) * 1000
    return (
        f'{result.name[:34]:34} ' + ' '.join(f'{score:6.3f}' for score in scores(result)) + f' '
        f'{errors.mean():6.1f} {errors.std():5.1f} {real_time:6.3f}'
        f' {p50:5.2f} {p99:5.2f} {result.reference:6}'
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'recordings', type=Path, nargs='?', help='folder of audio files, or one of them'
    )
    parser.add_argument('--seconds', type=float, help='hear only so much of each recording')
    for name in ('onset_threshold', 'frame_threshold', 'refractory'):
        parser.add_argument(f'--{name.replace("_", "-")}', type=float)
    arguments = parser.parse_args()
    thresholds = {
        name: getattr(arguments, name)
        for name in ('onset_threshold', 'frame_threshold', 'refractory')
        if getattr(arguments, name) is not None
    }
    if arguments.recordings is None:
        with tempfile.TemporaryDirectory() as folder:
            return report([render_phrase(Path(folder))], arguments.seconds, thresholds)
    candidates = [arguments.recordings]
    if arguments.recordings.is_dir():
        candidates = sorted(arguments.recordings.iterdir())
    paths = [
        path
        for path in candidates
        if path.suffix in ('.wav', '.flac') and path.with_suffix('.tsv').is_file()
    ]
    if not paths:
        print(
            f'{arguments.recordings} holds no .wav or .flac with a .tsv beside it', file=sys.stderr
        )
        return 1
    return report(paths, arguments.seconds, thresholds)


def render_phrase(folder: Path) -> Path:
    """Render the phrase of the demonstration, with its notes beside it."""
    events = to_timed(parse(bringup.share('demo/fuer_elise.txt').read_text()))
    path = folder / 'fuer_elise.wav'
    write_wav(path, render(events, sample_rate=44100, start=0), 44100)
    notes = [event for event in events if event.kind == 'no']
    np.savetxt(path.with_suffix('.tsv'), notes_of(notes))
    return path


def report(paths: list[Path], seconds: float | None, thresholds: dict[str, float]) -> int:
    """Print a line for each recording and what they come to together."""
    print(
        f'{"":34} {"onset":>6} {"prec.":>6} {"recall":>6} {"on+off":>6} {"error":>6} {"sd":>5} '
        f'{"real":>6} {"p50":>5} {"p99":>5} {"notes":>6}\n'
        f'{"recording":34} {"F1":>6} {"":>6} {"":>6} {"F1":>6} {"ms":>6} {"ms":>5} '
        f'{"time x":>6} {"ms/hop":>11}'
    )
    results = []
    for path in paths:
        results.append(measure(path, seconds, thresholds))
        print(line(results[-1]), flush=True)
    everything = total(results)
    print(line(everything))
    means = np.mean([scores(result) for result in results], axis=0)
    print(f'{"mean of the recordings":34} ' + ' '.join(f'{score:6.3f}' for score in means))
    meant, heard = everything.velocity_pairs.T
    if len(meant) > 1:
        print(
            f'velocity: correlation {np.corrcoef(meant, heard)[0, 1]:.2f}, '
            f'mean error {np.mean(heard - meant):+.1f}, sd {np.std(heard - meant):.1f}'
        )
    latency = StreamingTranscriber(SpectralEstimator()).latency
    print(f'algorithmic latency, sound to event: {latency * 1000:.0f} ms')
    return 0


if __name__ == '__main__':
    sys.exit(main())
