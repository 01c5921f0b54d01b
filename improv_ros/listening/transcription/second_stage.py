# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The sizes of the second stage of the transcriber's network, readable without Keras."""

from improv_ros.listening.transcription.estimator import OUTPUTS

LATE_TAPS = (0, 2, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20)
"""How many hops ago the reports of the first stage are that the second stage reads."""

LATE_PAST = max(LATE_TAPS)
"""Hops that the second stage looks back, and the longest late delay."""

REPORT_CHANNELS = 24
"""Features per key and hop that the first stage passes to the second."""

LATE_UNITS = 64

LATE_CHANNELS = REPORT_CHANNELS + len(OUTPUTS)
"""Values kept per key and hop: the report, and the logits of the longest early delay."""
