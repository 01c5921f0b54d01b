# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The microphone and the keyboard are chosen on the live page while the robot plays on."""

from __future__ import annotations

from pathlib import Path

import mido.sockets
import numpy as np
import pytest
import soundfile as sf

from fixtures_audio import VirtualMicrophone, virtual_microphone  # noqa: F401
from graph import Graph, free_port, wait_until
from improv_ros.event_text import is_note_on
from improv_ros.nodes.common.audio_topic import audio_chunk
from page_client import PageClient, start_page

RATE = 44100
TONES = {'first_room': 440.0, 'second_room': 1000.0}  # Hz, by the name of the microphone
SINKS = {'first_room': 'virtmic', 'second_room': 'other'}
SECONDS = 240.0  # of each tone; longer than the test


@pytest.fixture
def two_microphones(
    virtual_microphone: VirtualMicrophone,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Provide the devices of TONES, which ALSA finds by these names; in each its tone sounds."""
    virtual_microphone.add('other')
    alsa = tmp_path / 'alsa.conf'
    devices = [
        f'pcm.{name} {{ type pulse device {sink}.monitor }}\n' for name, sink in SINKS.items()
    ]
    alsa.write_text(''.join(devices))
    monkeypatch.setenv('ALSA_CONFIG_PATH', f'/usr/share/alsa/alsa.conf:{alsa}')
    times = np.arange(round(SECONDS * RATE)) / RATE
    for name, hertz in TONES.items():
        wav = tmp_path / f'{name}.wav'
        sf.write(wav, 0.3 * np.sin(2 * np.pi * hertz * times), RATE)
        virtual_microphone.play(wav, SINKS[name])


def heard_tone(graph: Graph) -> float:
    """Return the frequency that is strongest in the last 0.3 s of audio, in Hz."""
    chunks = [audio_chunk(message) for message in list(graph.chunks)[-30:]]
    samples = np.concatenate([chunk.samples[:, 0] for chunk in chunks]).astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * chunks[-1].sample_rate / len(samples))


def start_solo(graph: Graph) -> None:
    """Start a robot that plays all the time."""
    graph.start('improviser', mode='solo', seed=1)
    graph.start('midi_player', outputs='file', midi_file=str(graph.folder / 'played.mid'))
    wait_until(lambda: played(graph) > 3, 'the robot')


def played(graph: Graph) -> int:
    """Return how many notes the robot has played."""
    return sum(map(is_note_on, list(graph.events['played_notes'])))


# The sound server needs over 5 s to answer where it gets too little processor time.
@pytest.mark.flaky(reruns=1)
@pytest.mark.usefixtures('two_microphones')
def test_another_microphone_is_heard_and_the_robot_plays_on(graph: Graph) -> None:
    _, address = start_page(graph)
    graph.start('microphone', source='device', device='first_room')
    start_solo(graph)

    def hears(name: str) -> bool:
        return len(graph.chunks) > 30 and abs(heard_tone(graph) - TONES[name]) < 20

    wait_until(lambda: hears('first_room'), 'the first tone')
    with PageClient(address) as client:
        wait_until(
            lambda: client.facts.get('chosen', {}).get('microphone') == 'first_room', 'the choice'
        )

        def lists_both() -> bool:
            client.facts.pop('devices', None)
            client.send('devices')  # a busy machine may not find them within the time for it
            found = wait_until(lambda: client.facts.get('devices'), 'a list of devices')
            return {*TONES} <= {*found['microphone']}

        wait_until(lists_both, 'both microphones')
        before = played(graph)
        client.send('choose', kind='microphone', names='second_room')
        wait_until(lambda: hears('second_room'), 'the second tone')
        wait_until(lambda: client.facts['chosen']['microphone'] == 'second_room', 'that it shows')
        wait_until(lambda: played(graph) > before + 3, 'that the robot plays on')
        assert not [event for event in graph.events['generated_notes'] if event.kind == 'cl']
        client.send('choose', kind='microphone', names='third_room')
        wait_until(lambda: 'third_room' in graph.says('microphone'), 'that it is missing')
        client.send('choose', kind='microphone', names='first_room')
        wait_until(lambda: graph.healthy('microphone'), 'the first one again')
        wait_until(lambda: hears('first_room'), 'the first tone again')


def test_another_keyboard_is_heard_and_no_key_of_the_first_hangs(graph: Graph) -> None:
    ports = [free_port(), free_port()]
    names = [f'socket://localhost:{port}' for port in ports]
    _, address = start_page(graph)
    node = graph.start('midi_keyboard', ports=names[0])
    wait_until(lambda: graph.healthy('midi_keyboard'), 'a keyboard')
    start_solo(graph)
    heard = graph.events['heard_notes']

    def strike(port: int, pitch: int) -> mido.sockets.SocketPort:
        keyboard = mido.sockets.connect('localhost', port)
        keyboard.send(mido.Message('note_on', note=pitch, velocity=70))
        wait_until(lambda: any(e.values[:2] == (pitch, 70) for e in list(heard)), f'key {pitch}')
        return keyboard

    first = strike(ports[0], 60)
    with PageClient(address) as client:
        wait_until(lambda: client.facts.get('chosen', {}).get('keyboards') == names[0], 'a choice')
        before = played(graph)
        client.send('choose', kind='keyboards', names=names[1])
        wait_until(lambda: any(e.values[:2] == (60, 0) for e in list(heard)), 'its release')
        wait_until(lambda: node.said.count(': active') == 2, 'the other keyboard')
        second = strike(ports[1], 62)
        wait_until(lambda: client.facts['chosen']['keyboards'] == names[1], 'that it shows')
        wait_until(lambda: played(graph) > before + 3, 'that the robot plays on')
    first.close()
    second.close()
