# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Starting the nodes: the chain as data, supervision, discovery, enclaves, shared files."""
