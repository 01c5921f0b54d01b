# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Code that all nodes share: lifecycle, parameters, topics, clocks, latency figures."""
