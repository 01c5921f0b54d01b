# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Write messages from stdin as an MCAP file to stdout: a line is [topic, received (ns), text]."""

from __future__ import annotations

import json
from pathlib import Path
import sys
import tempfile

from rclpy.serialization import serialize_message
from std_msgs.msg import String

from improv_ros.bags.bag_format import STRING
from improv_ros.bags.bag_writer import BagWriter


def main() -> int:
    """Convert all lines."""
    messages = [json.loads(line) for line in sys.stdin if line.strip()]
    with tempfile.TemporaryDirectory(prefix='improv_') as folder:
        bag = BagWriter(Path(folder) / 'session', {topic: STRING for topic, _, _ in messages})
        for topic, received, text in messages:
            bag.write(topic, serialize_message(String(data=text)), received, received)
        bag.close()
        (file,) = Path(folder).glob('session/*.mcap')
        sys.stdout.buffer.write(file.read_bytes())
    return 0


if __name__ == '__main__':
    sys.exit(main())
