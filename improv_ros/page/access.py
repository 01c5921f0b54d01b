# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who may use the page: tokens, the hosts and origins of requests, and how much they may ask."""

from __future__ import annotations

from collections.abc import Mapping
import hmac
import ipaddress
import os
from pathlib import Path
import secrets

LOOPBACK_NAMES = ('localhost', '127.0.0.1', '::1')


class Access:
    """What a request must bring with it.

    On the loopback address whoever is on this machine may come, but only under its own names, so
    that no site can lead a browser here under a name of its own. Elsewhere, whoever has the token.
    """

    def __init__(self, address: str, token: str = '') -> None:
        self.loopback = is_loopback(address)
        self.token = '' if self.loopback else token
        if not self.loopback and not token:
            raise ValueError('a page on the network needs a token')

    def refusal(self, headers: Mapping[str, str], token: str) -> str:
        """Say why a request is refused; empty where it is not.

        `headers` are those of the request, `token` what its address or its cookie says.
        """
        host = headers.get('Host', '')
        if self.loopback and host_name(host) not in LOOPBACK_NAMES:
            return 'the page is served on this machine only: use http://localhost'
        origin = headers.get('Origin')
        if origin is not None and origin.partition('://')[2] != host:
            return 'the request comes from another site'
        if headers.get('Sec-Fetch-Site', 'none') not in ('same-origin', 'none') and not (
            headers.get('Sec-Fetch-Mode') == 'navigate'
            and headers.get('Sec-Fetch-Dest') == 'document'
        ):
            return 'the request comes from another site'
        if self.token and not hmac.compare_digest(self.token.encode(), token.encode()):
            return 'the token is missing or wrong: use the whole address that the node printed'
        return ''


def is_loopback(address: str) -> bool:
    """Tell whether an address to serve on is reachable from this machine only."""
    if address in ('', 'localhost'):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets."""
    if host.startswith('['):
        return host[1:].partition(']')[0]
    return host.partition(':')[0].lower()


def kept_token(path: Path) -> str:
    """Return the token in a file that only its owner can read, which is made where it is missing.

    Raises OSError where it can be neither read nor made.
    """
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ''
    if len(token) < 16:
        token = secrets.token_urlsafe(18)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as file:
            file.write(token + '\n')
    return token


class Rate:
    """A bound on how often something may happen: `burst` at once, then `per_second`."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = self._left = burst
        self._filled = now

    def allows(self, now: float) -> bool:
        """Tell whether it may happen once more at `now`, seconds of a steady clock."""
        self._left = min(self._burst, self._left + (now - self._filled) * self._per_second)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
