"""How far the nodes look for each other: this machine only, unless the user opens it."""

from __future__ import annotations

from collections.abc import Mapping

RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
LOCALHOST_ONLY = 'ROS_LOCALHOST_ONLY'  # all that Humble knows; later ROS still obeys it
CHOICES = ('auto', 'localhost', 'subnet')


def environment(discovery: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to add to the environment `given` for one of `CHOICES`.

    'auto' is what the environment says, and 'localhost' where it says nothing.
    """
    names = [LOCALHOST_ONLY] if given.get('ROS_DISTRO') == 'humble' else [RANGE, LOCALHOST_ONLY]
    if discovery == 'auto':
        if any(given.get(name) for name in names):
            return {}
        discovery = 'localhost'
    values = {RANGE: discovery.upper(), LOCALHOST_ONLY: str(int(discovery == 'localhost'))}
    # Later ROS warns of the old variable, so it is changed only where it is there.
    return {name: values[name] for name in names if name == names[0] or name in given}
