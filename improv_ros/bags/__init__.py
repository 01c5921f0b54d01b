# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Recording and replaying sessions: bags of topics that `ros2 bag` reads, too."""
