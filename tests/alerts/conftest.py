"""What holds for every test about alerts."""

from __future__ import annotations

import pytest

from alerts.health import inbox


@pytest.fixture(autouse=True)
def _forget_throttles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a process of its own to what is kept in memory."""
    monkeypatch.setattr(inbox, "_watched_read_at", 0.0)
