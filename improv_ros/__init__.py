# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""improv_ros: a robot that listens to a pianist and improvises an answer."""

__version__ = '0.1.0'
