# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Phrases, turn-taking, the style of an answer, playability constraints."""
