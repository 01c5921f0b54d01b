# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MIDI over TCP: senders that connect, leave, hang and send errors."""

import contextlib
import errno
import os
from pathlib import Path
from queue import SimpleQueue
import select
import signal
import socket
import subprocess
import sys
from threading import Event, Thread
import time
import tracemalloc

import mido
import pytest

from improv_ros.event_text import is_note_on, note_off, note_on
from improv_ros.playing.midi import tcp_ports
from improv_ros.playing.midi.keyboard_input import KeyboardInput
from improv_ros.playing.midi.tcp_ports import MAX_MESSAGE_BYTES, MidiParser
from improv_ros.playing.outputs.port_output import SILENCE, PortOutput

PATIENCE = 20.0  # seconds
NOTE_ON = bytes((0x90, 60, 64))

# Receives from a socket, and prints each event.
LISTEN = """
import sys, time
from improv_ros.playing.midi.keyboard_input import KeyboardInput
hear = lambda event: print(event.kind, *event.values, flush=True)
keyboard = KeyboardInput(sys.argv[1], hear)
keyboard.open()
print('ready', flush=True)
time.sleep(1000)
"""


@pytest.fixture
def address():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return f'socket://127.0.0.1:{probe.getsockname()[1]}'


@pytest.fixture
def keyboard(address):
    """A keyboard that listens at the address; `heard` is the queue of its events."""
    heard = SimpleQueue()
    keyboard = KeyboardInput(address, heard.put)
    keyboard.heard = heard
    keyboard.open()
    yield keyboard
    keyboard.close()


@pytest.fixture
def connected(address):
    """Connect a plain socket."""
    with contextlib.ExitStack() as stack:
        host, port = address.removeprefix('socket://').split(':')
        yield lambda: stack.enter_context(socket.create_connection((host, int(port))))


def values(queue, count):
    return [queue.get(timeout=PATIENCE)[1:] for _ in range(count)]


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_new_sender_replaces_a_silent_one(keyboard, connected):
    silent = connected()
    silent.sendall(NOTE_ON)
    assert values(keyboard.heard, 1) == [note_on(0, 60, 64)[1:]]
    newest = connected()
    newest.sendall(bytes((0x90, 62, 64)))
    assert values(keyboard.heard, 2) == [note_off(0, 60)[1:], note_on(0, 62, 64)[1:]]
    # The connection of the sender before is closed, so that it notices.
    assert select.select([silent], [], [], PATIENCE)[0]
    assert silent.recv(1) == b''
    assert keyboard.problem == ''


def test_keepalive_probes_detect_a_sender_whose_host_is_gone(keyboard, connected):
    connected()
    wait_until(lambda: keyboard._port._sender)
    sender = keyboard._port._sender
    assert sender.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, interval, count = (
        sender.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + interval * count < 10


def test_a_failed_accept_is_reported_and_listening_continues(keyboard, connected):
    class Exhausted:
        def __init__(self, server):
            self._server = server
            self.fileno, self.close = server.fileno, server.close

        def accept(self):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    receiver = keyboard._port
    server = receiver._server
    receiver._server = Exhausted(server)
    sender = connected()
    wait_until(lambda: 'Too many open files' in keyboard.problem)
    receiver._server = server
    sender.sendall(NOTE_ON)
    assert values(keyboard.heard, 1) == [note_on(0, 60, 64)[1:]]
    assert keyboard.problem == ''


def test_an_error_in_a_message_is_reported_and_the_next_sender_is_received(address, connected):
    heard = []

    def hear(event):
        if event.values[0] == 61:
            raise RuntimeError('not that one')
        heard.append(event)

    keyboard = KeyboardInput(address, hear)
    keyboard.open()
    try:
        connected().sendall(bytes((0x90, 61, 64)))
        wait_until(lambda: 'not that one' in keyboard.problem)
        connected().sendall(NOTE_ON)
        wait_until(lambda: heard)
        assert heard[0].values == (60, 64, 0)
        assert keyboard.problem == ''
    finally:
        keyboard.close()


def test_an_endless_system_exclusive_takes_no_memory(monkeypatch):
    monkeypatch.setattr(tcp_ports, 'MAX_MESSAGE_BYTES', 1024)
    parser = MidiParser()
    assert list(parser.read(b'\xf0\x7d')) == []
    piece = bytes(500)
    tracemalloc.start()
    try:
        for _ in range(400):
            assert list(parser.read(piece)) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000  # without a limit it would be over a million
    assert [m.type for m in parser.read(b'\x01\xf7' + NOTE_ON)][-1] == 'note_on'


def test_messages_are_parsed_in_chunks_of_any_size():
    exclusive = mido.Message('sysex', data=bytes(MAX_MESSAGE_BYTES // 2)).bin()
    data = NOTE_ON + exclusive + b'\xf8' + bytes((0x80, 60, 0))
    for size in (1, 7, 4096, len(data)):
        parser = MidiParser()
        cut = (data[i : i + size] for i in range(0, len(data), size))
        messages = [message for piece in cut for message in parser.read(piece)]
        assert [m.type for m in messages] == ['note_on', 'sysex', 'clock', 'note_off']
        assert len(messages[1].data) == MAX_MESSAGE_BYTES // 2


def test_note_ons_that_arrived_while_the_process_was_suspended_are_skipped(address):
    process = subprocess.Popen(
        [sys.executable, '-c', LISTEN, address], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    lines = SimpleQueue()
    reader = Thread(target=lambda: [lines.put(line) for line in process.stdout])
    reader.start()
    output = PortOutput(address)
    try:
        assert lines.get(timeout=PATIENCE) == 'ready\n'
        output.open()
        for _ in SILENCE:
            assert lines.get(timeout=PATIENCE).startswith('cc')
        output.send(note_on(0, 60, 64))
        assert lines.get(timeout=PATIENCE) == 'no 60 64 0\n'
        os.kill(process.pid, signal.SIGSTOP)
        stat = Path(f'/proc/{process.pid}/stat')
        wait_until(lambda: stat.read_text().rpartition(')')[2].split()[0] == 'T')
        began = time.monotonic()
        for pitch in range(70, 80):
            output.send(note_on(0, pitch, 64))
            output.send(note_off(0, pitch))
        output.send(note_off(0, 60))
        while time.monotonic() - began < tcp_ports.MAX_AGE + 4 * tcp_ports.POLL_PERIOD:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGCONT)
        assert lines.get(timeout=PATIENCE) == 'no 60 0 0\n'
        assert output.problem == ''
        struck = []
        deadline = time.monotonic() + PATIENCE
        while not struck:
            assert time.monotonic() < deadline
            output.send(note_on(0, 62, 64))  # the first one may be among the skipped note-ons
            time.sleep(0.02)
            later = [lines.get() for _ in range(lines.qsize())]
            struck = [line for line in later if is_note(line)]
        assert struck[0] == 'no 62 64 0\n'
    finally:
        output.close()
        process.kill()
        reader.join()
        process.communicate()


def test_note_ons_are_skipped_that_arrived_between_waiting_and_reading(
    keyboard, connected, monkeypatch
):
    sender = connected()
    sender.sendall(NOTE_ON)
    assert values(keyboard.heard, 1) == [note_on(0, 60, 64)[1:]]
    port, waiting = keyboard._port, Event()
    read = port._read

    def read_late():  # as if the process were suspended just before it reads
        monkeypatch.setattr(port, '_read', read)
        waiting.set()
        time.sleep(tcp_ports.MAX_AGE + 2 * tcp_ports.POLL_PERIOD)
        return read()

    monkeypatch.setattr(port, '_read', read_late)
    sender.sendall(bytes((0x80, 60, 0)))
    assert waiting.wait(PATIENCE)
    for pitch in range(70, 80):
        sender.sendall(bytes((0x90, pitch, 64)))
    assert values(keyboard.heard, 1) == [note_off(0, 60)[1:]]
    struck = []
    deadline = time.monotonic() + PATIENCE
    while not struck:
        assert time.monotonic() < deadline
        sender.sendall(bytes((0x90, 62, 64)))  # the first one may be among the skipped note-ons
        time.sleep(0.02)
        events = [keyboard.heard.get() for _ in range(keyboard.heard.qsize())]
        struck = [event for event in events if is_note_on(event)]
    assert struck[0][1:] == note_on(0, 62, 64)[1:]


def is_note(line):
    kind, *values = line.split()
    return kind == 'no' and int(values[1]) > 0
