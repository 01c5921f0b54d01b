"""DDS Security: which enclave of the keystore a node of the chain belongs to."""

from __future__ import annotations

from collections.abc import Mapping

SWITCH = 'ROS_SECURITY_ENABLE'


def enclave_arguments(
    namespace: str, executable: str, environment: Mapping[str, str]
) -> list[str]:
    """Return the ROS arguments that put a node into its enclave, `/NAMESPACE/EXECUTABLE`.

    None where DDS Security is not switched on: ROS itself then looks at no enclave.
    """
    if environment.get(SWITCH) != 'true':
        return []
    return ['--enclave', f'/{namespace.strip("/")}/{executable}']
