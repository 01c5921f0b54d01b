# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From audio to notes: spectra, network, runtimes, decoder, velocity estimation."""
