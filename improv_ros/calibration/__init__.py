# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Calibration to a piano, a room and a microphone, from known notes and their recording."""
