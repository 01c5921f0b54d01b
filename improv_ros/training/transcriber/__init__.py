# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training, evaluation and tuning of the transcriber."""
