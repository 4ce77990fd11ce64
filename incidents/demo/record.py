"""The recorded day: shop_outage.jsonl.

One line is one request, in the order in which the monitoring systems sent the requests: the `source`, and under
`send` one alert or a batch. Two things differ from the wire: the App Key is missing, since each console issues its
own, and a `timestamp` is in seconds before the end of the day, and so negative, since the day ends when the day is
played. A line with a `chapter` begins a part of the story.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOP_OUTAGE = Path(__file__).with_name("shop_outage.jsonl")
JSONDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sending:
    """A recorded request."""

    chapter: str
    source: str
    alerts: tuple[JSONDict, ...]
    is_batch: bool

    def body(self, *, app_key: str, ends_at: int) -> JSONDict:
        """Return the body of the request for a day that ends at `ends_at`, in Unix seconds."""
        alerts = [alert | {"timestamp": ends_at + alert["timestamp"]} for alert in self.alerts]
        return {"app_key": app_key, "alerts": alerts} if self.is_batch else {"app_key": app_key, **alerts[0]}


def read(path: Path = SHOP_OUTAGE) -> Iterator[Sending]:
    """Yield the requests of a recorded day."""
    chapter = ""
    with path.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "chapter" in line:
                chapter = line["chapter"]
                continue
            sent = line["send"]
            is_batch = "alerts" in sent
            yield Sending(chapter, line["source"], tuple(sent["alerts"] if is_batch else [sent]), is_batch)
