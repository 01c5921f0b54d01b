# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Echo cancelling: removes the robot's own notes from the transcription of the microphone."""
