"""Fixtures for all tests of alerts."""

from __future__ import annotations

import pytest

from alerts.health import inbox


@pytest.fixture(autouse=True)
def _forget_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test without cached watched App Keys."""
    monkeypatch.setattr(inbox, "_watched_read_at", 0.0)
