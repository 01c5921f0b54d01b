# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A browser without a picture: the page's WebSocket and its files, for tests of the live page."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from typing import Any
from urllib import error, request

import websocket

from graph import Graph, NodeProcess, wait_until


def start_page(graph: Graph, **parameters: Any) -> tuple[NodeProcess, str]:
    """Start the page on a free port; return it and its address."""
    node = graph.start('live_page', page_port=0, recordings=str(graph.folder), **parameters)
    address = wait_until(lambda: re.search(r'live page: (\S+)', node.said), 'an address')
    wait_until(lambda: graph.healthy('live_page'), 'an active page')
    return node, address[1]


def publisher_beside_page(graph: Graph, topic: str) -> Any:
    """Return a publisher that the probe, the page and one more node are connected with."""
    publisher = graph.publisher(topic)
    wait_until(lambda: publisher.get_subscription_count() >= 3, f'all listeners on {topic}')
    return publisher


def fetch(address: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Return the status, the content and the headers of an answer."""
    asked = request.Request(address, headers={k.replace('_', '-'): v for k, v in headers.items()})  # noqa: S310
    try:
        with request.urlopen(asked, timeout=120) as answer:  # noqa: S310
            return answer.status, answer.read(), dict(answer.headers)
    except error.HTTPError as refused:
        return refused.code, refused.read(), dict(refused.headers)


class PageClient:
    """Speaks with the page as a browser does, and keeps what it is told."""

    def __init__(self, address: str, pings: bool = True, **options: Any) -> None:
        base, _, query = address.partition('?')
        url = base.rstrip('/').replace('http', 'ws', 1) + '/live' + (f'?{query}' if query else '')
        options.setdefault('origin', base.rstrip('/'))
        self._socket = websocket.create_connection(url, timeout=30, **options)
        self.frames: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self.events: list[list[Any]] = []
        self.said: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.offset: float | None = None  # of the page's clock from time.monotonic, ms
        self.closed = False
        self._pings = pings
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._pinger = threading.Thread(target=self._ping, daemon=True)
        if pings:
            self._pinger.start()

    def send(self, name: str, **fields: Any) -> None:
        """Send a command."""
        self._socket.send(json.dumps({'do': name, **fields}))

    def send_raw(self, message: str | bytes) -> None:
        """Send whatever it is."""
        self._socket.send(message)

    def key(self, pitch: int, velocity: int) -> None:
        """Press a key now, or release it."""
        self.send('key', pitch=pitch, velocity=velocity, time=self.now())

    def now(self) -> float:
        """Return the page's time in milliseconds."""
        wait_until(lambda: self.offset is not None, 'the clock')
        assert self.offset is not None
        return time.monotonic() * 1000 + self.offset

    def close(self) -> None:
        """Leave."""
        self._pings = False
        with contextlib.suppress(Exception):
            self._socket.close()

    def __enter__(self) -> PageClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ping(self) -> None:
        with contextlib.suppress(Exception):
            while self._pings:
                self.send('ping', sent=time.monotonic() * 1000, seen=0)
                time.sleep(0.5)

    def _read(self) -> None:
        with contextlib.suppress(Exception):
            while text := self._socket.recv():
                self._take(json.loads(text), time.monotonic() * 1000)
        self.closed = True

    def _take(self, frame: dict[str, Any], received: float) -> None:
        if 'pong' in frame:
            self.offset = frame['now'] - (frame['pong'] + received) / 2
            return
        self.frames.append(frame)
        if frame.get('whole'):
            self.events.clear()
        self.events += frame.get('events', [])
        self.facts |= frame.get('facts', {})
        self.said += frame.get('said', [])
        if 'refused' in frame:
            self.refused.append(frame['refused'])
