"""Tests in this folder drive a real Chromium against a real console: web, worker, beat and broker of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import chromium
from tests.running_console import RunningConsole

HERE = Path(__file__).parent
# Milliseconds until what a page is to show is missed: it may be told five seconds late (streams.MOST_REST).
PATIENCE = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = chromium.missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    with chromium.running() as browser:
        yield browser


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    with RunningConsole.prepared(tmp_path) as console:
        yield console
