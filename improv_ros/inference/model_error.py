# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The error of a model file."""


class ModelError(ValueError):
    """A model file that cannot be run; the message gives the file, the reason and the remedy."""
