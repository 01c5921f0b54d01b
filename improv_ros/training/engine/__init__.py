# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The training loop, checkpoints, learning curves and processes, for all networks."""
