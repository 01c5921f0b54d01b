# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The vocabulary, the LSTM, its runtimes and sampling."""
