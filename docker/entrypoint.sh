#!/bin/sh
# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0
# Run a command with ROS 2 and the workspace of the image.
set -e

# shellcheck disable=SC1091 # the workspace is made while the image is built
. "${IMPROV_WORKSPACE:-/workspace}/install/setup.sh"
exec "$@"
