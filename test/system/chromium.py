# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A real browser for tests: Debian's Chromium without a screen, driven by selenium."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
from pathlib import Path
import shutil
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from graph import wait_until

FLAGS = (
    '--headless=new',
    '--no-sandbox',  # the tests may run as root
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--autoplay-policy=no-user-gesture-required',
    '--force-color-profile=srgb',
)
HARMLESS = ('chrome://', 'favicon', 'static/icon.svg')  # Chromium's own doing


class Browser:
    """A window, with what its page asked for and complained of."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Open a page and wait until it is connected."""
        self.driver.get(address)
        wait_until(lambda: self.js('return window.improv?.link?.connected'), 'a connection')

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a script; return its result."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """Return an element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return the text of an element; empty where there is none."""
        return self.js('return document.querySelector(arguments[0])?.textContent ?? ""', selector)

    def resize(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Make the window as large as some device's."""
        metrics = {
            'width': width,
            'height': height,
            'deviceScaleFactor': scale,
            'mobile': mobile,
        }
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)

    def complaints(self) -> list[str]:
        """Return what stood on the console since it was last asked, warnings and worse."""
        return [
            entry['message']
            for entry in self.driver.get_log('browser')
            if entry['level'] in ('SEVERE', 'WARNING')
            and not any(word in entry['message'] for word in HARMLESS)
        ]

    def hosts(self) -> set[str]:
        """Return the hosts that our pages asked for anything since the last call.

        Chromium opens pages of its own, such as that of a search engine, which are not counted.
        """
        hosts = set()
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] not in ('Network.requestWillBeSent', 'Network.webSocketCreated'):
                continue
            about = message.get('params', {})
            url = about.get('request', {}).get('url') or about.get('url', '')
            page = urlsplit(about.get('documentURL', 'file:'))
            ours = page.scheme == 'file' or page.hostname in ('localhost', '127.0.0.1')
            if url.startswith(('http', 'ws')) and ours:
                hosts.add(str(urlsplit(url).hostname))
        return hosts


@contextlib.contextmanager
def chromium(folder: Path, width: int = 1280, height: int = 800) -> Iterator[Browser]:
    """Provide a browser with a profile of its own."""
    binary, driver_binary = shutil.which('chromium'), shutil.which('chromedriver')
    if not binary or not driver_binary:
        pytest.skip('no Chromium here (Debian: chromium chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f'--user-data-dir={folder}', f'--window-size={width},{height}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    driver = webdriver.Chrome(options=options, service=Service(driver_binary))
    driver.set_page_load_timeout(120)
    driver.set_script_timeout(120)
    browser = Browser(driver)
    browser.resize(width, height)
    try:
        yield browser
    finally:
        driver.quit()
