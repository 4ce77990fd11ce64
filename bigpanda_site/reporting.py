"""Reports to services of the operator: errors to Sentry, and traces to an OpenTelemetry collector. Off unless a setting asks.

What leaves is listed here. An event keeps the fields of `KEPT`, with texts cut short and without secrets. A span has the
attributes that this module gives it, which is why no ready instrumentation is used: those send the whole address of a
request. No body, header or query string of a request and no argument of a task leaves. The fast path makes no span.

The packages are in requirements-reporting.lock alone. docs/monitoring.md describes the settings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPMethod
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from alerts.health.redaction import HIDDEN, hide_secrets
from bigpanda_site import __version__, request_ids
from bigpanda_site.log_lines import KEY_IN_PATH, QUERY

logger = logging.getLogger(__name__)
KEPT = (
    *("event_id", "timestamp", "level", "logger", "platform", "release", "environment", "server_name", "sdk"),
    *("logentry", "exception", "contexts"),
)
TEXT_LIMIT = 200  # characters of a message
READ_LIMIT = 2_000  # characters that are searched for secrets
QUIET_SECONDS = 60.0
_LIKE_A_TOKEN = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}")
_LONG_VALUE = re.compile(r"""(["'])[^"']{40,}\1""")  # names of fields and classes are shorter
_tracer: Any = None  # set by start()
_trace_headers: Any = None  # reads and writes the header `traceparent`


def start(process: str) -> None:
    """Start what the settings ask for, in a process of this kind: web, worker or beat. The console runs without it, too."""
    reports = {
        "SENTRY_DSN": (settings.SENTRY_DSN, _start_sentry),
        "OTEL_EXPORTER_OTLP_ENDPOINT": (settings.OTLP_ENDPOINT, _start_tracing),
    }
    for name, (value, begin) in reports.items():
        if not value:
            continue
        try:
            begin(process)
        except ImportError as error:
            logger.error(
                "%s is set, but nothing is reported: this environment lacks %s. ./console up builds one that has it; "
                "elsewhere, install requirements-reporting.lock.",
                name,
                error.name,
            )
        except ValueError as error:
            logger.error("%s cannot be used, so nothing is reported: %s", name, without_secrets(str(error)))


def without_secrets(text: str) -> str:
    """Return the start of the first line without query strings, long values and what looks like a token.

    The further lines of a database error hold the row.
    """
    line = text.lstrip()[:READ_LIMIT].partition("\n")[0]
    line = KEY_IN_PATH.sub(r"\1…", QUERY.sub("?…", line))
    line = _LIKE_A_TOKEN.sub(HIDDEN, hide_secrets(line))
    return _LONG_VALUE.sub(r"\1…\1", line)[:TEXT_LIMIT]


# --- Errors: what is logged as an error, and what ends a process or a thread


def _start_sentry(process: str) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
    from sentry_sdk.integrations.threading import ThreadingIntegration

    ignore_logger("opentelemetry.*")  # another service that is away is no error of the console
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=__version__,
        # Only these: those for Django and Celery read requests, and others add headers to outgoing ones.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, sentry_logs_level=None),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=partial(reported, process=process),
    )


def reported(event: Mapping[str, Any], hint: Mapping[str, Any], *, process: str) -> dict[str, Any]:
    """Return what is sent of an event of Sentry's package."""
    kept = {name: event[name] for name in KEPT if name in event}
    if entry := kept.get("logentry"):
        kept["logentry"] = {name: without_secrets(entry.get(name) or "") for name in ("message", "formatted")}
    if exceptions := kept.get("exception"):
        kept["exception"] = {"values": [_reported_exception(each) for each in exceptions.get("values") or ()]}
    kept["tags"] = {"process": process}
    if identifier := request_ids.current.get():
        kept["tags"]["request_id"] = identifier
    return kept


def _reported_exception(exception: Mapping[str, Any]) -> dict[str, Any]:
    kept = {**exception, "value": without_secrets(str(exception.get("value") or ""))}
    if trace := exception.get("stacktrace"):
        frames = [{name: part for name, part in frame.items() if name != "vars"} for frame in trace.get("frames") or ()]
        kept["stacktrace"] = {"frames": frames}
    return kept


# --- Traces: a span for each request of the standard path, and for each task


class Seldom(logging.Filter):
    """Filter that lets one error a minute through. Without its collector, each batch of spans would log several lines."""

    def __init__(self) -> None:
        super().__init__()
        self.next_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or record.created < self.next_at:
            return False
        self.next_at = record.created + QUIET_SECONDS
        return True


def _start_tracing(process: str) -> None:
    global _tracer, _trace_headers
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    about = {"service.name": settings.OTLP_SERVICE_NAME, "service.version": __version__, "console.process": process}
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(timeout=settings.OTLP_SECONDS)  # it reads the address and other OTEL_* itself
    provider.add_span_processor(BatchSpanProcessor(exporter))
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(Seldom())
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    _tracer, _trace_headers = provider.get_tracer("incident-console"), TraceContextTextMapPropagator()
    before_task_publish.connect(_send_trace)
    task_prerun.connect(_begin_task)
    task_postrun.connect(_end_task)


@contextmanager
def _span(name: str, kind: str, headers: Mapping[str, Any] | None) -> Iterator[Any]:
    """Make a span that continues the trace of the headers; without headers, the span that is open."""
    from opentelemetry.trace import SpanKind

    before = None if headers is None else _trace_headers.extract(headers)
    # The message of an exception can hold anything. Sentry and the log have it.
    quiet = {"record_exception": False, "set_status_on_exception": False}
    with _tracer.start_as_current_span(name, context=before, kind=SpanKind[kind], **quiet) as span:
        if identifier := request_ids.current.get():
            span.set_attribute("console.request_id", identifier)
        yield span


def _mark_failed(span: Any) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)


def trace_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that makes a span for each request. It is installed only where traces are asked for."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        if _tracer is None:
            return get_response(request)
        with _span("request", "SERVER", request.headers) as span:
            response = get_response(request)
            name, attributes = described(request, response)
            span.update_name(name)
            span.set_attributes(attributes)
            if response.status_code >= 500:
                _mark_failed(span)
        return response

    return respond


def described(request: HttpRequest, response: HttpResponseBase) -> tuple[str, dict[str, Any]]:
    """Return the name and the attributes of a request's span. The route stands for the path, which can hold a key."""
    method = request.method if request.method in HTTPMethod.__members__ else "_OTHER"
    attributes = {"http.request.method": method, "http.response.status_code": response.status_code}
    if request.resolver_match is None:
        return f"{method}", attributes
    route = f"/{request.resolver_match.route}"
    return f"{method} {route}", {**attributes, "http.route": route}


def _send_trace(headers: Any = None, **_: Any) -> None:
    """Send the trace of the request or task that causes a task with the task."""
    if headers is not None:
        _trace_headers.inject(headers)


def _begin_task(task: Any = None, **_: Any) -> None:
    request = task.request
    headers = None if request.is_eager else {"traceparent": request.get("traceparent") or ""}
    request.trace = _span(task.name, "INTERNAL" if request.is_eager else "CONSUMER", headers)
    request.span = request.trace.__enter__()


def _end_task(task: Any = None, state: str = "", **_: Any) -> None:
    if span := getattr(task.request, "span", None):
        if state == "FAILURE":
            _mark_failed(span)
        task.request.trace.__exit__(None, None, None)
        del task.request.span, task.request.trace
