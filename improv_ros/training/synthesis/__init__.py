# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Made-up recordings of pianos in rooms, with the truth about every note in them."""
