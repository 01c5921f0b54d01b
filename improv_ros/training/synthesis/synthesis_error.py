# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0


class SynthesisError(ValueError):
    """A request that cannot be fulfilled; the message gives the reason and the remedy."""
