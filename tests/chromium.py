"""Headless Chromium for tests that need a browser: Debian's, or what the environment variable CHROMIUM names."""

import os
import shutil
import subprocess

import pytest

# A camera and a microphone that show and say something, and are allowed without asking.
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def chromium():
    """A browser, one for all pages."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "need Chromium: apt-get install chromium, or name one by CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """axe-core's script, by npm."""
    home = tmp_path_factory.mktemp("axe")
    subprocess.run(["npm", "install", "--silent", "--prefix", home, "axe-core@4"], check=True, timeout=300)
    return (home / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
