# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Claims a namespace, so that no second set of nodes on this machine starts in it."""

from __future__ import annotations

from collections.abc import Mapping
import socket


class ClaimedError(Exception):
    """The namespace is in use: a sentence with the remedy."""


class Claim:
    """Holds a namespace in the ROS domain of an environment until it is closed.

    It is an abstract Unix socket, which has no file and ends with the process, however it ends.
    """

    def __init__(self, namespace: str, environment: Mapping[str, str]) -> None:
        """Claim the namespace; ClaimedError where another process holds it."""
        domain = environment.get('ROS_DOMAIN_ID') or '0'
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(f'\0improv_ros ensemble in domain {domain}: /{namespace.strip("/")}')
        except OSError:
            self.close()
            raise ClaimedError(
                f'nodes are already running in the namespace {namespace.strip("/")}: end them, '
                'choose another namespace (--namespace, or namespace:= with ros2 launch), or let '
                'both use the same topics (--force, or force:=true)'
            ) from None

    def close(self) -> None:
        """Release the namespace."""
        self._socket.close()

    def __del__(self) -> None:
        self.close()
