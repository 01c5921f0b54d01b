# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is missing is told in one sentence, once: native libraries say nothing besides."""

from __future__ import annotations

from pathlib import Path
import time

from graph import Graph, NodeProcess, wait_until
from improv_ros.event_text import note_off, note_on
from improv_ros.playing.synth.rendering import render, write_wav

RETRIES = 5.0  # seconds; after one and after two more each is tried again


def lines_of(node: NodeProcess) -> list[str]:
    return [line for line in node.said.splitlines() if line.strip()]


def test_what_a_machine_lacks_is_told_once_and_by_nobody_else(graph: Graph) -> None:
    # No card, no sound server, no JACK server: whatever this machine has is not found.
    nowhere = str(graph.folder / 'nowhere')
    graph.env.update(
        PULSE_SERVER=f'unix:{nowhere}',
        PULSE_COOKIE=nowhere,
        PIPEWIRE_REMOTE=nowhere,
        JACK_DEFAULT_SERVER='no-such-server',
        ALSA_CARD='99',
    )
    lacking = {
        'midi_player': graph.start('midi_player', outputs='synth'),
        'midi_keyboard': graph.start('midi_keyboard', midi_api='jack'),
    }
    for name, word in (('midi_player', 'no audio device'), ('midi_keyboard', 'no-such-server')):
        wait_until(lambda name=name, word=word: word in graph.says(name), word)
    time.sleep(RETRIES)
    for node in lacking.values():
        (only,) = lines_of(node)
        assert '[ERROR]' in only


def test_a_network_that_begins_to_run_says_nothing_of_its_delegates(graph: Graph) -> None:
    recording = graph.folder / 'note.wav'
    notes = [note_on(0, 60, 90), note_off(500_000_000, 60)]
    write_wav(Path(recording), render(notes, start=0), 44100)
    nodes = [graph.start('transcriber'), graph.start('improviser', mode='solo', seed=1)]
    wait_until(lambda: 'audio received' in graph.figures('transcriber'), 'a transcriber')
    graph.start('microphone', source='file', file=str(recording), min_subscribers=2)
    wait_until(lambda: graph.figures('transcriber').get('audio received', '0') != '0', 'sound')
    wait_until(lambda: graph.events['generated_notes'], 'music')
    for node in nodes:
        assert not [line for line in lines_of(node) if not line.startswith('[')]
