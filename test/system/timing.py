# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How long a test waits: patiently, or for no longer than the documentation promises."""

from __future__ import annotations

import os

PATIENCE = 60.0  # seconds; generous, for a busy machine
TIMED = bool(os.environ.get('IMPROV_TIMING'))  # set by `make timing`, on a quiet machine


def promised(seconds: float, otherwise: float = PATIENCE) -> float:
    """Return a deadline in seconds: the promised one for `make timing`, else a generous one."""
    return seconds if TIMED else otherwise
