# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hosts for a test: network namespaces of this machine, joined by a cable with delay and loss."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import ctypes
import os
from pathlib import Path
import socket
import subprocess
import sys
import uuid

CLONE_NEWUTS = 0x04000000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespacesError(Exception):
    """This machine lets us make no network namespaces: says why."""


class Hosts:
    """Namespaces with an address each (10.77.0.1 and so on), and one with the cable in it."""

    def __init__(self, *names: str) -> None:
        self._id = uuid.uuid4().hex[:6]
        self._made: list[str] = []
        self._names = names
        self._wire: subprocess.Popen[str] | None = None
        try:
            self._make('wire')
            self._ip('wire', 'link', 'show')  # some containers let one be made but not entered
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            said = getattr(error, 'stderr', '') or str(error)
            raise NoNamespacesError(f'no network namespaces here: {said.strip()}') from None
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def connect(self, delay: float, loss: float) -> None:
        """Lay the cable: each way takes this many milliseconds, and loses this many percent."""
        script = Path(__file__).with_name('wire.py')
        self._wire = subprocess.Popen(
            ['ip', 'netns', 'exec', self._full('wire'), sys.executable, str(script)]
            + [str(delay), str(loss), *self._names],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._wire.stdout
        assert self._wire.stdout.readline() == 'carrying\n'

    @contextlib.contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Be on a host: what this thread opens and starts meanwhile is there."""
        with contextlib.ExitStack() as way_back:
            for kind in ('net', 'uts'):
                home = way_back.enter_context(open(f'/proc/thread-self/ns/{kind}'))
                way_back.callback(_enter, home.fileno())
            with open(f'/run/netns/{self._full(name)}') as there:
                _enter(there.fileno())
            _checked(_libc.unshare(CLONE_NEWUTS))
            socket.sethostname(name)
            yield

    def close(self) -> None:
        """Leave nothing behind."""
        if self._wire:
            self._wire.kill()
            self._wire.wait()
        for name in self._made:
            subprocess.run(['ip', 'netns', 'delete', name], check=True)

    def _join(self) -> None:
        for number, name in enumerate(self._names, 1):
            self._make(name)
            self._ip('wire', 'link', 'add', name, 'type', 'veth', 'peer', 'eth0')
            self._ip('wire', 'link', 'set', 'eth0', 'netns', self._full(name))
            self._ip('wire', 'link', 'set', name, 'up')
            self._ip(name, 'address', 'add', f'10.77.0.{number}/24', 'dev', 'eth0')
            self._ip(name, 'link', 'set', 'lo', 'up')
            self._ip(name, 'link', 'set', 'eth0', 'up')
            # The cable carries what is sent; a sum left for the hardware would never be made.
            inside = ('ip', 'netns', 'exec', self._full(name))
            self._run(*inside, 'ethtool', '-K', 'eth0', 'tx', 'off')

    def _full(self, name: str) -> str:
        return f'improv-{self._id}-{name}'

    def _make(self, name: str) -> None:
        self._run('ip', 'netns', 'add', self._full(name))
        self._made.append(self._full(name))

    def _ip(self, name: str, *words: str) -> None:
        self._run('ip', '-netns', self._full(name), *words)

    def _run(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, text=True)


def _enter(namespace: int) -> None:
    _checked(_libc.setns(namespace, 0))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def hosts_named(*names: str) -> Iterator[Hosts]:
    """Provide hosts and clean them up."""
    hosts = Hosts(*names)
    try:
        yield hosts
    finally:
        hosts.close()
