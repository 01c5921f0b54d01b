# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hides the modules that the variable HIDDEN names, as if they had never been installed."""

from importlib.machinery import PathFinder
import os

_HIDDEN = os.environ.get('HIDDEN', '').split()
_find_spec = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    """Find nothing for a hidden module."""
    return None if name.partition('.')[0] in _HIDDEN else _find_spec(name, path, target)


PathFinder.find_spec = find_spec
