"""Running a trained network from its files: what the networks of all rooms have in common."""
