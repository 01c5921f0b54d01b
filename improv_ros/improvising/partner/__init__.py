# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Learning what one person plays: adapted output heads, a memory of motifs, kept in profiles."""
