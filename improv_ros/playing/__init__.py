# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Playing events at their times: the player, its outputs, MIDI ports and the synthesiser."""


class PlayingError(RuntimeError):
    """A port, synthesiser, soundfont or file cannot be used; the message names it and a remedy."""
