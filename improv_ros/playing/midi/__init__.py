# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MIDI ports: ALSA, JACK, TCP sockets; MIDI keyboards."""
