# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The keyboard node while nobody has activated it."""

from __future__ import annotations

import os
import socket
import time

import rclpy
from rclpy.signals import SignalHandlerOptions

from improv_ros.event_text import TimedEvent, note_off, note_on
from improv_ros.nodes.midi_keyboard import MidiKeyboard
from improv_ros.playing.outputs.port_output import PortOutput

PATIENCE = 20.0  # seconds


def test_what_is_played_while_it_is_inactive_is_not_kept() -> None:
    with socket.create_server(('127.0.0.1', 0)) as probe:
        address = f'socket://127.0.0.1:{probe.getsockname()[1]}'
    arguments = ['--ros-args', '-p', f'ports:={address}', '-p', 'autostart:=false']
    rclpy.init(
        args=arguments,
        domain_id=102 + os.getpid() % 50,
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = MidiKeyboard()
    person = PortOutput(address)
    came: list[TimedEvent] = []
    try:
        node.trigger_configure()
        take = node._keyboards._on_event  # type: ignore[union-attr]
        node._keyboards._on_event = lambda event: (take(event), came.append(event))  # type: ignore
        person.open()
        for pitch in range(100):
            person.send(note_on(0, pitch, 80))
            person.send(note_off(0, pitch))
        deadline = time.monotonic() + PATIENCE
        while not came or came[-1].values[:2] != (99, 0):  # the last release was handled
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert node._received.empty()
        node.trigger_activate()
        person.send(note_on(0, 60, 80))
        while node._received.empty():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert node._received.get().values == (60, 80, 0)
    finally:
        person.close()
        node.leave()
        node.destroy_node()
        rclpy.try_shutdown()
