# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What RViz and Foxglove show: bodies as URDF, and a keyboard with the notes to come."""
