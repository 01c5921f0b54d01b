# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Why a calibration, or a part of it, cannot be made or used."""

from __future__ import annotations


class CalibrationError(Exception):
    """A calibration cannot be made, or cannot be used: a sentence with the remedy."""


class NotFittedError(CalibrationError):
    """The data do not bear a fit: a sentence that says why. The other fits go on."""
