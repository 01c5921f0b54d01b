# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Robot bodies with physics: a MuJoCo model of each body file, and the drives that move it."""
