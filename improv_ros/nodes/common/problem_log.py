# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Logging the problems of a node's parts (outputs, keyboards): each beginning and each end."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.impl.rcutils_logger import RcutilsLogger


class ProblemLog:
    """Logs a problem once when it begins, and once when it ends."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._known: set[str] = set()

    def update(self, problems: Mapping[str, str]) -> None:
        """Log what has changed; `problems` are the present ones, by the name of the part."""
        for name in problems.keys() - self._known:
            self._logger.error(f'{name}: {problems[name]}')
        for name in self._known - problems.keys():
            self._logger.info(f'{name}: the problem is solved')
        self._known = set(problems)
