# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""For every process: signals, missing packages, retries, output of native libraries."""
