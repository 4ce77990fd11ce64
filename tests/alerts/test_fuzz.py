"""Any bytes of a sender get no 5xx reply, and every error reply is JSON with a message for every known client.

Requests go to a web process over HTTP. A request depends on its number alone, so that any request can be repeated.
`FUZZ_REQUESTS=50000 pytest -o faulthandler_timeout=0 …` plays the long run, `FUZZ_FIRST=123 FUZZ_REQUESTS=1` one
request of it.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import re
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

from tests.alerts.test_senders_at_once import PREPARE, REPORT, Console, console

__all__ = ["console"]  # the fixture
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
Chance = random.Random

# --- requests

FIELDS = [
    *(
        "app_key",
        "status",
        "timestamp",
        "host",
        "service",
        "application",
        "device",
        "check",
        "sensor",
        "description",
        "cluster",
    ),
    *(
        "incident_identifier",
        "primary_property",
        "secondary_property",
        "seconday_property",
        "alerts",
        "",
        " ",
        "tag",
        "response",
    ),
]
TEXTS = [
    *(
        "",
        " ",
        "ok",
        "critical",
        "OK ",
        "web-1",
        "host",
        "check",
        "0",
        "null",
        "true",
        "[]",
        "{}",
        "\x00",
        "a\x00b",
        "\x7f\x1b[31m",
        "\u202eabc",
    ),
    *(
        "\ud800",
        "\udc00\ud800",
        "\U0001f4a5" * 40,
        "ﷺ" * 600,
        "e\u0301" * 300,
        "İ",
        "ß",
        "\ufeff",
        "\u2028",
        "%00",
        "%s%n",
        "${jndi:x}",
    ),
    *(
        "'; DROP TABLE alerts_alert; --",
        "<script>",
        "http://",
        "../../etc/passwd",
        "x" * 5000,
        "9" * 5000,
        "1e999",
        "-1",
        "NaN",
    ),
    *(
        "2024-02-30T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999999-23:59",
        "2024-01-01",
        "2024-W01-1",
        "1700000000",
    ),
    *("20240101T000000Z", "2024-01-01T24:00:00Z", "١٧٠٠٠٠٠٠٠٠", "1_7", "infinity", "0x10", "1" * 400),
]
NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1",
        "1.5",
        "1700000000",
        "1700000000000",
        "1e11",
        "1e12",
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
    *(
        "9223372036854775808",
        "-9223372036854775809",
        "1" * 309,
        "1" * 400,
        "-" + "1" * 400,
        "1" * 4000,
        "1" * 4001,
        "1" * 6000,
        "0." + "1" * 6000,
    ),
    *("253402300800", "-62135596801", "1e18", "99999999999", "100000000001"),
]
CHARSETS = [
    "utf-8",
    "utf8",
    "utf-16",
    "utf-7",
    "latin-1",
    "rot13",
    "base64",
    "zlib",
    "idna",
    "punycode",
    "unicode_escape",
    "nonsense",
    '"',
    "\x80",
]
TYPES = [
    *(
        "application/json",
        "text/plain",
        "",
        "nonsense",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
    ),
    *(
        "application/json; charset=",
        ";",
        "application/json" + "; a=b" * 200,
        "*/*",
        "application/octet-stream",
        "\xff\xfe",
    ),
]
VERBS = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"]
ODD_HEADERS = {
    "Content-Encoding": [
        "gzip",
        "x-gzip",
        "GZIP",
        "identity",
        "deflate",
        "br",
        "gzip, gzip",
        "",
        "\xff",
        "utf-8",
        "aws-chunked",
    ],
    "Accept": [
        "text/html",
        "",
        "\xff",
        "application/xml;q=nan",
        "*/*;q=" + "9" * 400,
        "a" * 2000,
        "application/json; indent=99999999",
    ],
    "X-App-Key": ["", "\xff", "0" * 32, "x" * 5000, "{}", "null"],
    "X-BP-App-Key": ["", "\xe9\x80"],
    "Authorization": [
        *(
            "",
            "Bearer",
            "Bearer ",
            "bearer x",
            "Basic eDp5",
            "Bearer \xff",
            "Bearer " + "x" * 5000,
            "Bearer a b c",
            "Token x",
            "\xe2",
            "Bearer\tx",
        ),
    ],
    "Cookie": [
        "sessionid=\xff",
        "sessionid=" + "x" * 4000,
        ";;;=",
        'csrftoken="',
        "messages=W10:1:x",
        "sessionid='; --",
    ],
    "Host": ["", "evil.example", "127.0.0.1:99999", "[::1", "a b", "\xff", "127.0.0.1."],
    "X-Forwarded-For": ["\xff", "1.2.3.4, ::1"],
    "X-Forwarded-Host": ["evil.example"],
    "X-HTTP-Method-Override": ["DELETE", "\xff"],
    "Idempotency-Key": ["", "\xff", "x" * 5000, "a", "a"],
    "Accept-Language": ["\xff", "de;q=x"],
    "If-Modified-Since": ["\xff", "yesterday"],
    "If-None-Match": ["*", "\xff"],
    "Range": ["bytes=0-0"],
    "Origin": ["null", "http://evil.example"],
    "Referer": ["\xff"],
    "Expect": ["100-continue"],
    "HX-Request": ["true", "\xff"],
    "HX-Current-URL": ["\xff", "http://[", "%"],
    "HX-Current-URL-URI-AutoEncoded": ["true"],
    "HX-Trigger-URI-AutoEncoded": ["true"],
}
QUERIES = [
    *(
        b"",
        b"access_token=",
        b"access_token=%00",
        b"access_token=%ff%fe",
        b"access_token=%ED%A0%80",
        b"access_token",
        b"access_token[]=x",
        b"=",
    ),
    *(
        b"access_token=x&access_token=y",
        b"&" * 300,
        b"a=1&" * 1200,
        b"app_key=%ff",
        b"app_key=%00",
        b"app_key=&app_key=",
        b"%=%&%zz=%u1234",
    ),
    *(
        b"access_token=" + b"x" * 6000,
        b"format=xml",
        b"format=api",
        b"_method=DELETE",
        b"app_key=" + b"%F0%9F%92%A5" * 300,
    ),
]
PATHS = [
    b"/data/v2/alerts/",
    b"/data/",
    b"/data/%00",
    b"/data/%ff",
    b"/data/../alerts",
    b"/oim/x/alerts",
    b"/data//v2//alerts",
    b"/data/v2/alerts;x=1",
]


@dataclass
class FuzzedRequest:
    kind: str
    method: str
    target: bytes
    headers: list[tuple[str, str]]
    body: bytes
    is_chunked: bool = False

    def as_bytes(self) -> bytes:
        headers = [
            *self.headers,
            ("Transfer-Encoding", "chunked") if self.is_chunked else ("Content-Length", str(len(self.body))),
        ]
        head = b"".join(name.encode() + b": " + value.encode("latin-1", "replace") + b"\r\n" for name, value in headers)
        body = self.body
        if self.is_chunked:
            parts = [body[at : at + 1000] for at in range(0, len(body), 1000)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        return self.method.encode() + b" " + self.target + b" HTTP/1.1\r\n" + head + b"\r\n" + body

    def __str__(self) -> str:
        content = f"{self.headers} {self.body[:400]!r} ({len(self.body)} bytes)"
        return f"{self.kind}: {self.method} {self.target[:200]!r} {content}"


class Raw(str):
    """JSON text that is sent unchanged."""


def written(value: Any) -> str:
    """Return JSON that Python would not write: raw numbers, duplicate keys."""
    match value:
        case Raw():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{json.dumps(name)}: {written(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case _:
            return json.dumps(value)


def odd_value(chance: Chance, depth: int = 0) -> Any:
    match chance.randrange(10 if depth < 3 else 6):
        case 0 | 1 | 2:
            return chance.choice(TEXTS)
        case 3 | 4:
            return Raw(chance.choice(NUMBERS))
        case 5:
            return chance.choice([None, True, False, Raw('"\\ud83d"'), Raw('"\\u0000"'), Raw('"\\ud800\\u0041"')])
        case 6 | 7:
            return [odd_value(chance, depth + 1) for _ in range(chance.choice([0, 1, 2, 5, 40]))]
        case 8:
            return {chance.choice(FIELDS + TEXTS): odd_value(chance, depth + 1) for _ in range(chance.randrange(4))}
        case _:
            return Raw("[" * (deep := chance.choice([1, 50, 900, 1100])) + "]" * deep)


def valid(chance: Chance, key: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "app_key": key,
        "status": chance.choice(["ok", "critical", "warning"]),
        "host": f"web-{chance.randrange(30)}",
    }
    if chance.random() < 0.5:
        item["timestamp"] = int(time.time()) - chance.randrange(200_000)
    if chance.random() < 0.5:
        item |= {"check": "cpu", "description": "down", "tags": ["a", "b"]}
    return item


def one_or_many(chance: Chance, key: str, item: Callable[[], Any]) -> Any:
    if chance.random() < 0.6:
        return item()
    return {"app_key": key, "alerts": [item() for _ in range(chance.choice([1, 2, 5, 30]))]}


def odd_fields(chance: Chance, key: str) -> bytes:
    """Return a valid payload with a few fields of any value."""

    def item() -> Any:
        base = valid(chance, key)
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            base[chance.choice(FIELDS + TEXTS[:20])] = odd_value(chance)
        return base

    return encoded(chance, written(one_or_many(chance, key, item)))


def encoded(chance: Chance, text: str) -> bytes:
    if chance.random() < 0.9:
        return text.encode("utf-8", "surrogatepass")
    return text.encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-be"]), "surrogatepass")


def mutated(chance: Chance, key: str) -> bytes:
    """Return a valid payload with damaged bytes."""
    body = bytearray(written(one_or_many(chance, key, lambda: valid(chance, key))).encode())
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(5):
            case 0:
                body[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                body[at:at] = chance.randbytes(chance.choice([1, 2, 8]))
            case 2:
                del body[at : at + chance.choice([1, 3, 20])]
            case 3:
                start = chance.randrange(len(body) + 1)
                body[at:at] = body[start : start + chance.randrange(40)]
            case _:
                body[at : at + 1] = chance.choice(
                    [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u", b"e", b"-", b"\x00", b"\xed\xa0\x80"]
                )
    return bytes(body)


def random_json(chance: Chance, key: str) -> bytes:
    value = odd_value(chance)
    if chance.random() < 0.3:
        value = {"app_key": key, "alerts": value}
    return encoded(chance, written(value))


def nested(chance: Chance, key: str) -> bytes:
    deep = chance.choice([10, 300, 900, 990, 1000, 1100, 5000, 100_000])
    opening, closing = chance.choice([("[", "]"), ('{"a":', "}"), ('{"alerts":[', "]}")])
    inside = opening * deep + "1" + (closing * deep if chance.random() < 0.7 else "")
    return (
        inside if chance.random() < 0.4 else f'{{"app_key": "{key}", "status": "ok", "host": "deep", "tag": {inside}}}'
    ).encode()


def repeated_names(chance: Chance, key: str) -> bytes:
    pairs = [
        *valid(chance, key).items(),
        *((chance.choice(FIELDS), odd_value(chance)) for _ in range(chance.choice([1, 3, 30, 300]))),
    ]
    chance.shuffle(pairs)
    return ("{" + ", ".join(f"{json.dumps(name)}: {written(each)}" for name, each in pairs) + "}").encode(
        "utf-8", "surrogatepass"
    )


def noise(chance: Chance, key: str) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 2, 10, 1000]))


BODIES = [odd_fields, odd_fields, odd_fields, mutated, mutated, random_json, nested, repeated_names, noise]


def make(number: int, token: str, key: str) -> FuzzedRequest:
    """Return the request with a number."""
    chance = Chance(number)
    builder = chance.choice(BODIES)
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = FuzzedRequest(
        builder.__name__,
        "POST",
        chance.choice([b"/data/v2/alerts", b"/data/v2/alerts", b"/oim/api/alerts"]),
        [],
        builder(chance, key),
    )
    oddity = chance.random()
    if oddity < 0.25:
        request.kind += " + header"
        for name in chance.sample(list(ODD_HEADERS), chance.choice([1, 1, 2])):
            headers[name] = chance.choice(ODD_HEADERS[name])
    elif oddity < 0.32:
        request.kind += " + content type"
        headers["Content-Type"] = chance.choice(
            [chance.choice(TYPES), f"application/json; charset={chance.choice(CHARSETS)}"]
        )
    elif oddity < 0.42:
        request.kind += " + query"
        request.target += b"?" + chance.choice(
            [chance.choice(QUERIES), b"access_token=" + quote_from_bytes(chance.randbytes(20)).encode()]
        )
        if chance.random() < 0.6:
            del headers["Authorization"]
        if chance.random() < 0.3:
            headers["Content-Type"] = f"application/json; charset={chance.choice(CHARSETS)}"
    elif oddity < 0.50:
        request.kind += " + packed"
        packed = gzip.compress(request.body) if chance.random() < 0.7 else zlib.compress(request.body)
        cut = chance.choice([len(packed), len(packed), chance.randrange(len(packed))])
        request.body = packed[:cut] + chance.choice([b"", b"", b"trailing", packed])
        headers["Content-Encoding"] = chance.choice(["gzip", "gzip", "x-gzip", "deflate"])
    elif oddity < 0.54:
        request.kind += " + verb"
        request.method = chance.choice(VERBS)
    elif oddity < 0.57:
        request.kind += " + path"
        request.target = chance.choice(PATHS)
    request.is_chunked = chance.random() < 0.1
    request.headers = list(headers.items())
    return request


# --- replies


class Link:
    """A connection to the web process, kept open while possible."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None

    def ask(self, request: FuzzedRequest) -> tuple[int, bytes, http.client.HTTPMessage]:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.socket.sendall(request.as_bytes())
        reply = http.client.HTTPResponse(self.socket, method=request.method)
        reply.begin()
        body = reply.read()
        reply.close()
        if reply.will_close:
            self.close()
        return reply.status, body, reply.headers

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None


def complaint(request: FuzzedRequest, status: int, body: bytes) -> str:
    """Return the fault of a reply, or empty text."""
    if status == 204:
        return "a 204 with a body" if body else ""
    if request.method == "HEAD":
        return "" if status in (200, 401, 501, 404) else f"HEAD answered {status}"
    if status >= 500 and not (status == 501 and request.method != "POST"):
        return f"{status}"
    try:
        answer = json.loads(body)
    except ValueError:
        return f"{status} without JSON: {re.sub(rb'[^ -~]+', b' ', body)[:60]!r}"
    if status == 201:
        return "" if answer["response"]["status"] == "success" else "201 without success"
    if status == 200 and request.method == "OPTIONS":
        return ""
    if status < 400:
        return f"an unexpected {status}"
    errors = answer.get("errors")
    if not errors or not all(isinstance(each, str) and each.strip() for each in errors):
        return f"{status} without a message"
    response = answer.get("response", {})
    is_complete = (
        answer.get("error") == errors[0] == response.get("status")
        and response.get("errors") == errors
        and answer.get("status") == status
    )
    return "" if is_complete else f"{status} in another shape"


def test_no_bytes_cause_a_failure(console: Console) -> None:
    credentials = console.run(PREPARE)
    console.serve(processes=1)
    link, token, key = Link(console.ports[0]), credentials["token"], credentials["keys"]["Nagios"]
    statuses: Counter[int] = Counter()
    found: dict[str, list[str]] = {}
    slowest, began = (0.0, ""), time.monotonic()
    for number in range(FIRST, FIRST + REQUESTS):
        request = make(number, token, key)
        asked = time.monotonic()
        try:
            status, body, _ = link.ask(request)
        except (OSError, http.client.HTTPException) as error:
            link.close()
            status, body, wrong = 0, b"", f"no answer: {type(error).__name__}"
            ended = console.processes[0].poll()
            assert ended is None, (
                f"the web process ended ({ended}) at #{number} {request}\n{console.log.read_text()[-2000:]}"
            )
        else:
            wrong = complaint(request, status, body)
        slowest = max(slowest, (time.monotonic() - asked, f"#{number}"))
        statuses[status] += 1
        if wrong:
            found.setdefault(wrong, []).append(f"#{number} {request}")
    link.close()
    took = time.monotonic() - began
    print(f"{REQUESTS} requests in {took:.0f} s: {dict(sorted(statuses.items()))}")
    print(f"slowest: {slowest[0]:.2f} s, {slowest[1]}")
    log = console.log.read_text(errors="replace")
    report = console.run(REPORT)
    print(f"{len(report['alerts'])} alerts, {report['events']} events, {len(report['incidents'])} incidents")
    report_text = "\n".join(
        f"{len(examples)} × {wrong}\n    {min(examples, key=len)[:900]}" for wrong, examples in found.items()
    )
    causes = Counter(re.findall(r"^\w[\w.]*(?:Error|Exception|Sent|TooBig|Host)\b.*", log, re.MULTILINE))
    assert not found, f"{report_text}\n{causes.most_common(20)}"
    # Errors after a reply, such as those of correlation. A refused host and a 501 are logged as errors, too.
    behind = re.findall(r"^.* ERROR (?!django\.security|.*Not Implemented).*$", log, re.MULTILINE)
    assert not behind, f"{behind[:5]}\n{log[-3000:]}"
    assert report["behind"][1] == 0
