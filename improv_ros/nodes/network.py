"""What the middleware must be told before a node joins the graph."""

from __future__ import annotations

import os

from improv_ros.bringup import share

# Fast DDS 3 and 2 each have a variable, and spell what stands in the file in their own way.
PROFILES = {
    'FASTDDS_DEFAULT_PROFILES_FILE': 'config/fastdds.xml',
    'FASTRTPS_DEFAULT_PROFILES_FILE': 'config/fastdds2.xml',
}


def recover_losses_soon() -> None:
    """Have Fast DDS send again within milliseconds what a network lost, by default seconds later.

    Call it before `rclpy.init`. Where the user names profiles of their own, these stand.
    """
    if not PROFILES.keys() & os.environ.keys():
        os.environ.update({variable: str(share(file)) for variable, file in PROFILES.items()})
