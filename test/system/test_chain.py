# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The whole chain, as a user starts it."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys

import mido
import numpy as np
import soundfile as sf

from graph import Graph, wait_until
from improv_ros.bringup.shared_files import shared_file
from improv_ros.event_text import is_note_on, parse, to_timed
from improv_ros.playing.synth.rendering import render, write_wav
from timing import PATIENCE, promised


def short_recording(folder: Path) -> Path:
    events = to_timed(parse(shared_file('demo/fuer_elise.txt').read_text()))
    samples = render([e for e in events if e.time < 4_500_000_000], start=0)
    write_wav(folder / 'short.wav', samples, 44100)
    return folder / 'short.wav'


def improv(*words: str) -> list[str]:
    return [sys.executable, '-m', 'improv_ros.cli', *words]


def test_the_demonstration_turns_a_recording_into_an_improvisation(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    result = subprocess.run(
        improv(
            'demo',
            '--input',
            str(short_recording(tmp_path)),
            '--out',
            str(out),
            '--page-port',
            '0',
        ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert 'Traceback' not in result.stderr
    figures = dict(
        line.split('  ', 1) for line in result.stdout.splitlines() if line.startswith('notes ')
    )
    # A transcriber that gets too little time passes sound over, as it should.
    assert int(figures['notes heard'].strip()) > promised(10, 2)
    assert int(figures['notes generated'].strip()) > 0

    heard, played = (
        [message for message in track if message.type == 'note_on' and message.velocity]
        for track in mido.MidiFile(out / 'improvisation.mid').tracks
    )
    assert len(heard) == int(figures['notes heard'].strip())
    assert len(played) == int(figures['notes played'].strip()) > 0

    sound, rate = sf.read(out / 'improvisation.wav')
    assert 0.05 < np.abs(sound).max() < 0.99
    for name in ('heard', 'generated'):
        text = parse((out / f'{name}.txt').read_text())
        assert any(map(is_note_on, text.events))
    # Both parts can be heard: while the person plays, and while the robot answers.
    began = to_timed(parse((out / 'heard.txt').read_text()))[0].time
    answer = next(e for e in to_timed(parse((out / 'generated.txt').read_text())) if is_note_on(e))
    first = int((answer.time - began) / 1e9 * rate)
    for part in (sound[:rate], sound[first : first + 2 * rate]):
        assert np.sqrt(np.mean(part**2)) > 0.003
    assert (out / 'improvisation.png').stat().st_size > 10_000
    assert '<canvas id="roll"' in (out / 'improvisation.html').read_text()


def test_a_recording_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    result = subprocess.run(
        improv('demo', '--input', 'nowhere.wav', '--out', str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert 'nowhere.wav' in result.stderr
    assert 'Traceback' not in result.stderr


def test_improv_run_starts_the_chain_and_stops_it_together(graph: Graph) -> None:
    config = graph.folder / 'my.yaml'
    config.write_text(
        f'/**/midi_player:\n  ros__parameters:\n    midi_file: {graph.folder}/played.mid\n'
    )
    recording = short_recording(graph.folder)
    words = ('--input', 'file', '--file', str(recording), '--output', 'file', '--no-page')
    log = graph.folder / 'run.log'
    with log.open('w') as file:
        chain = subprocess.Popen(
            improv('run', *words, '--config', str(config)),
            env={**os.environ, **graph.env},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    wait_until(lambda: any(map(is_note_on, graph.events['played_notes'])), 'an answer')
    chain.send_signal(signal.SIGINT)
    assert chain.wait(PATIENCE) == 0, log.read_text()
    assert 'Traceback' not in log.read_text()
    notes = [m for m in mido.MidiFile(graph.folder / 'played.mid') if m.type == 'note_on']
    assert notes


def test_improv_run_says_what_is_wrong_with_an_argument() -> None:
    result = subprocess.run(
        improv('run', '--input', 'file'), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2
    assert 'file' in result.stderr
