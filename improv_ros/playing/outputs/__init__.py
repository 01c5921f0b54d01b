# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The outputs of the player, one class with the interface `Output` for each."""
