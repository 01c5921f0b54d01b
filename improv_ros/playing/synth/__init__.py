# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""FluidSynth in a separate process, and rendering to audio."""
