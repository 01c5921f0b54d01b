# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reading model files safely and running them with LiteRT; shared by both networks."""
