#!/usr/bin/env python3
"""Send alerts and deployments to the incident console, or to anything that speaks BigPanda's API. One file, nothing but Python 3.9 or newer.

    import bigpanda

    console = bigpanda.Client(api_token="…", app_key="…", base_url="http://localhost:8000")
    console.alert("crit", "web-1", "HTTP 5xx", description="half of the requests", runbook="https://wiki.example/5xx").send()
    console.send([console.alert("ok", "web-1", "HTTP 5xx"), console.alert("warn", "db-1", "Disk space")])  # one batch
    console.deployment("shop", "1.2", ["web-1", "web-2"], owner="Paul").start().success()

From the command line: `python3 bigpanda.py --help`. A send that is repeated carries the same Idempotency-Key, so
nothing is ever taken twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from typing import Any

__version__ = "3.0"
BASE_URL = "http://localhost:8000"
STATUSES = {
    "ok": "ok",
    "warn": "warning",
    "crit": "critical",
    "ack": "acknowledged",
    "warning": "warning",
    "critical": "critical",
    "acknowledged": "acknowledged",
    "unknown": "unknown",
}
TRY_AGAIN = (429, 500, 502, 503, 504)
LONGEST_PAUSE = 30.0  # seconds between two attempts
BATCH_SIZE = 500  # alerts of the command line's batch that are sent in one request

JSONDict = dict[str, Any]


class NotTaken(Exception):
    """Error for a payload that the console did not accept. `status` is the HTTP status, or 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Alert:
    """An alert; `send()` sends it."""

    def __init__(
        self,
        status: str,
        subject: str,
        check: str | None = None,
        description: str | None = None,
        cluster: str | None = None,
        timestamp: float | None = None,
        primary_attr: str = "host",
        secondary_attr: str = "check",
        client: Client | None = None,
        **tags: Any,
    ) -> None:
        self.status, self.subject, self.check = status, subject, check
        self.description, self.cluster, self.timestamp = description, cluster, timestamp
        self.primary_attr, self.secondary_attr = primary_attr, secondary_attr
        self.tags = tags
        self._client = client
        self.payload()  # raises at once for invalid values

    def payload(self) -> JSONDict:
        """Return the payload. Raise ValueError for invalid values."""
        if self.status not in STATUSES:
            raise ValueError("status must be one of: " + ", ".join(STATUSES))
        if not self.subject:
            raise ValueError("subject can't be empty")
        if not self.primary_attr or (self.check and not self.secondary_attr):
            raise ValueError("the names of the primary and secondary attribute can't be empty")
        sent: JSONDict = {self.primary_attr: str(self.subject), "primary_property": self.primary_attr}
        if self.check:
            sent.update({self.secondary_attr: str(self.check), "secondary_property": self.secondary_attr})
        if self.description:
            sent["description"] = str(self.description)
        if self.cluster:
            sent["cluster"] = str(self.cluster)
        tags = {name: value if isinstance(value, list) else str(value) for name, value in self.tags.items()}
        at = int(self.timestamp if self.timestamp is not None else time.time())
        return {**sent, **tags, "status": STATUSES[self.status], "timestamp": at}

    def send(self) -> Alert:
        _needed(self._client).send(self)
        return self


class Deployment:
    """A version of a component that is rolled out on some hosts: `start()`, then `success()` or `failure("why")`."""

    def __init__(
        self,
        component: str,
        version: str,
        hosts: str | list[str],
        status: str = "start",
        owner: str | None = None,
        env: str | None = None,
        message: str | None = None,
        client: Client | None = None,
    ) -> None:
        self.component, self.version = component, version
        self.hosts = hosts if isinstance(hosts, list) else [hosts]
        self.status, self.owner, self.env, self.message = status, owner, env, message
        self.source_system = "python"
        self._client = client

    def payload(self) -> JSONDict:
        """Return the payload. Raise ValueError for invalid values."""
        if self.status not in ("start", "success", "failure"):
            raise ValueError("status must be one of start, success, failure")
        sent: JSONDict = {"component": self.component, "version": self.version, "hosts": self.hosts}
        if self.status == "start":
            optional = {"owner": self.owner, "env": self.env, "source_system": self.source_system}
            return {**sent, **{name: value for name, value in optional.items() if value}}
        failed = {"errorMessage": str(self.message)} if self.status == "failure" and self.message else {}
        return {**sent, "status": self.status, **failed}

    def send(self) -> Deployment:
        _needed(self._client).send(self)
        return self

    def start(self) -> Deployment:
        self.status = "start"
        return self.send()

    def success(self) -> Deployment:
        self.status = "success"
        return self.send()

    def failure(self, message: str | None = None) -> Deployment:
        self.status, self.message = "failure", message
        return self.send()


class Client:
    """Client of a console with an org token. Alerts need an App Key too. `proxy` is a URL; by default the environment names it."""

    def __init__(
        self,
        api_token: str,
        app_key: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 10,
        max_retries: int = 5,
        suppress_app_key: bool = False,
        proxy: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self.api_token, self.app_key, self.base_url = api_token, app_key, base_url.rstrip("/")
        self.timeout, self.max_retries = timeout, max_retries
        self.suppress_app_key, self.dry_run = suppress_app_key, dry_run
        self.first_pause = 1.0  # seconds
        handlers = [urllib.request.ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
        self._opener = urllib.request.build_opener(*handlers)

    def alert(self, *arguments: Any, **named: Any) -> Alert:
        """Return an alert of this client (see Alert)."""
        return Alert(*arguments, **{**named, "client": self})

    def deployment(self, *arguments: Any, **named: Any) -> Deployment:
        """Return a deployment of this client (see Deployment)."""
        return Deployment(*arguments, **{**named, "client": self})

    def send(self, data: Alert | Deployment | Sequence[Alert]) -> None:
        """Send one alert or deployment, or alerts as one batch. Raise NotTaken."""
        if isinstance(data, Deployment):
            self.post("/data/events/deployments/" + ("start" if data.status == "start" else "end"), data.payload())
        elif isinstance(data, Alert):
            self.post("/data/v2/alerts", {**data.payload(), **self._keyed()})
        elif all(isinstance(each, Alert) for each in data):
            self.post("/data/v2/alerts", {"alerts": [each.payload() for each in data], **self._keyed()})
        else:
            raise TypeError("Batches are for alerts only.")

    def _keyed(self) -> JSONDict:
        if not self.app_key and not self.suppress_app_key:
            raise RuntimeError("app_key is not set")
        return {"app_key": self.app_key} if self.app_key else {}

    def post(self, path: str, payload: JSONDict) -> None:
        """Post a payload, and repeat it while the console cannot be reached or is busy. Raise NotTaken."""
        if self.dry_run:
            print("POST", self.base_url + path)
            print(json.dumps(payload, ensure_ascii=False))
            return
        headers = {
            "Authorization": "Bearer " + self.api_token,
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        request = urllib.request.Request(self.base_url + path, json.dumps(payload).encode(), headers, method="POST")
        for attempt in range(self.max_retries + 1):
            asked = 0.0
            try:
                with self._opener.open(request, timeout=self.timeout):
                    return
            except urllib.error.HTTPError as error:
                with error:
                    refusal = NotTaken(f"refused with {error.code}: {_message(error.read())}", error.code)
                    asked = _seconds(error.headers.get("Retry-After"))
                if error.code not in TRY_AGAIN:
                    raise refusal from None
            except OSError as error:
                refusal = NotTaken(f"cannot be reached: {error}")
            if attempt < self.max_retries:
                longest = min(self.first_pause * 2**attempt, LONGEST_PAUSE)
                time.sleep(max(asked, longest * random.uniform(0.5, 1)))
        raise refusal


def _needed(client: Client | None) -> Client:
    if client is None:
        raise RuntimeError("No client associated. Use Client.send() instead.")
    return client


def _message(reply: bytes) -> str:
    try:
        return "; ".join(json.loads(reply)["errors"])
    except (ValueError, KeyError, TypeError):
        return reply[:200].decode("utf-8", "replace")


def _seconds(asked: str | None) -> float:
    """Return the seconds of a Retry-After header, or None for a date."""
    return float(asked) if asked and asked.isdigit() else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. The exit code is 0 if the console accepted all, 1 for wrong arguments, and 2 otherwise."""
    parser = argparse.ArgumentParser(
        prog="bigpanda.py",
        description="Send an alert to the incident console, or with --batch one for each line of JSON in the input.",
        epilog="Environment: BP_API_TOKEN, BP_APP_KEY, BP_BASE_URL. Exit code: 0 taken, 1 wrong arguments, 2 not taken.",
    )
    parser.add_argument("status", nargs="?", help="ok, warn, crit, ack or unknown")
    parser.add_argument("subject", nargs="?", help="what the alert is about, as a host")
    parser.add_argument("check", nargs="?", help="what is wrong with it")
    parser.add_argument("-d", dest="description")
    parser.add_argument("-c", dest="cluster")
    parser.add_argument("-t", dest="timestamp", type=int, help="Unix time in seconds; now by default")
    parser.add_argument("-e", dest="tags", action="append", default=[], metavar="NAME=VALUE", help="another tag")
    parser.add_argument("-p", dest="primary", default="host", help="name of the tag that holds the subject")
    parser.add_argument("-s", dest="secondary", default="check", help="name of the tag that holds the check")
    parser.add_argument("-x", dest="proxy", help="URL of a proxy")
    parser.add_argument("-r", dest="retries", type=int, default=5, help="how often to try again")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be sent, and send nothing")
    parser.add_argument("--batch", action="store_true", help="read alerts from the input, a JSON object on each line")
    try:
        asked = parser.parse_args(arguments)
    except SystemExit as end:
        return 1 if end.code else 0
    token, app_key = os.environ.get("BP_API_TOKEN", ""), os.environ.get("BP_APP_KEY", "")
    if not asked.dry_run and not (token and app_key):
        print("bigpanda.py: BP_API_TOKEN and BP_APP_KEY must be set", file=sys.stderr)
        return 1
    client = Client(
        token,
        app_key or "APP_KEY",
        os.environ.get("BP_BASE_URL") or BASE_URL,
        max_retries=asked.retries,
        proxy=asked.proxy,
        dry_run=asked.dry_run,
    )
    client.first_pause = float(os.environ.get("BP_RETRY_SECONDS") or client.first_pause)
    try:
        if asked.batch:
            alerts = _lines(sys.stdin)
            for first in range(0, len(alerts), BATCH_SIZE):
                client.post(
                    "/data/v2/alerts", {"app_key": client.app_key, "alerts": alerts[first : first + BATCH_SIZE]}
                )
        else:
            alert = client.alert(
                asked.status or "",
                asked.subject or "",
                asked.check,
                asked.description,
                asked.cluster,
                asked.timestamp,
                asked.primary,
                asked.secondary,
            )
            alert.tags.update(_pair(each) for each in asked.tags)
            alert.send()
    except ValueError as error:
        print(f"bigpanda.py: {error}", file=sys.stderr)
        return 1
    except NotTaken as error:
        print(f"bigpanda.py: {error}", file=sys.stderr)
        return 2
    return 0


def _lines(lines: Any) -> list[JSONDict]:
    alerts = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                alert = json.loads(line)
            except ValueError:
                alert = None
            if not isinstance(alert, dict):
                raise ValueError(f"line {number} of the input is no JSON object")
            alerts.append(alert)
    return alerts


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"-e needs NAME=VALUE, not {text}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
