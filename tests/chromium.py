"""Which browser the browser leg drives. One that is installed; none is ever downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil

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
