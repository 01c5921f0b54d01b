# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The live page: what a browser is told of a session, what it may ask for, and its files."""
