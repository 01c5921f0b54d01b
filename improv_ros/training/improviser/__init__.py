# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Data sets, training and evaluation of the improviser and of its baselines."""
