# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The live page without a browser: real nodes, and what goes over its socket."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
import random
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import mido
import pytest
import soundfile as sf
from std_msgs.msg import String
import websocket

from graph import NAMESPACE, Graph, free_port, wait_until
from improv_ros.bags.bag_reader import read_bag
from improv_ros.event_text import StreamWriter, is_note_on, note_off, note_on, parse
from improv_ros.page.web import STATIC
from page_client import PageClient, fetch, publisher_beside_page, start_page
from test_improviser_node import play_phrase, set_parameter

SECOND = 1_000_000_000
LARGEST = 300_000  # bytes of all files together


def test_the_files_are_few_small_and_ask_nothing_of_elsewhere(graph: Graph) -> None:
    _, address = start_page(graph)
    files = sorted(STATIC.iterdir())
    assert sum(file.stat().st_size for file in files) < LARGEST
    for file in files:
        status, content, headers = fetch(f'{address}/static/{file.name}')
        assert (status, content) == (200, file.read_bytes())
        policy = headers['Content-Security-Policy']
        assert "default-src 'none'" in policy and 'unsafe' not in policy
        links = re.findall(rb'https?://[^\s"\'`$]+', content)
        assert {*links} <= {b'http://www.w3.org/2000/svg', b'http://localhost'}
        assert b'innerHTML' not in content and b'eval(' not in content
        assert not re.search(rb'<script(?![^>]*src)|\son\w+=|style="', content)
    status, content, headers = fetch(f'{address}/')
    assert status == 200 and b'static/main.js' in content
    assert headers['X-Content-Type-Options'] == 'nosniff'
    for nothing in ('static/../live_page.py', 'static/%2e%2e/web.py', 'static/', 'nothing'):
        assert fetch(f'{address}/{nothing}')[0] in (403, 404)


def test_a_key_is_heard_by_all_and_released_when_its_browser_goes(graph: Graph) -> None:
    _, address = start_page(graph)
    heard = graph.events['heard_notes']
    with PageClient(address) as other, PageClient(address) as mine:
        before = graph.now()
        mine.key(60, 90)
        mine.send('pedal', value=127, time=mine.now())
        wait_until(lambda: len(heard) == 2, 'the key and the pedal')
        assert heard[0].values == (60, 90, 0) and heard[1].values == (0, 64, 127)
        assert -SECOND // 10 < heard[0].time - before < SECOND
        for source in ('h', 'c'):
            wait_until(lambda s=source: [s, 'n', 60, 90] in [e[:4] for e in other.events], source)
    wait_until(lambda: len(heard) == 4, 'the release')
    assert [event.values for event in heard[2:]] == [(60, 0, 0), (0, 64, 0)]
    confirmed = graph.events['confirmed_notes']
    wait_until(lambda: len(confirmed) == 4, 'the same on the other topic')
    assert [event.values for event in confirmed] == [event.values for event in heard]


def test_what_nobody_is_going_to_confirm_is_shown_as_confirmed(graph: Graph) -> None:
    _, address = start_page(graph)
    publisher = graph.publisher('heard_notes')
    with PageClient(address) as client:
        publisher.publish(String(data=StreamWriter().write([note_on(graph.now(), 62, 50)])[0]))
        wait_until(lambda: len(client.events) >= 2, 'the note, twice')
        shown = [event[:4] for event in client.events]
        assert shown == [['h', 'n', 62, 50], ['c', 'n', 62, 50]]


@pytest.mark.nightly
def test_a_connection_that_hangs_is_let_go_of_and_leaves_no_note(graph: Graph) -> None:
    _, address = start_page(graph)
    hanging = PageClient(address)
    hanging.key(64, 80)
    wait_until(lambda: graph.events['heard_notes'], 'the key')
    hanging._pings = False  # it neither speaks nor closes
    wait_until(lambda: len(graph.events['heard_notes']) == 2, 'the release', 60)


def test_another_site_and_another_name_are_refused(graph: Graph) -> None:
    _, address = start_page(graph)
    port = urlsplit(address).port
    for options in (
        {'origin': 'http://evil.example'},
        {'host': f'evil.example:{port}', 'origin': f'http://evil.example:{port}'},
    ):
        with pytest.raises(websocket.WebSocketBadStatusException, match='403'):
            PageClient(address, **options)
    assert fetch(f'{address}/session.mid', Sec_Fetch_Site='cross-site')[0] == 403
    assert fetch(f'{address}/', Host='evil.example')[0] == 403


def test_on_the_network_the_token_is_asked_for_and_is_in_no_log(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.env['XDG_STATE_HOME'] = str(graph.folder / 'state')
    node, address = start_page(graph, page_address='0.0.0.0')  # noqa: S104
    _, _, token = address.partition('token=')
    assert len(token) >= 20
    local = f'http://127.0.0.1:{urlsplit(address).port}'
    for path in ('/', '/session.mid', '/sounds', '/?token=wrong'):
        status, content, _ = fetch(local + path)
        assert status == 403 and token.encode() not in content
    with pytest.raises(websocket.WebSocketBadStatusException, match='403'):
        PageClient(local)
    status, _, headers = fetch(f'{local}/?token={token}')
    assert status == 200
    cookie = headers['Set-Cookie']
    assert 'HttpOnly' in cookie and 'SameSite=Strict' in cookie
    assert fetch(f'{local}/session.txt', Cookie=cookie.partition(';')[0])[0] == 200
    with PageClient(f'{local}?token={token}', pings=True) as client:
        wait_until(lambda: client.facts, 'a state')
    assert node.leave() < 5
    assert node.said.count(token) == 1
    logs = [path for path in (graph.folder / 'ros_log').rglob('*') if path.is_file()]
    assert not any(token in path.read_text(errors='replace') for path in logs)


def test_what_is_hostile_is_refused_by_name_and_does_no_harm(graph: Graph) -> None:
    node, address = start_page(graph)
    with PageClient(address) as client:
        for message in ('{"do":"reboot"}', 'nonsense', '{"do":"set","parameter":"x"}'):
            client.send_raw(message)
        wait_until(lambda: len(client.refused) == 3, 'refusals')
        assert 'reboot' in client.refused[0] and 'value' in client.refused[2]
        client.send('set', parameter='seed', value=1)
        wait_until(lambda: client.said, 'that it is nothing to set')
        assert 'seed' in client.said[0]['words']
    with PageClient(address) as client:
        client.send_raw('x' * 100_000)
        wait_until(lambda: client.closed, 'the end of one that sends too much')
    dice = random.Random(1)
    for _ in range(4):
        with PageClient(address) as client:
            try:
                for _ in range(400):
                    start = (
                        b'{"do":"key","pitch":60,"velocity":1,"time":'
                        if dice.random() < 0.5
                        else b''
                    )
                    client.send_raw(start + dice.randbytes(dice.randrange(40)))
            except (OSError, websocket.WebSocketException):
                pass
            wait_until(lambda client=client: client.closed, 'the end of one that talks nonsense')
    with PageClient(address) as flood:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            for n in range(3000):
                flood.send('key', pitch=60, velocity=n % 2, time=0)
        wait_until(lambda: flood.closed, 'the end of a flood')
    assert len(graph.events['heard_notes']) < 1500
    with PageClient(address) as client:
        client.key(72, 60)
        wait_until(lambda: graph.events['heard_notes'][-1].values[0] == 72, 'a key as ever')
    assert node.process.poll() is None
    assert 'Traceback' not in node.said


def test_raw_bytes_on_the_port_do_no_harm(graph: Graph) -> None:
    node, address = start_page(graph)
    dice = random.Random(2)
    for n in range(60):
        with socket.create_connection(('localhost', urlsplit(address).port), timeout=5) as raw:
            head = b'GET /live HTTP/1.1\r\nHost: localhost\r\n' if n % 2 else b''
            try:
                raw.sendall(head + dice.randbytes(dice.randrange(1, 3000)))
            except OSError:
                continue
    with PageClient(address) as client:
        client.key(60, 60)
        wait_until(lambda: graph.events['heard_notes'], 'a key as ever')
    assert node.process.poll() is None


def test_a_slow_browser_is_shown_the_newest_state_and_costs_no_memory(graph: Graph) -> None:
    node, address = start_page(graph)
    publisher = graph.publisher('heard_notes')
    url = urlsplit(address)
    slow = socket.create_connection(('localhost', url.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(
        f'GET /live HTTP/1.1\r\nHost: localhost:{url.port}\r\nUpgrade: websocket\r\n'
        'Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
        'Sec-WebSocket-Version: 13\r\n\r\n'.encode()
    )
    writer = StreamWriter()

    def memory() -> int:
        fields = Path(f'/proc/{node.process.pid}/statm').read_text().split()
        return int(fields[1]) * os.sysconf('SC_PAGE_SIZE')

    with PageClient(address) as quick:
        wait_until(lambda: quick.facts, 'a state')
        sent = 0
        sizes = []
        for burst in range(60):
            now = graph.now()
            events = [note_on(now, 30 + n % 60, 64) for n in range(500)]
            for text in writer.write(events):
                publisher.publish(String(data=text))
            sent += len(events)
            time.sleep(0.05)
            if burst in (29, 59):
                sizes.append(memory())
        # A busy machine makes the quick one slow for a moment: it is then shown the newest state.
        wait_until(
            lambda: (
                any(frame.get('whole') for frame in quick.frames[1:])
                or sum(e[1] == 'n' and e[3] > 0 for e in quick.events) >= sent
            ),
            'all of it at the quick one',
        )
    slow.close()
    assert sizes[1] - sizes[0] < 30_000_000  # of which the session kept for download is most


def test_a_page_that_hangs_changes_nothing_in_the_music(graph: Graph) -> None:
    page, address = start_page(graph)
    graph.start('midi_player', outputs='file', midi_file=str(graph.folder / 'played.mid'))
    wait_until(lambda: graph.healthy('midi_player'), 'a player')
    publisher = publisher_beside_page(graph, 'generated_notes')
    writer = StreamWriter()
    played = graph.events['played_notes']

    def play(count: int) -> None:
        played.clear()
        for n in range(count):
            at = graph.now() + SECOND // 4
            events = [note_on(at, 60 + n % 12, 64), note_off(at + SECOND // 50, 60 + n % 12)]
            publisher.publish(String(data=writer.write(events)[0]))
            time.sleep(0.01)
        wait_until(lambda: sum(map(is_note_on, played)) == count, 'every note')

    with PageClient(address, pings=False):
        play(50)
        page.process.send_signal(signal.SIGSTOP)
        try:
            play(300)  # more than fits between the page and the player's topics
        finally:
            page.process.send_signal(signal.SIGCONT)
        wait_until(lambda: graph.healthy('live_page'), 'the page again')
    page.kill()
    play(50)


def test_what_is_set_anywhere_is_shown_and_what_is_refused_says_why(graph: Graph) -> None:
    _, address = start_page(graph)
    graph.start('improviser', seed=1)
    with PageClient(address) as client:
        shown = wait_until(lambda: client.facts.get('parameters'), 'the parameters')
        assert shown['mode']['choices'] == ['respond', 'accompany', 'solo']
        assert (shown['pause']['low'], shown['pause']['high']) == (0.1, 10.0)
        assert shown['max_polyphony']['whole'] and '[s]' in shown['pause']['words']

        def value(name: str) -> object:
            return client.facts['parameters'][name]['value']

        client.send('set', parameter='pause', value=2)
        wait_until(lambda: value('pause') == 2.0, 'a pause set by the page')
        assert set_parameter(graph, 'temperature', 1.25).successful
        wait_until(lambda: value('temperature') == 1.25, 'a temperature set elsewhere')
        client.send('set', parameter='pause', value=99)
        refused = wait_until(lambda: [s for s in client.said if not s['good']], 'a refusal')
        assert 'pause' in refused[0]['words'] and '10' in refused[0]['words']
        client.send('set', parameter='mode', value='jazz')
        wait_until(lambda: any('jazz' in s['words'] for s in client.said), 'a refusal')
        assert value('mode') == 'respond'


@pytest.mark.nightly
def test_a_killed_node_is_shown_as_gone_and_back(graph: Graph) -> None:
    _, address = start_page(graph)
    improviser = graph.start('improviser', temperature=0.5)
    with PageClient(address) as client:

        def level() -> int | None:
            return client.facts.get('node improviser', {}).get('level')

        wait_until(lambda: level() == 0, 'the improviser')
        wait_until(lambda: client.facts.get('parameters'), 'its parameters')
        improviser.kill()
        wait_until(lambda: level() == 3, 'that it is gone')
        graph.start('improviser', temperature=1.5)
        wait_until(lambda: level() == 0, 'that it is back')
        wait_until(
            lambda: client.facts['parameters']['temperature']['value'] == 1.5, 'what it has now'
        )


def test_actions_reach_the_robot_and_the_ring_closes_before_the_answer(graph: Graph) -> None:
    _, address = start_page(graph)
    graph.start('improviser', seed=1, pause_mode='fixed', pause=1.0, shortest_answer=8.0)
    graph.start('midi_player', outputs='file', midi_file=str(graph.folder / 'played.mid'))
    publisher = publisher_beside_page(graph, 'heard_notes')
    generated = graph.events['generated_notes']
    with PageClient(address) as client:
        wait_until(lambda: client.facts.get('parameters'), 'the parameters')
        wait_until(lambda: graph.healthy('midi_player'), 'a player')

        def turns() -> list[str]:
            return [
                f['facts']['turn']['state'] for f in client.frames if 'turn' in f.get('facts', {})
            ]

        play_phrase(graph, publisher, StreamWriter())
        wait_until(lambda: 'answering' in turns(), 'an answer')
        ring = next(
            f['facts']['turn']
            for f in client.frames
            if f.get('facts', {}).get('turn', {}).get('state') == 'pausing'
        )
        assert ring['until'] - ring['since'] == pytest.approx(1000, abs=1)
        wait_until(lambda: sum(map(is_note_on, generated)) >= 3, 'notes')
        client.send('act', action='again')
        wait_until(lambda: any('again' in s['words'] and s['good'] for s in client.said), 'again')
        wait_until(lambda: any(event.kind == 'cl' for event in generated), 'the end of the first')
        cleared = len(generated)
        wait_until(lambda: sum(map(is_note_on, generated[cleared:])) >= 2, 'the second')
        second = next(event.time for event in generated[cleared:] if is_note_on(event))
        wait_until(lambda: graph.now() > second, 'that a note has sounded')
        client.send('act', action='keep')
        wait_until(lambda: any('as heard' in s['words'] for s in client.said), 'keep')
        client.send('act', action='panic')
        wait_until(lambda: any('silenced' in s['words'] for s in client.said), 'panic')
        wait_until(lambda: client.facts['turn']['state'] == 'stopped', 'the stop')
        assert '“panic” on the page' in client.facts['turn']['words']
        client.send('act', action='forget')
        wait_until(lambda: any('forgotten' in s['words'] for s in client.said), 'forget')


def test_nothing_is_heard_in_the_words_of_the_diagnostics(graph: Graph) -> None:
    _, address = start_page(graph)
    graph.start('microphone', source='file', file='nowhere.wav')
    with PageClient(address) as client:
        wait_until(lambda: client.facts.get('turn', {}).get('state') == 'deaf', 'that it is deaf')
        assert client.facts['turn']['words'].startswith('nothing is heard: ')
        assert 'nowhere.wav' in client.facts['turn']['words']


def test_what_a_calibration_asks_a_person_for_is_shown(graph: Graph) -> None:
    _, address = start_page(graph)
    publisher = graph.probe.create_publisher(DiagnosticArray, '/diagnostics', 10)
    asked = 'press single keys softly: 3 of 24 heard, 60 s left'
    status = DiagnosticStatus(name='improv: calibration', message=asked)

    def is_shown() -> bool:
        publisher.publish(DiagnosticArray(status=[status]))
        return client.facts.get('turn', {}).get('words') == asked

    with PageClient(address) as client:
        wait_until(is_shown, 'the request')
        wait_until(
            lambda: 'press' not in client.facts['turn']['words'], 'that the calibration has ended'
        )


def test_the_level_is_shown_while_somebody_watches_and_holds_no_recording_up(
    graph: Graph,
) -> None:
    sound = graph.folder / 'silent_then_loud.wav'
    sf.write(sound, 16000 * [0.0] + [0.9 * (-1) ** (n // 40) for n in range(16000)], 16000)
    _, address = start_page(graph)
    graph.start('transcriber', model='spectral')
    graph.start('microphone', source='file', file=str(sound), loop=True)

    def listeners() -> int:
        return graph.probe.count_subscribers(f'{NAMESPACE}/audio')

    def hears() -> bool:
        status = graph.diagnostics.get('transcriber')
        return status is not None and status.level != DiagnosticStatus.ERROR

    wait_until(hears, 'a transcriber')
    assert listeners() == 2  # the probe and the transcriber, nobody else
    with PageClient(address) as client:
        for levels in (range(-3, 1), range(-90, -89), range(-3, 1)):
            wait_until(
                lambda levels=levels: (client.facts.get('level') or {}).get('peak') in levels,
                f'a level of {levels}',
            )
    wait_until(lambda: listeners() == 2, 'that the page listens no longer')


def test_a_robot_s_body_is_shown_with_what_it_keeps(graph: Graph) -> None:
    _, address = start_page(graph)
    graph.start('robot_performer', body='marimba_arms')
    wait_until(lambda: graph.healthy('robot_performer'), 'a performer', 90)
    publisher = publisher_beside_page(graph, 'generated_notes')
    with PageClient(address) as client:
        at = graph.now() + 2 * SECOND
        events = [note_on(at, 60, 80), note_off(at + SECOND // 5, 60), note_on(at, 10, 80)]
        publisher.publish(String(data=StreamWriter().write(events)[0]))
        wait_until(lambda: client.facts.get('body'), 'its joints')
        assert client.facts['body']['joints'] == ['left_rail', 'right_rail']
        assert all(len(point) == 3 for point in client.facts['body']['points'])
        wait_until(lambda: any(e[0] == 's' for e in client.events), 'its strikes')
        wait_until(
            lambda: any(e[0] == 'b' and e[2] == 60 and e[3] for e in client.events),
            'the note that it keeps',
        )


def test_the_session_so_far_in_every_form(graph: Graph) -> None:
    _, address = start_page(graph)
    publisher = graph.publisher('heard_notes')
    play_phrase(graph, publisher, StreamWriter())
    with PageClient(address) as client:
        wait_until(lambda: sum(e[0] == 'h' for e in client.events) == 10, 'the phrase')
    status, content, headers = fetch(f'{address}/session.mid')
    assert status == 200 and 'attachment' in headers['Content-Disposition']
    file = mido.MidiFile(file=io.BytesIO(content))
    assert len([m for m in file if m.type == 'note_on' and m.velocity]) == 5
    text = parse(fetch(f'{address}/session.txt')[1])
    assert sum(event.kind == 'no' for event in text.tracks[0]) == 10
    samples, rate = sf.read(io.BytesIO(fetch(f'{address}/session.wav')[1]))
    assert abs(samples).max() > 0.01 and 1.0 < len(samples) / rate < 10.0
    bag = graph.folder / 'session.mcap'
    bag.write_bytes(fetch(f'{address}/session.mcap')[1])
    assert [m.topic for m in read_bag(bag).messages] == [f'{NAMESPACE}/heard_notes']
    assert fetch(f'{address}/session.exe')[0] == 404


def test_recording_on_and_off(graph: Graph) -> None:
    _, address = start_page(graph)
    with PageClient(address) as client:
        client.send('record', on=True)
        path = wait_until(lambda: client.facts.get('recording'), 'a recording')

        def recorded() -> int:
            client.key(60, 70)
            client.key(60, 0)
            time.sleep(0.1)
            return len(read_bag(Path(path)).messages) if any(Path(path).glob('*.mcap')) else 0

        wait_until(lambda: recorded() >= 2, 'a note in the bag')
        client.send('record', on=False)
        wait_until(lambda: not client.facts['recording'], 'its end')
        before = len(read_bag(Path(path)).messages)
        assert before >= 2
        assert recorded() == before


@pytest.mark.nightly
def test_sounds_are_rendered_once(graph: Graph) -> None:
    graph.env['XDG_CACHE_HOME'] = str(graph.folder / 'cache')
    _, address = start_page(graph)
    _, bank, _ = fetch(f'{address}/sounds')
    length = int.from_bytes(bank[:4], 'little')
    index = json.loads(bank[4 : 4 + length])['sounds']
    assert len(bank) < 8_000_000
    assert len(index) == 90 and index[-1][2] + index[-1][3] == len(bank) - 4 - length
    cached = {path: path.stat().st_mtime_ns for path in (graph.folder / 'cache').rglob('*.*')}
    assert cached
    assert fetch(f'{address}/sounds')[1] == bank
    assert cached == {path: path.stat().st_mtime_ns for path in cached}
    offset, size = index[40][2:]
    sound, rate = sf.read(io.BytesIO(bank[4 + length + offset :][:size]))
    assert 0.02 < abs(sound).max() <= 1.0 and len(sound) / rate > 1.0


def test_a_port_that_is_taken_is_named_and_waited_for(graph: Graph) -> None:
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        node = graph.start('live_page', page_port=port, page_address='127.0.0.1')
        wait_until(lambda: f'port {port}' in graph.says('live_page'), 'the reason')
        assert 'page_port' in graph.says('live_page')
    wait_until(lambda: graph.healthy('live_page'), 'the page, when the port is free')
    assert f'live page: http://localhost:{port}' in node.said


def test_make_demo_live_needs_nothing_but_a_browser(graph: Graph) -> None:
    port = free_port()
    words = ['demo', '--live', '--out', str(graph.folder / 'out'), '--page-port', str(port)]
    log = graph.folder / 'demo.log'
    with log.open('w') as file:
        demo = subprocess.Popen(
            [sys.executable, '-m', 'improv_ros.cli', *words],
            env={**os.environ, **graph.env},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f'http://localhost:{port}'
        wait_until(lambda: f'live page: {address}' in log.read_text(), 'the address', 90)
        with PageClient(address) as client:
            wait_until(lambda: client.facts.get('parameters'), 'an improviser', 90)
            wait_until(
                lambda: client.facts.get('node midi_player', {}).get('level') == 0, 'a player', 90
            )
            for pitch in (60, 64, 67, 72):
                client.key(pitch, 80)
                time.sleep(0.1)
                client.key(pitch, 0)
            wait_until(
                lambda: any(e[0] == 'p' and e[3] for e in client.events), 'an answer, played'
            )
        demo.send_signal(signal.SIGINT)
        assert demo.wait(15) == 0, log.read_text()
        assert 'Traceback' not in log.read_text()
        assert mido.MidiFile(graph.folder / 'out' / 'robot.mid').length > 0
    finally:
        demo.kill()
