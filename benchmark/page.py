# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Four measurements of the live page on this machine, each with real nodes and real sockets:

* in headless Chromium, from the publication of a note on `heard_notes` to the painted frame, and
  from a key on the page to its message on `heard_notes`;
* the processor time of the page without a browser, with one and with 20, at 160 notes per second;
* the lateness of the player without the page, and with it and ten browsers;
* the cost of one frame with 2,000 notes, the size of the files and the time to the first picture.

The latencies include the error of the mapping between the clocks, which is measured beside them.
What is compared is measured in turns, each second turn in the opposite order; the median of the
turns counts. The last table compares the results with the bars.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
import contextlib
import json
from multiprocessing import get_context
import os
from pathlib import Path
import random
import shutil
import statistics
import tempfile
import time
from typing import Any, NamedTuple

from std_msgs.msg import String

from benchmark.harness import Column, Result, option
from benchmark.process_usage import usage_of
from improv_ros.bringup.chain_spec import NodeSpec
from improv_ros.bringup.ensemble import Ensemble
from improv_ros.event_text import (
    StreamReader,
    StreamWriter,
    TimedEvent,
    is_note_on,
    note_off,
    note_on,
)
from improv_ros.nodes.common.node_thread import NodeThread
from improv_ros.nodes.common.note_topics import NOTES_QOS
from improv_ros.page.web import STATIC

SECOND = 1_000_000_000
PORT = 8799
ADDRESS = f'http://localhost:{PORT}'
NOTES_PER_SECOND = 160
BROWSERS = (0, 1, 20)
FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
)
PAGE = NodeSpec('live_page', {'page_port': PORT})

processes = get_context('spawn')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option(parser, '--notes', 300, 'notes of each latency')
    option(parser, '--seconds', 8.0, 'length of each measurement in a turn, in seconds')
    option(parser, '--turns', 3, 'turns of the load, and of the player')


def run(arguments: argparse.Namespace, result: Result) -> None:
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    result.note(f'The load average at the start was {os.getloadavg()[0]:.1f}.')
    with tempfile.TemporaryDirectory() as folder, Bench(Path(folder)) as bench:
        bars = [
            *measure_latency(bench, arguments.notes, result),
            measure_load(bench, arguments.turns, arguments.seconds, result),
            measure_player(bench, arguments.turns, arguments.seconds, result),
        ]
    table = result.table(
        'The bars',
        Column('what', width=58),
        Column('measured', '.1f'),
        Column('bar', '.1f'),
        'met',
    )
    for bar in bars:
        table.add(bar.what, bar.measured, bar.most, 'yes' if bar.measured <= bar.most else 'no')


class Bar(NamedTuple):
    """What was measured, and the most that it may be."""

    what: str
    measured: float
    most: float


class Bench(NodeThread):
    """A node that plays and listens, and nodes of the chain in processes of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__('bench', 'improv')
        self.folder = folder
        self.arrivals: dict[str, list[tuple[int, TimedEvent]]] = {}
        self._writers = {t: StreamWriter() for t in ('heard_notes', 'generated_notes')}
        self._publishers = {
            topic: self.node.create_publisher(String, topic, NOTES_QOS) for topic in self._writers
        }
        for topic in ('heard_notes', 'played_notes'):
            self._listen(topic)

    def now(self) -> int:
        """Return ROS time in nanoseconds."""
        return self.node.get_clock().now().nanoseconds

    def publish(self, topic: str, *events: TimedEvent) -> None:
        """Publish events as one message."""
        for text in self._writers[topic].write(events):
            self._publishers[topic].publish(String(data=text))

    @contextlib.contextmanager
    def chain(self, *nodes: NodeSpec) -> Iterator[dict[str, int]]:
        """Run nodes; provide the process ids by name."""
        ensemble = Ensemble(nodes, log_level='error')
        ensemble.start()
        try:
            for node in nodes:
                topic = {'live_page': 'heard_notes', 'midi_player': 'generated_notes'}
                self._await_listener(topic[node.executable], node.executable)
            yield ensemble.pids()
        finally:
            ensemble.stop()

    def _await_listener(self, topic: str, name: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.node.get_subscriptions_info_by_topic(f'/improv/{topic}')
            if any(endpoint.node_name == name for endpoint in found):
                time.sleep(1.0)  # until the two ends have met
                return
            time.sleep(0.1)
        raise RuntimeError(f'{name} did not come up')

    def _listen(self, topic: str) -> None:
        reader = StreamReader()
        arrivals = self.arrivals[topic] = []

        def receive(message: String) -> None:
            now = self.now()
            with contextlib.suppress(ValueError):
                arrivals.extend((now, event) for event in reader.read(message.data))

        self.node.create_subscription(String, topic, receive, NOTES_QOS)


# -- latency ---------------------------------------------------------------------------------


def measure_latency(bench: Bench, notes: int, result: Result) -> list[Bar]:
    """Measure the way to the screen and back, and what a frame costs."""
    table = result.table(
        'Latency in the browser',
        Column('from', width=34),
        Column('notes', 'd'),
        Column('p50, ms', '.1f', 9),
        Column('p95, ms', '.1f', 9),
        Column('max, ms', '.1f', 9),
    )
    with bench.chain(PAGE), chromium() as driver:
        began = time.monotonic()
        driver.get(f'{ADDRESS}/?measure=1&range=21-108')
        while not driver.execute_script('return improv.clock.samples.length >= 20'):
            if time.monotonic() > began + 60:
                raise RuntimeError('the page was not connected within 60 s')
            time.sleep(0.2)
        for n in range(notes):
            pitch = 21 + n % 88
            bench.publish('heard_notes', note_on(bench.now(), pitch, 64))
            time.sleep(random.uniform(0.02, 0.05))
            bench.publish('heard_notes', note_off(bench.now(), pitch))
            time.sleep(0.01)
        time.sleep(1.0)
        measured = driver.execute_script('return improv.measured')
        shown = [painted - due for _, _, _, velocity, due, _, painted in measured if velocity]
        add_row(table, 'topic to painted frame', shown)
        came = [arrived - due for _, _, _, velocity, due, arrived, _ in measured if velocity]
        add_row(table, 'topic to browser', came)

        arrivals = bench.arrivals['heard_notes']
        arrivals.clear()
        driver.execute_async_script(
            """
            const [notes, done] = arguments;
            let n = 0;
            const step = () => {
              if (n >= 2 * notes) return done();
              const pitch = 21 + (n >> 1) % 88;
              if (n % 2) improv.player.release('bench');
              else improv.player.press('bench', pitch, 64);
              n += 1;
              setTimeout(step, 15 + 20 * Math.random());
            };
            step();
            """,
            notes,
        )
        time.sleep(0.5)
        back = [(now - e.time) / 1e6 for now, e in arrivals if is_note_on(e)]
        add_row(table, 'key on the page to heard_notes', back)
        trip = driver.execute_script('return improv.clock.roundTrip')
        result.note(
            f'The shortest round trip of a ping was {trip:.1f} ms; the clocks may differ by half.'
        )
        costs = driver.execute_script(
            """
            improv.score.clear();
            const now = improv.clock.now();
            for (let i = 0; i < 2000; i += 1) {
              const start = now - 5000 + 2 * i;
              improv.score.take(['h', 'n', 21 + (i * 7) % 88, 30 + i % 90, start], now);
              improv.score.take(['h', 'n', 21 + (i * 7) % 88, 0, start + 120], now);
            }
            const costs = [];
            for (let i = 0; i < 60; i += 1) {
              const began = performance.now();
              improv.roll.draw(improv.clock.now());
              costs.push(performance.now() - began);
            }
            return [improv.roll.drawn, costs];
            """
        )
        painted = driver.execute_script(
            "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
        )
    size = sum(file.stat().st_size for file in STATIC.iterdir())
    result.note(
        f'A frame with {costs[0]} notes takes {statistics.median(costs[1]):.1f} ms to draw (p50; '
        f'worst of {len(costs[1])}: {max(costs[1]):.1f} ms) without a graphics processor.'
    )
    if painted is None:
        raise RuntimeError('the browser does not tell when the first picture stood')
    result.note(f'The first picture stood after {painted:.0f} ms.')
    result.note(f'The files of the page have {size / 1000:.0f} kB together.')
    return [
        Bar('topic to painted frame, p50, ms', at(shown, 0.5), 35.0),
        Bar('topic to painted frame, p95, ms', at(shown, 0.95), 60.0),
        Bar('key on the page to heard_notes, p50, ms', at(back, 0.5), 15.0),
        Bar('first picture, ms', painted, 1000.0),
        Bar('files of the page, kB', size / 1000, 300.0),
    ]


def at(values: list[float], share: float) -> float:
    """Return the percentile of values; share: 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def add_row(table: Any, name: str, values: list[float]) -> None:
    """Add the percentiles of latencies in milliseconds."""
    if not values:
        raise RuntimeError(f'{name}: nothing was measured')
    table.add(name, len(values), *(at(values, share) for share in (0.5, 0.95, 1)))


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Provide a browser without a screen."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver_binary = shutil.which('chromium'), shutil.which('chromedriver')
    if not binary or not driver_binary:
        raise RuntimeError('no Chromium: apt install chromium chromium-driver')
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f'--user-data-dir={profile}', '--window-size=1280,800'):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(driver_binary))
        driver.set_script_timeout(300)
        try:
            yield driver
        finally:
            driver.quit()


# -- load ------------------------------------------------------------------------------------


def measure_load(bench: Bench, turns: int, seconds: float, result: Result) -> Bar:
    """Measure the processor time of the page with so many browsers."""
    shares: dict[int, list[float]] = {count: [] for count in BROWSERS}
    memories, frame_rates = dict.fromkeys(BROWSERS, 0.0), dict.fromkeys(BROWSERS, 0.0)
    with bench.chain(PAGE) as pids:
        for turn in range(turns):
            for count in BROWSERS[:: -1 if turn % 2 else 1]:
                with watchers(count) as frames:
                    feed(bench, 2.0)
                    before, frames_before = usage_of(pids['live_page']), frames.value
                    feed(bench, seconds)
                    after = usage_of(pids['live_page'])
                    shares[count].append(100 * (after.seconds - before.seconds) / seconds)
                    memories[count] = after.memory
                    frame_rates[count] = (frames.value - frames_before) / seconds / max(1, count)
    table = result.table(
        f'Load of the page at {NOTES_PER_SECOND} notes per second, {turns} turns',
        Column('browsers', 'd'),
        Column('of a core, %', '.1f', 12),
        Column('lowest', '.1f', 8),
        Column('highest', '.1f', 8),
        Column('memory, MiB', '.0f', 11),
        Column('frames per second and browser', '.1f', 29),
    )
    for count, found in shares.items():
        spread = statistics.median(found), min(found), max(found)
        table.add(count, *spread, memories[count], frame_rates[count])
    one, many = shares[1], shares[BROWSERS[-1]]
    beyond = [more - first for more, first in zip(many, one, strict=True)]
    return Bar(
        f'{BROWSERS[-1]} browsers beyond the first, % of a core', statistics.median(beyond), 10.0
    )


def feed(bench: Bench, seconds: float) -> None:
    """Publish notes in real time."""
    began = time.monotonic()
    n = 0
    while n < seconds * NOTES_PER_SECOND:
        now = bench.now()
        pitch = 21 + n % 88
        bench.publish('heard_notes', note_on(now, pitch, 64), note_off(now + SECOND // 10, pitch))
        n += 1
        time.sleep(max(0.0, began + n / NOTES_PER_SECOND - time.monotonic()))


@contextlib.contextmanager
def watchers(count: int) -> Iterator[Any]:
    """Provide so many browsers without a picture; the value counts their frames."""
    frames = processes.Value('q', 0)
    ready = processes.Event()
    process = processes.Process(target=watch, args=(count, frames, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError('the browsers did not connect')
        yield frames
    finally:
        process.terminate()
        process.join()


def watch(count: int, frames: Any, ready: Any) -> None:
    """Connect, in a process of its own, and take what comes."""
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    async def one() -> None:
        request = HTTPRequest(f'ws://localhost:{PORT}/live', headers={'Origin': ADDRESS})
        connection = await websocket_connect(request)
        asyncio.get_running_loop().create_task(ping(connection))
        while (message := await connection.read_message()) is not None:
            if not str(message).startswith('{"pong"'):
                frames.value += 1

    async def ping(connection: Any) -> None:
        while True:
            connection.write_message(json.dumps({'do': 'ping', 'sent': 0, 'seen': 0}))
            await asyncio.sleep(1.0)

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(2.0)
        ready.set()
        await asyncio.gather(*tasks, asyncio.sleep(1e6))

    asyncio.run(all_of_them())


# -- the player ------------------------------------------------------------------------------


def measure_player(bench: Bench, turns: int, seconds: float, result: Result) -> Bar:
    """Measure how late notes are played, without the page and with it."""
    table = result.table(
        'Lateness of the player',
        Column('turn', 'd'),
        Column('beside it', width=24),
        Column('notes', 'd'),
        Column('p50, ms', '.2f', 9),
        Column('p95, ms', '.2f', 9),
        Column('p99, ms', '.2f', 9),
        Column('max, ms', '.2f', 9),
    )
    file: dict[str, object] = {'outputs': 'file', 'midi_file': str(bench.folder / 'played.mid')}
    p95: dict[bool, list[float]] = {False: [], True: []}
    with bench.chain(NodeSpec('midi_player', file)):
        for turn in range(turns):
            for with_page in (False, True)[:: -1 if turn % 2 else 1]:
                with page_and_browsers(bench) if with_page else contextlib.nullcontext():
                    time.sleep(2.0)
                    late = lateness(bench, seconds)
                name = 'the page, ten browsers' if with_page else 'no page'
                table.add(turn + 1, name, len(late), *(at(late, s) for s in (0.5, 0.95, 0.99, 1)))
                p95[with_page].append(at(late, 0.95))
    more = statistics.median(p95[True]) - statistics.median(p95[False])
    noise = max(p95[False]) - min(p95[False])
    return Bar(
        'lateness, p95, that the page adds, ms; bar: range of turns without it', more, noise
    )


@contextlib.contextmanager
def page_and_browsers(bench: Bench) -> Iterator[None]:
    """Run the page with ten browsers."""
    with bench.chain(PAGE), watchers(10):
        yield


def lateness(bench: Bench, seconds: float, per_second: int = 50) -> list[float]:
    """Have notes played; return how late each was, in milliseconds."""
    played = bench.arrivals['played_notes']
    played.clear()
    due: dict[int, list[int]] = {}
    began = time.monotonic()
    for n in range(round(seconds * per_second)):
        at = bench.now() + SECOND // 4
        pitch = 21 + n % 88
        due.setdefault(pitch, []).append(at)
        bench.publish(
            'generated_notes', note_on(at, pitch, 64), note_off(at + SECOND // 20, pitch)
        )
        time.sleep(max(0.0, began + (n + 1) / per_second - time.monotonic()))
    time.sleep(1.0)
    late = []
    for _, event in played:
        if is_note_on(event):
            waiting = due[event.values[0]]
            late.append((event.time - waiting.pop(0)) / 1e6)
    return late
