# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The policy read as `ros2 security` reads it, and keys made of it by openssl, in its layout."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
import subprocess
import xml.etree.ElementTree as ElementTree

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
NEW_KEY = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-sha256')

GOVERNANCE = """<dds><domain_access_rules><domain_rule>
<domains><id>{domain}</id></domains>
<allow_unauthenticated_participants>false</allow_unauthenticated_participants>
<enable_join_access_control>true</enable_join_access_control>
<discovery_protection_kind>ENCRYPT</discovery_protection_kind>
<liveliness_protection_kind>ENCRYPT</liveliness_protection_kind>
<rtps_protection_kind>SIGN</rtps_protection_kind>
<topic_access_rules><topic_rule>
<topic_expression>*</topic_expression>
<enable_discovery_protection>true</enable_discovery_protection>
<enable_liveliness_protection>true</enable_liveliness_protection>
<enable_read_access_control>true</enable_read_access_control>
<enable_write_access_control>true</enable_write_access_control>
<metadata_protection_kind>ENCRYPT</metadata_protection_kind>
<data_protection_kind>ENCRYPT</data_protection_kind>
</topic_rule></topic_access_rules>
</domain_rule></domain_access_rules></dds>
"""  # what `ros2 security create_keystore` writes

PERMISSIONS = """<dds><permissions><grant name="{enclave}">
<subject_name>CN={enclave}</subject_name>
<validity>
<not_before>2020-01-01T00:00:00</not_before><not_after>2100-01-01T00:00:00</not_after>
</validity>
<allow_rule>
<domains><id>{domain}</id></domains>
<publish><topics>{publish}</topics></publish>
<subscribe><topics>{subscribe}</topics></subscribe>
</allow_rule>
<default>DENY</default>
</grant></permissions></dds>
"""


@dataclass(frozen=True)
class Rights:
    """What one enclave is allowed, in full ROS names, which may have wildcards."""

    publish: frozenset[str]
    subscribe: frozenset[str]
    reply: frozenset[str]
    request: frozenset[str]

    def on_the_wire(self) -> tuple[list[str], list[str]]:
        """Return the DDS topics that may be published and subscribed to."""
        publish = [f'rt{name}' for name in self.publish]
        publish += [f'rr{name}Reply' for name in self.reply]
        publish += [f'rq{name}Request' for name in self.request]
        subscribe = [f'rt{name}' for name in self.subscribe]
        subscribe += [f'rq{name}Request' for name in self.reply]
        subscribe += [f'rr{name}Reply' for name in self.request]
        return sorted(publish), sorted(subscribe)


def granted(rights: frozenset[str], name: str) -> bool:
    """Tell whether a topic or service is among those allowed."""
    return any(fnmatchcase(name, right) for right in rights)


def read_policy(path: Path = POLICY) -> dict[str, Rights]:
    """Return the rights of every enclave; a test fails on anything that is not understood."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == 'policy' and root.attrib == {'version': '0.2.0'}
    policy = {}
    for enclave in root.findall('./enclaves/enclave'):
        (profile,) = enclave.findall('./profiles/profile')
        namespace, node = profile.attrib['ns'].rstrip('/'), profile.attrib['node']
        rights: dict[str, set[str]] = {right: set() for right in Rights.__annotations__}
        for rule in profile:
            kind = rule.tag.removesuffix('s')
            assert rule.tag in ('topics', 'services') and {*rule.attrib.values()} == {'ALLOW'}
            for name in rule.findall(kind):
                word = str(name.text)
                if word.startswith('~'):
                    word = f'{namespace}/{node}{word[1:]}'
                elif not word.startswith('/'):
                    word = f'{namespace}/{word}'
                for right in rule.attrib:
                    rights[right].add(word)
        policy[enclave.attrib['path']] = Rights(**{k: frozenset(v) for k, v in rights.items()})
    return policy


def make_keystore(folder: Path, domain: int) -> Path:
    """Make a keystore with all enclaves of the policy for one domain; return its path."""
    keystore = Keystore(folder, domain)
    for enclave, rights in read_policy().items():
        keystore.add(enclave, rights)
    return folder


class Keystore:
    """A keystore as `ros2 security create_keystore` lays it out, its authority its own."""

    def __init__(self, folder: Path, domain: int) -> None:
        self._folder = folder
        self._domain = domain
        for name in ('public', 'private', 'enclaves'):
            (folder / name).mkdir(parents=True)
        self._cert = folder / 'public' / 'ca.cert.pem'
        self._key = folder / 'private' / 'ca.key.pem'
        _openssl(
            *('req', '-x509', *NEW_KEY, '-days', '10', '-subj', '/CN=sros2CA'),
            *('-addext', 'basicConstraints=critical,CA:true'),
            *('-keyout', self._key, '-out', self._cert),
        )
        governance = folder / 'enclaves' / 'governance.xml'
        governance.write_text(GOVERNANCE.format(domain=domain))
        self._sign(governance)

    def add(self, enclave: str, rights: Rights) -> None:
        """Add an enclave's key, its certificate and its signed permissions."""
        folder = self._folder / 'enclaves' / enclave.strip('/')
        folder.mkdir(parents=True)
        for name in ('identity_ca', 'permissions_ca'):
            (folder / f'{name}.cert.pem').symlink_to(self._cert)
        (folder / 'governance.p7s').symlink_to(self._folder / 'enclaves' / 'governance.p7s')
        request = folder / 'request.pem'
        _openssl(
            *('req', *NEW_KEY, '-subj', '/CN=' + enclave.replace('/', r'\/')),
            *('-keyout', folder / 'key.pem', '-out', request),
        )
        _openssl(
            *('x509', '-req', '-in', request, '-CA', self._cert, '-CAkey', self._key),
            *('-CAcreateserial', '-days', '10', '-sha256', '-out', folder / 'cert.pem'),
        )
        publish, subscribe = (
            ''.join(f'<topic>{name}</topic>' for name in [*names, 'ros_discovery_info'])
            for names in rights.on_the_wire()
        )
        permissions = folder / 'permissions.xml'
        permissions.write_text(
            PERMISSIONS.format(
                enclave=enclave, domain=self._domain, publish=publish, subscribe=subscribe
            )
        )
        self._sign(permissions)

    def _sign(self, path: Path) -> None:
        _openssl(
            *('smime', '-sign', '-text', '-in', path, '-out', path.with_suffix('.p7s')),
            *('-signer', self._cert, '-inkey', self._key),
        )


def _openssl(*words: object) -> None:
    subprocess.run(['openssl', *map(str, words)], check=True, capture_output=True)
