# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The web server of the page: files, downloads and a WebSocket for each browser, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import json
from pathlib import Path
import socket
import threading
import time
from typing import Any, Protocol, cast

from tornado import httpserver, ioloop, netutil, web, websocket
from tornado.iostream import IOStream

from improv_ros.page.access import Access, Rate
from improv_ros.page.feed import Feed
from improv_ros.page.protocol import LONGEST_MESSAGE, ProtocolError, read_command

STATIC = Path(__file__).parent / 'static'
COOKIE = 'improv_page'
MOST_BROWSERS = 64
PER_SECOND, BURST = 200, 400  # messages of one browser
MOST_REFUSED = 100  # messages, after which a browser is sent away
SEND_BUFFER = 1 << 16  # bytes; what a slow browser misses does not queue up in the system either
LOOK_PERIOD = 0.05  # seconds between looks at slow browsers
START_TIMEOUT = 5.0

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' {socket}; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Host(Protocol):
    """What the page is about. All is called in the server's thread, but what says otherwise."""

    def clock(self) -> float:
        """Return the page's time in milliseconds."""

    def frame(self) -> str:
        """Return what is new since the last call, empty if nothing is."""

    def whole(self) -> str:
        """Return the whole state as a frame."""

    def command(self, browser: int, name: str, fields: dict[str, Any]) -> None:
        """Act on a command."""

    def left(self, browser: int) -> None:
        """Note that a browser is gone."""

    def download(self, kind: str) -> tuple[bytes, str, str]:
        """Return (content, file name, content type); in a thread of its own. May raise OSError."""

    def sounds(self) -> Path:
        """Return the file of sounds; in a thread of its own. May raise OSError."""


class Guarded(web.RequestHandler):
    """Lets in who may come, and tells browsers what they may do with the page."""

    def initialize(self, server: PageServer) -> None:
        self.server = server

    def prepare(self) -> None:
        """Refuse a request from elsewhere or without the token."""
        given = self.get_query_argument('token', '')
        token = given or self.get_cookie(self.server.cookie) or ''
        refusal = self.server.access.refusal(self.request.headers, token)
        if refusal:
            self.set_status(403)
            self.set_header('Content-Type', 'text/plain; charset=utf-8')
            self.finish(refusal + '\n')
        elif given and self.server.access.token:
            self.set_cookie(self.server.cookie, given, httponly=True, samesite='Strict')

    def set_default_headers(self) -> None:
        """Forbid all that the page does not need."""
        host = self.request.host
        safe = all(c.isalnum() or c in '.-:[]' for c in host)
        self.set_header(
            'Content-Security-Policy', POLICY.format(socket=f'ws://{host}' if safe else '')
        )
        self.set_header('X-Content-Type-Options', 'nosniff')
        self.set_header('Referrer-Policy', 'no-referrer')
        self.set_header('Cross-Origin-Opener-Policy', 'same-origin')
        self.set_header('Cross-Origin-Resource-Policy', 'same-origin')
        self.set_header('Permissions-Policy', 'camera=(), microphone=(), geolocation=()')
        self.set_header('Cache-Control', 'no-store')
        self.clear_header('Server')

    def write_error(self, status_code: int, **_: Any) -> None:
        """Say no more than the status."""
        self.set_header('Content-Type', 'text/plain; charset=utf-8')
        self.finish(f'{status_code}\n')


class Files(web.StaticFileHandler, Guarded):
    """The files of the page, which hold no secret."""

    def initialize(self, server: PageServer) -> None:  # type: ignore[override]
        Guarded.initialize(self, server)
        web.StaticFileHandler.initialize(self, str(STATIC), 'index.html')

    def set_extra_headers(self, path: str) -> None:
        """Have browsers ask whether a file has changed."""
        self.set_header('Cache-Control', 'no-cache')


class Download(Guarded):
    """The session so far, in one of several forms."""

    async def get(self, kind: str) -> None:
        """Send a file; one at a time is made."""
        content, name, content_type = await self.server.in_thread(self.server.host.download, kind)
        self.set_header('Content-Type', content_type)
        self.set_header('Content-Disposition', f'attachment; filename="{name}"')
        self.finish(content)


class Sounds(Guarded):
    """The sounds of the piano."""

    async def get(self) -> None:
        """Send the bank; it is rendered the first time."""
        path = await self.server.in_thread(self.server.host.sounds)
        self.set_header('Content-Type', 'application/octet-stream')
        self.set_header('Cache-Control', 'private, max-age=86400')
        self.set_etag_header()
        self.finish(await self.server.in_thread(path.read_bytes))


class Socket(websocket.WebSocketHandler, Guarded):
    """One browser."""

    def initialize(self, server: PageServer) -> None:
        Guarded.initialize(self, server)
        self.number = server.next_number()
        self.refused = 0
        self._rate = Rate(PER_SECOND, BURST, time.monotonic())
        self._stream: IOStream | None = None

    def check_origin(self, origin: str) -> bool:
        """The origin was checked with the token."""
        return True

    def open(self, *_: str) -> None:
        """Take the browser in, if there is room."""
        if len(self.server.feed) >= MOST_BROWSERS:
            self.close(1013, 'too many browsers')
            return
        self.set_nodelay(True)
        assert self.ws_connection is not None
        self._stream = cast(IOStream, self.ws_connection.stream)
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.server.join(self)

    def on_message(self, message: str | bytes) -> None:
        """Act on a command, or say why it is refused."""
        now = time.monotonic()
        if not self._rate.allows(now):
            self._refuse('too many messages')
            return
        try:
            name, fields = read_command(message)
        except ProtocolError as reason:
            self._refuse(str(reason))
            return
        self.server.feed.note_life(self, now)
        if name == 'ping':
            self.send(json.dumps({'pong': fields['sent'], 'now': self.server.host.clock()}))
        else:
            self.server.host.command(self.number, name, fields)

    def on_close(self) -> None:
        """Let go of what the browser holds."""
        self.server.leave(self)

    def send(self, frame: str) -> None:
        """Send a frame without waiting."""
        if self._stream is not None and not self._stream.closed():
            self._stream.write(_text_frame(frame.encode()))

    def is_busy(self) -> bool:
        """Tell whether frames still wait to be sent."""
        return self._stream is None or self._stream.writing()

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        if self.refused > MOST_REFUSED:
            self.close(1008, 'too many messages refused')
        elif not self.is_busy():
            self.send(json.dumps({'refused': reason}))


def _text_frame(data: bytes) -> bytes:
    """Return a WebSocket frame (RFC 6455) of one whole text, as a server sends it.

    It is made here because Tornado makes a task for each; with many browsers that is what costs.
    """
    length = len(data)
    if length < 126:
        return b'\x81' + length.to_bytes(1, 'big') + data
    if length < 1 << 16:
        return b'\x81\x7e' + length.to_bytes(2, 'big') + data
    return b'\x81\x7f' + length.to_bytes(8, 'big') + data


class PageServer:
    """Serves the page from a thread of its own, from `start` to `stop`."""

    def __init__(self, address: str, port: int, access: Access, host: Host) -> None:
        self.access = access
        self.host = host
        self.feed = Feed()
        self.port = port
        self.cookie = f'{COOKIE}_{port}'
        self._address = address
        self._numbers = 0
        self._woken = False
        self._due: object | None = None
        self._last_frame = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name='page', daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Begin to serve; raise OSError where the address or the port cannot be had."""
        self._sockets = netutil.bind_sockets(self.port, self._address or 'localhost', backlog=32)
        self.port = self._sockets[0].getsockname()[1]
        self._thread.start()
        self._started.wait(START_TIMEOUT)

    def stop(self) -> None:
        """Close every connection and the server."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_TIMEOUT)
        for one in self._sockets:
            one.close()

    def wake(self) -> None:
        """Have a frame sent soon, from any thread."""
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._schedule)

    @property
    def watched(self) -> int:
        """How many browsers are connected."""
        return len(self.feed)

    def next_number(self) -> int:
        """Return a number for a new browser."""
        self._numbers += 1
        return self._numbers

    def join(self, browser: Socket) -> None:
        """Take in a browser."""
        self.feed.join(browser, time.monotonic())
        self._flush()

    def leave(self, browser: Socket) -> None:
        """Let go of a browser."""
        self.feed.leave(browser)
        self.host.left(browser.number)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run what takes long beside the loop, one at a time."""
        async with self._one_at_a_time:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, function, *arguments)

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._one_at_a_time = asyncio.Lock()
        server = httpserver.HTTPServer(
            self._application(),
            max_header_size=16384,
            max_body_size=1024,
            idle_connection_timeout=30.0,
            body_timeout=5.0,
        )
        server.add_sockets(self._sockets)
        looks = ioloop.PeriodicCallback(self._look, LOOK_PERIOD * 1000)
        looks.start()
        self._loop.call_soon(self._started.set)
        try:
            self._loop.run_forever()
        finally:
            looks.stop()
            server.stop()
            for browser in list(self.feed.silent(0.0, -1e9)):
                browser.close()
            self._loop.run_until_complete(asyncio.sleep(0.05))
            self._end_tasks()
            self._loop.close()

    def _end_tasks(self) -> None:
        assert self._loop is not None
        tasks: list[Awaitable[Any]] = list(asyncio.all_tasks(self._loop))
        for task in tasks:
            task.cancel()  # type: ignore[attr-defined]
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _application(self) -> web.Application:
        mine = {'server': self}
        return web.Application(
            [
                (r'/live', Socket, mine),
                (r'/session\.(mid|wav|txt|mcap)', Download, mine),
                (r'/sounds', Sounds, mine),
                (r'/()', Files, mine),
                (r'/static/([a-z_]+\.(?:js|css|svg|json|html))', Files, mine),
            ],
            log_function=lambda _: None,  # addresses carry the token
            websocket_max_message_size=LONGEST_MESSAGE,
            compress_response=True,
            default_handler_class=NotFound,
            default_handler_args=mine,
        )

    def _schedule(self) -> None:
        assert self._loop is not None
        if self._due is None:
            delay = self._last_frame + self.feed.interval - time.monotonic()
            self._due = self._loop.call_later(max(0.0, delay), self._flush)

    def _flush(self) -> None:
        self._due = None
        self._woken = False
        now = self._last_frame = time.monotonic()
        self.feed.send(self.host.frame(), self.host.whole, now)

    def _look(self) -> None:
        now = time.monotonic()
        if self.feed.waiting:
            self.feed.send('', self.host.whole, now)
        for browser in self.feed.silent(now):
            browser.close()
            self.leave(cast(Socket, browser))


class NotFound(Guarded):
    """Whatever else is asked for."""

    def prepare(self) -> None:
        """Say that there is nothing."""
        self.set_status(404)
        self.finish('404\n')
