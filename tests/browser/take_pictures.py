"""Take pictures of every page: on two screens and a phone, light and dark, in four states of the console.

    python -m tests.browser.take_pictures DIRECTORY [--states normal,long] [--pages alert,incidents:detail] [--screens 1280,phone]

DIRECTORY/index.html shows the pictures side by side, one page in a row. In the state `empty` nothing was ever sent to
the console. `normal` has the demo's day and actions of people. `crowded` adds an incident of 20,000 alerts. `long` has
the longest names and texts in every field.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import urllib.request
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import django

from tests import chromium
from tests.browser.filling import Texts, fill_every_field
from tests.browser.furnishing import furnish
from tests.browser.site_map import SiteMap
from tests.browser.test_main_job import sign_in
from tests.running_console import RunningConsole

SCREENS = {"1280": (1280, 800), "1920": (1920, 1080), "phone": (390, 844)}
THEMES = ("light", "dark")
TALLEST = 3000  # pixels of a page
ALERTS = 20_000
NAME = "eu-central-1-payments-settlement-gateway-blue-canary-deployment-7d9f8b6c54-xk2lp.prod.internal.example.com"
LONG = Texts(
    long=f"{NAME} " + "answers slower than its objective of two hundred milliseconds for nine of ten requests " * 2,
    short=f"Payments settlement and reconciliation {NAME}"[:60],
    url=f"https://runbooks.example.com/teams/payments/{NAME}/what-to-do-when-it-answers-slowly?tab=first-aid&lang=en",
    comment=f"Called the **provider**: {NAME} was moved.\n\n- restart `{NAME}`\n- https://status.example.com/{NAME}\n\n" + "And so on. " * 60,
    tags={f"a_rather_long_name_of_a_tag_{number}": f"{NAME} value {number} " * 4 for number in range(12)},
)  # fmt: skip


def empty(console: RunningConsole) -> list[str]:
    return []


def normal(console: RunningConsole) -> list[str]:
    return [furnish(console)]


def crowded(console: RunningConsole) -> list[str]:
    wallboard = furnish(console)
    token, app_key = (
        console.manage("create_org_token", "SAN", "--all-app-keys"),
        console.manage("create_app_key", "SAN"),
    )
    for start in range(0, ALERTS, 5000):
        alerts = [
            {
                "status": ("critical", "warning", "ok")[number % 3],
                "host": "storage-array-7",
                "check": f"Volume {number}",
            }
            for number in range(start, start + 5000)
        ]
        body = json.dumps({"app_key": app_key, "alerts": alerts}).encode()
        urllib.request.urlopen(
            urllib.request.Request(f"{console.url}/data/v2/alerts", body, {"Authorization": f"Bearer {token}"}),
            timeout=120,
        ).close()
    console.manage("shell", "-c", "from incidents.correlation.worker import correlate_behind; correlate_behind()")
    return [wallboard]


def long(console: RunningConsole) -> list[str]:
    wallboard = furnish(console)
    fill_every_field(console, LONG)
    return [wallboard]


STATES: dict[str, Callable[[RunningConsole], list[str]]] = {
    "empty": empty,
    "normal": normal,
    "crowded": crowded,
    "long": long,
}


def take(page: Any, address: str, file: Path) -> None:
    page.goto(address)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(150)  # what asks for more once it is shown
    width = page.viewport_size["width"]
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})


def take_all(browser: Any, folder: Path, state: str, screens: list[str], wanted: list[str]) -> list[str]:
    """Take the pictures of one state and return the names of its pages."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as data:
        settings = {"CONSOLE_ALERTS_PER_INCIDENT": str(2 * ALERTS)} if state == "crowded" else None
        with RunningConsole(Path(data), settings=settings) as console:
            page = sign_in(browser, console)
            unlinked = STATES[state](console)
            addresses = SiteMap(page, *unlinked).addresses
            names = [name for name in addresses if not wanted or name in wanted]
            (folder / state).mkdir(parents=True, exist_ok=True)
            for screen in screens:
                width, height = SCREENS[screen]
                page.set_viewport_size({"width": width, "height": height})
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    for name in names:
                        take(page, addresses[name], folder / file_of(state, name, screen, theme))
            page.context.close()
    return names


def file_of(state: str, name: str, screen: str, theme: str) -> str:
    return f"{state}/{name.replace(':', '-')}-{screen}-{theme}.png"


def index(names: dict[str, list[str]], screens: list[str]) -> str:
    """Return a page with all pictures."""
    rows = []
    for state, pages in names.items():
        rows.append(f"<h1>{escape(state)}</h1>")
        for name in pages:
            files = [file_of(state, name, screen, theme) for screen in screens for theme in THEMES]
            pictures = "".join(f'<a href="{file}"><img src="{file}" loading="lazy" alt="{file}"></a>' for file in files)
            rows.append(f"<h2>{escape(name)}</h2><p>{pictures}</p>")
    style = "body{font-family:sans-serif}p{display:flex;gap:8px;align-items:start}img{max-width:420px;max-height:420px;border:1px solid #999}"
    return f"<!doctype html><meta charset=utf-8><title>Pictures</title><style>{style}</style>{''.join(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--states", default=",".join(STATES))
    parser.add_argument("--pages", default="")
    parser.add_argument("--screens", default=",".join(SCREENS))
    options = parser.parse_args()
    screens = options.screens.split(",")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    django.setup()  # whose URL map says which pages there are
    names = {}
    with chromium.running() as browser:
        for state in options.states.split(","):
            names[state] = take_all(
                browser, options.directory, state, screens, list(filter(None, options.pages.split(",")))
            )
            print(f"{state}: {len(names[state])} pages", flush=True)
    (options.directory / "index.html").write_text(index(names, screens))
    print(options.directory / "index.html")


if __name__ == "__main__":
    main()
