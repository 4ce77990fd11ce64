"""Which browser the browser leg drives. One that is installed; none is ever downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def path() -> str | None:
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, (*NAMES, MACOS))), None)


def missing() -> str:
    """Why the browser leg cannot run here and how to enable it; empty when it can."""
    if not path():
        return "no Chromium: install it (Debian: apt install chromium) or name one: CHROMIUM=/path/to/chromium"
    if not importlib.util.find_spec("playwright"):
        return "no Playwright: ./console test brings it; elsewhere pip install -e '.[browser-test]'"
    return ""


@contextmanager
def running() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root, as in most containers.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path(), args=arguments)
        yield browser
        browser.close()
