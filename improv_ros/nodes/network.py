"""What the middleware must be told before a node joins the graph."""

from __future__ import annotations

import os

from improv_ros.bringup import share

# Fast DDS 2, of these distributions, has its own name for the variable, and its own spelling of
# what stands in the file.
FAST_DDS_2 = ('humble', 'iron', 'jazzy')
VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
FILES = ('config/fastdds.xml', 'config/fastdds2.xml')


def recover_losses_soon() -> None:
    """Have Fast DDS send again within milliseconds what a network lost, and notice within 1.5
    seconds that a process died; by default it takes 3 and 20 seconds.

    Call it before `rclpy.init`. Where the user names profiles of their own, these stand.
    """
    if not any(variable in os.environ for variable in VARIABLES):
        old = os.environ.get('ROS_DISTRO') in FAST_DDS_2
        os.environ[VARIABLES[old]] = str(share(FILES[old]))
