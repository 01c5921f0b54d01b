"""Sessions kept: what went over the topics, in bags that `ros2 bag` reads too."""
