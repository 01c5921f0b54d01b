# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The nodes, one module for each. They connect topics, parameters and services to the rooms."""
