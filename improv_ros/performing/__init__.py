# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From notes to the motions of a robot: which striker plays which note, and when it moves."""
