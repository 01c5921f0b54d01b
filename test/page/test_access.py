# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who may use the page."""

from __future__ import annotations

from pathlib import Path
import stat

import pytest

from improv_ros.page.access import Access, Rate, host_name, is_loopback, kept_token

HERE = {'Host': 'localhost:8765'}
GIVEN = 'a-token-of-some-length'


@pytest.mark.parametrize('host', ['localhost:8765', '127.0.0.1:8765', '[::1]:8765', 'localhost'])
def test_on_this_machine_its_own_names_need_no_token(host: str) -> None:
    access = Access('localhost')
    assert access.refusal({'Host': host}, '') == ''
    assert access.refusal({'Host': host, 'Origin': f'http://{host}'}, '') == ''


@pytest.mark.parametrize(
    'headers',
    [
        {'Host': 'evil.example'},
        {'Host': 'evil.example:8765', 'Origin': 'http://evil.example:8765'},
        {},
        HERE | {'Origin': 'http://evil.example'},
        HERE | {'Origin': 'null'},
        HERE | {'Origin': 'http://localhost:9999'},
        HERE | {'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors'},
        HERE | {'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'websocket'},
    ],
)
def test_other_sites_and_other_names_are_refused(headers: dict[str, str]) -> None:
    assert Access('localhost').refusal(headers, '')
    assert Access('0.0.0.0', GIVEN).refusal(headers | {'Host': 'x'}, '')  # noqa: S104


def test_a_link_elsewhere_may_lead_to_the_page() -> None:
    headers = HERE | {
        'Sec-Fetch-Site': 'cross-site',
        'Sec-Fetch-Mode': 'navigate',
        'Sec-Fetch-Dest': 'document',
    }
    assert Access('localhost').refusal(headers, '') == ''


def test_on_the_network_only_the_token_opens() -> None:
    access = Access('0.0.0.0', GIVEN)  # noqa: S104
    headers = {'Host': '192.168.1.5:8765', 'Origin': 'http://192.168.1.5:8765'}
    assert access.refusal(headers, GIVEN) == ''
    for wrong in ('', GIVEN[:-1], GIVEN + 'x', 'ü'):
        assert 'token' in access.refusal(headers, wrong)
    assert access.refusal(headers | {'Origin': 'http://evil.example'}, GIVEN)
    with pytest.raises(ValueError, match='token'):
        Access('0.0.0.0')  # noqa: S104


def test_addresses_and_host_names() -> None:
    assert all(map(is_loopback, ('', 'localhost', '127.0.0.1', '127.1.2.3', '::1')))
    assert not any(map(is_loopback, ('0.0.0.0', '::', '192.168.0.1', 'example.org')))  # noqa: S104
    assert [host_name(h) for h in ('a:1', '[::1]:80', 'B', '')] == ['a', '::1', 'b', '']


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / 'state' / 'token'
    token = kept_token(path)
    assert len(token) >= 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_token(path) == token
    path.write_text('short')
    assert kept_token(path) not in ('short', token)


def test_a_rate_bounds_what_comes_for_how_long_soever() -> None:
    rate = Rate(100, 20, now=0.0)
    allowed = sum(rate.allows(i / 1000) for i in range(5000))
    assert 500 <= allowed <= 521
