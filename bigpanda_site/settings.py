"""Every setting, read from the environment here and nowhere else.

| variable               | means                                                        | default                          |
|------------------------|--------------------------------------------------------------|----------------------------------|
| CONSOLE_DATA           | folder of the database, the secret key and the logs          | var/ beside manage.py            |
| CONSOLE_DEBUG          | Django's debug pages                                         | off                              |
| CONSOLE_HOSTS          | host names the console answers to, with commas               | localhost, 127.0.0.1, [::1]      |
| CONSOLE_HTTPS          | served over https: secure cookies, HSTS, redirects; keys and tokens without it are refused | off |
| CONSOLE_HSTS_SUBDOMAINS | with CONSOLE_HTTPS: also all hosts below this one are https only | off                         |
| CONSOLE_HSTS_PRELOAD   | … and browsers may keep that in their lists                  | off                              |
| CONSOLE_COLLECTED      | static files come from CONSOLE_DATA under hashed names       | off; `./console up` sets it      |
| CONSOLE_HUNG_SECONDS   | a process that gives no sign of life for so long is replaced; PostgreSQL ends its transaction sooner | 15 |
| CONSOLE_HEARTBEAT      | number of the open file that takes the signs of life         | none; `./console up` sets it     |
| CONSOLE_SECRET_KEY     | Django's secret key, the same for all consoles on a database | made once, in CONSOLE_DATA       |
| CONSOLE_REOPEN_HOURS   | an event this long after an alert's end reopens it           | 48                               |
| CONSOLE_ALERTS_PER_INCIDENT | the next alert opens a follow-up incident               | 300                              |
| CONSOLE_FLAPPING_CHANGES | an alert whose status changes oftener than this flaps      | 4                                |
| CONSOLE_FLAPPING_MINUTES | … within so many minutes                                   | 60                               |
| CONSOLE_LOCKOUT_FAILURES | wrong passwords that lock a name for an address           | 5                                |
| CONSOLE_LOCKOUT_MINUTES | for how long                                              | 15                               |
| CONSOLE_LOCKOUT_FAILURES_PER_ADDRESS | failed sign-ins that lock an address for all names  | 50                               |
| CONSOLE_LOCKOUT_FAILURES_IN_ALL | … that lock all addresses at which nobody of that name was signed in | 1000 |
| CONSOLE_SESSION_IDLE_HOURS | a session ends when unused for so long; a page with live updates is use | 12               |
| CONSOLE_SESSION_DAYS   | … and so long after the sign-in, however much it is used     | 7                                |
| CONSOLE_WALLBOARD_DAYS | the link of a wallboard expires after so many days, unless renewed | 90                      |
| CONSOLE_SEARCH_SECONDS | a search that takes longer is stopped; a live view too            | 5; 0: no limit                   |
| CONSOLE_EMAIL_URL      | smtp+tls://user:password@host:587/?from=console@example.com  | none: sharing sends no mail      |
| FORWARDED_ALLOW_IPS    | proxies whose X-Forwarded-For is believed (read by uvicorn)  | 127.0.0.1                        |
| CONSOLE_EVENTS_PER_MINUTE | more events of one App Key at one web process are answered 429 | 60000; 0: no limit      |
| CONSOLE_PATTERN_REQUESTS_PER_SECOND | more of one person for /resources/…/correlation-patterns are answered 429 | 5; 0: no limit |
| CONSOLE_BATCH_RESOLVES_PER_SECOND | … for /resources/…/batch-resolve/alerts | 1; 0: no limit                |
| CONSOLE_V1_REQUESTS_PER_MINUTE | … of one org token for /resources/v1.0/incidents | 150; 0: no limit             |
| CONSOLE_LIVE_STREAMS_PER_PERSON | browsers of one person with live updates; further ones ask every 5 s | 10     |
| CONSOLE_LIVE_STREAMS   | … of all people, in each web process                         | 500                              |
| CONSOLE_REQUESTS_AT_ONCE | further requests are answered 503, in each web process     | 2000                             |
| CONSOLE_CONNECTIONS    | beyond it the longest idle connection is closed, in each web process | 5000                     |
| CONSOLE_LOGS           | json: one JSON object a line, to stdout                      | text, to stderr                  |
| CONSOLE_HEARTBEAT_URL  | fetched by beat once a minute while the console is ready     | none                             |
| CONSOLE_SELF_INCIDENTS | the console sends alerts about itself when something in it does not work | off              |
| CONSOLE_METRICS_TOKEN  | bearer token that opens /metrics                             | none                             |
| CONSOLE_METRICS_ADDRESSES | addresses and networks that read /metrics without it, with commas | this machine; with a token none |
| SENTRY_DSN             | address of a Sentry project, where errors are reported       | none                             |
| OTEL_EXPORTER_OTLP_ENDPOINT | address of a collector, to which traces go by OTLP over HTTP; the SDK reads the other OTEL_* | none |
| OTEL_EXPORTER_OTLP_TIMEOUT | seconds in which the collector must take a batch of spans | 3                               |
| OTEL_SERVICE_NAME      | name of the console in traces                                | incident-console                 |
| DATABASE_URL           | postgres://user:password@host:port/name                      | SQLite in CONSOLE_DATA           |
| REDIS_URL              | redis://:password@host:port/0 for broker and live updates    | none: tasks run in the caller    |
"""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import environ
from csp.constants import NONE, SELF

from supervisor.preflight import make_private

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("CONSOLE_DATA", default="") or BASE_DIR / "var").resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
make_private(DATA_DIR)  # also where a process was started without ./console


def _secret_key() -> str:
    """Return the key of this installation. It is made once, and only its owner can read the file."""
    path = DATA_DIR / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key


# --- Site
DEBUG = env.bool("CONSOLE_DEBUG", default=False)
HTTPS = env.bool("CONSOLE_HTTPS", default=False)
HUNG_SECONDS = env.int("CONSOLE_HUNG_SECONDS", default=15)
HEARTBEAT_FD = env.int("CONSOLE_HEARTBEAT", default=0)
SECRET_KEY = env.str("CONSOLE_SECRET_KEY", default="") or _secret_key()
ALLOWED_HOSTS = env.list("CONSOLE_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
ROOT_URLCONF = "bigpanda_site.urls"
WSGI_APPLICATION = "bigpanda_site.wsgi.application"
APPEND_SLASH = False  # a sender cannot follow a redirect
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

# --- Reports to other services (bigpanda_site.reporting)
SENTRY_DSN = env.str("SENTRY_DSN", default="")
OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTLP_SECONDS = env.float("OTEL_EXPORTER_OTLP_TIMEOUT", default=3)  # a process that ends waits for it
OTLP_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="incident-console")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "bigpanda_site.static_files.StaticFiles",
    "axes",
    "django_filters",
    "django_htmx",
    "lucide",
    "rest_framework",
    "telemetry",
    "people",
    "appkeys",
    "alerts",
    "incidents",
]
MIDDLEWARE = [
    "bigpanda_site.request_ids.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    *(["bigpanda_site.reporting.trace_requests"] if OTLP_ENDPOINT else []),
    "bigpanda_site.response_headers.add_headers",
    "csp.middleware.CSPMiddleware",
    "people.audit.name_address",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "people.time_zone.in_their_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "people.must_change.ask_for_own_password",
    "people.sessions.note_last_seen",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: SQLite in WAL mode with full durability, or PostgreSQL through a pool (one connection per thread would exhaust PostgreSQL)
DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASES = {"default": env.db_url_config(DATABASE_URL or f"sqlite:///{DATA_DIR / 'console.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "OPTIONS": {
            "timeout": 20,  # of the write lock; the web process waits less (db.connections)
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA mmap_size=134217728;"
                "PRAGMA journal_size_limit=67108864;PRAGMA cache_size=-20000;"
            ),
        },
        # A file, so that threads and processes of one test share the database, as in production.
        "TEST": {"NAME": str(DATA_DIR / "test.sqlite3")},
    }
else:
    from db.postgresql.connection import Connection

    DATABASES["default"] |= {
        "ENGINE": "db.postgresql",  # Django's, with limits of waiting
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a restart of the database ends connections of the pool
        # A pooler may give each transaction another server connection (pgbouncer), where a cursor would be unknown.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            **DATABASES["default"].get("OPTIONS", {}),
            "pool": {"min_size": 1, "max_size": 8, "timeout": 20, "connection_class": Connection},
            # A server that vanished is noticed within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,  # milliseconds
        },
    }

# --- People
AUTH_USER_MODEL = "people.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "incidents:feed"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "people.password_words.ObviousWordsValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Too many wrong passwords lock the name for one address, so nobody can lock others out from elsewhere.
AXES_FAILURE_LIMIT = env.int("CONSOLE_LOCKOUT_FAILURES", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("CONSOLE_LOCKOUT_MINUTES", default=15))
# Limits of failures within the same minutes. The second does not keep out people at an address where they were signed in.
FAILURES_PER_ADDRESS = env.int("CONSOLE_LOCKOUT_FAILURES_PER_ADDRESS", default=50)
FAILURES_IN_ALL = env.int("CONSOLE_LOCKOUT_FAILURES_IN_ALL", default=1000)
TRUSTS_EVERY_PROXY = env.str("FORWARDED_ALLOW_IPS", default="").strip() == "*"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # further attempts do not prolong the lock
AXES_CLIENT_IP_CALLABLE = "people.addresses.counted_address"
AXES_LOCKOUT_CALLABLE = "people.lockout.answer"
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = ["your_password"]  # of people.confirmation
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

# --- Security
SESSION_ENGINE = "people.session_store"
# A name for each console, because cookies do not belong to a port: two consoles on one host keep their sessions apart.
_console = hashlib.sha256(f"cookies of {SECRET_KEY}".encode()).hexdigest()[:8]
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (f"{'__Host-' * HTTPS}{kind}-{_console}" for kind in ("session", "csrf"))
SESSION_IDLE_TIME = timedelta(hours=env.float("CONSOLE_SESSION_IDLE_HOURS", default=12))
SESSION_COOKIE_AGE = int(env.float("CONSOLE_SESSION_DAYS", default=7) * 86_400)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# Senders, scripts and probes follow no redirect. Without https, keys and tokens are refused with a clear error.
SECURE_REDIRECT_EXEMPT = [
    *(r"^data/", r"^oim/", r"^v2/", r"^configurations/", r"^resources/", r"^audit-logs$"),
    r"^(healthz|readyz|metrics)$",
]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Browsers keep both for a year, also for hosts that are not this console's, so they are asked for.
SECURE_HSTS_PRELOAD = HTTPS and env.bool("CONSOLE_HSTS_PRELOAD", default=False)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD or (HTTPS and env.bool("CONSOLE_HSTS_SUBDOMAINS", default=False))
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # they ask for what only the owner of a domain can decide
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "report-uri": "/csp-reports",
        "report-to": "csp",  # named by bigpanda_site.response_headers
    }
}

# --- Mail about shared incidents
EMAIL_URL = env.str("CONSOLE_EMAIL_URL", default="")
if EMAIL_URL:
    _mail = env.email_url_config(EMAIL_URL)
    DEFAULT_FROM_EMAIL = _mail.pop("OPTIONS", {}).get("FROM", f"console@{ALLOWED_HOSTS[0]}")
    globals().update(_mail, EMAIL_TIMEOUT=10)  # seconds

# --- Static files, served by the app itself
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# `./console up` collects the files first. Elsewhere, as under runserver and in tests, they are served from where they are.
COLLECTED = env.bool("CONSOLE_COLLECTED", default=False)
STATIC_ROOT = DATA_DIR / "static" if COLLECTED else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "bigpanda_site.static_files.HashedFiles"
        if COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not COLLECTED
WHITENOISE_MAX_AGE = 60  # seconds, for names that do not change with the content

# --- Work and live updates
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "db.broker.GuardedCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "console",
        }
    }
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://") or "filesystem://localhost/"
# Without a broker, tasks run in the process that sends them. Correlation is level-triggered, so a worker beside it does no harm.
CELERY_TASK_ALWAYS_EAGER = not REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker without a broker still looks for alerts in the database
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_PUBLISH_RETRY = False  # a lost message costs one sweep, and a blocked sender costs more
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object]
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "socket_timeout": 3,
        "socket_connect_timeout": 2,
    }
else:
    for _folder in ("queue", "processed"):
        (DATA_DIR / "broker" / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA_DIR / "broker" / "queue"),
        "data_folder_out": str(DATA_DIR / "broker" / "queue"),
        "processed_folder": str(DATA_DIR / "broker" / "processed"),
        "control_folder": str(DATA_DIR / "broker" / "control"),
        "polling_interval": 0.05,
    }
# Queues by purpose. No task that can take longer than a second shares a queue with correlation. A worker without --queues takes all of them.
QUEUES = {
    "correlation": ("incidents.tasks.correlate_behind", "incidents.tasks.calm_down"),
    "actions": (
        *("incidents.tasks.run_bulk", "incidents.tasks.run_bulks_at_work", "incidents.tasks.wake_snoozed"),
        *("incidents.tasks.place_incidents", "alerts.tasks.end_tests", "alerts.tasks.watch_silence"),
    ),
    "deliveries": ("incidents.tasks.mail_shares",),
    "jobs": (
        *("incidents.tasks.replay", "incidents.tasks.suggest", "incidents.tasks.follow_shadows"),
        *("incidents.tasks.take_up_runs", "incidents.tasks.forget_search_texts"),
        *("alerts.tasks.forget_replies", "alerts.tasks.forget_samples", "people.tasks.forget_sessions"),
    ),
}
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {name: {} for name in QUEUES}
CELERY_TASK_ROUTES = {task: {"queue": queue} for queue, tasks in QUEUES.items() for task in tasks}
CELERY_TASK_DEFAULT_QUEUE = "jobs"
CELERY_BEAT_SCHEDULER = "bigpanda_site.beat:Scheduler"
SWEEP_SECONDS = 5.0
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "incidents.tasks.correlate_behind",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "wake": {"task": "incidents.tasks.wake_snoozed", "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS}},
    "calm down": {"task": "incidents.tasks.calm_down", "schedule": 60.0, "options": {"expires": 60.0}},
    "shadows": {"task": "incidents.tasks.follow_shadows", "schedule": 15.0, "options": {"expires": 15.0}},
    "take up runs": {"task": "incidents.tasks.take_up_runs", "schedule": 60.0, "options": {"expires": 60.0}},
    "forget sessions": {"task": "people.tasks.forget_sessions", "schedule": 86_400.0},
    "mail shares": {"task": "incidents.tasks.mail_shares", "schedule": 60.0, "options": {"expires": 60.0}},
    "place incidents": {"task": "incidents.tasks.place_incidents", "schedule": 60.0, "options": {"expires": 60.0}},
    "bulks": {
        "task": "incidents.tasks.run_bulks_at_work",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "forget search texts": {
        "task": "incidents.tasks.forget_search_texts",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "forget replies": {"task": "alerts.tasks.forget_replies", "schedule": 3600.0},
    "forget samples": {"task": "alerts.tasks.forget_samples", "schedule": 3600.0},
    "end tests": {"task": "alerts.tasks.end_tests", "schedule": 10.0, "options": {"expires": 10.0}},
    "watch silence": {"task": "alerts.tasks.watch_silence", "schedule": 60.0, "options": {"expires": 60.0}},
}

# --- Limits of each web process
LIVE_STREAMS_PER_PERSON = env.int("CONSOLE_LIVE_STREAMS_PER_PERSON", default=10)
LIVE_STREAMS = env.int("CONSOLE_LIVE_STREAMS", default=500)
REQUESTS_AT_ONCE = env.int("CONSOLE_REQUESTS_AT_ONCE", default=2000)
CONNECTIONS = env.int("CONSOLE_CONNECTIONS", default=5000)

# --- Alerts and incidents
REOPEN_WINDOW = timedelta(hours=env.float("CONSOLE_REOPEN_HOURS", default=48))
EVENTS_PER_MINUTE = env.int("CONSOLE_EVENTS_PER_MINUTE", default=60_000)
PATTERN_REQUESTS_PER_SECOND = env.int("CONSOLE_PATTERN_REQUESTS_PER_SECOND", default=5)
BATCH_RESOLVES_PER_SECOND = env.int("CONSOLE_BATCH_RESOLVES_PER_SECOND", default=1)
V1_REQUESTS_PER_MINUTE = env.int("CONSOLE_V1_REQUESTS_PER_MINUTE", default=150)
ALERTS_PER_INCIDENT = env.int("CONSOLE_ALERTS_PER_INCIDENT", default=300)
SEARCH_SECONDS = env.float("CONSOLE_SEARCH_SECONDS", default=5)
WALLBOARD_DAYS = env.int("CONSOLE_WALLBOARD_DAYS", default=90)
FLAPPING_CHANGES = env.int("CONSOLE_FLAPPING_CHANGES", default=4)
FLAPPING_WINDOW = timedelta(minutes=env.float("CONSOLE_FLAPPING_MINUTES", default=60))
FILE_UPLOAD_PERMISSIONS = 0o600  # of the files that collectstatic writes
DATA_UPLOAD_MAX_NUMBER_FIELDS = 25_000  # the alerts of one incident that a form can select at once
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024  # docs/wire-contract.md §2.4: 6 MB per payload

# --- Metrics, alerts about the console itself, and the heartbeat to an outside service
HEARTBEAT_URL = env.str("CONSOLE_HEARTBEAT_URL", default="")
SELF_INCIDENTS = env.bool("CONSOLE_SELF_INCIDENTS", default=False)
METRICS_TOKEN = env.str("CONSOLE_METRICS_TOKEN", default="")
METRICS_ADDRESSES = [
    ip_network(each, strict=False)
    for each in env.list("CONSOLE_METRICS_ADDRESSES", default=[] if METRICS_TOKEN else ["127.0.0.0/8", "::1"])
]

# --- API
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["incidents.api.parsing.TextParser", "rest_framework.parsers.FormParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "alerts.api.alerts.answer_error",
    "DEFAULT_SCHEMA_CLASS": "bigpanda_site.operation_schema.OperationSchema",  # imported when the document is made
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,  # docstrings are for readers of the code
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["bigpanda_site.operation_schema.without_marks_of_enums"],
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
}

# --- Logs: one line each, to stderr or as JSON to stdout, without query strings, which can hold a token
LOGS_ARE_JSON = env.str("CONSOLE_LOGS", default="") == "json"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "no_query": {"()": "bigpanda_site.log_lines.WithoutQueryStrings"},
        "request": {"()": "bigpanda_site.log_lines.WithRequest"},
    },
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}{request}", "style": "{"},
        "json": {"()": "bigpanda_site.log_lines.JsonLine"},
    },
    "handlers": {
        "log": {
            "class": "logging.StreamHandler",
            "stream": f"ext://sys.{'stdout' if LOGS_ARE_JSON else 'stderr'}",
            "formatter": "json" if LOGS_ARE_JSON else "line",
            "filters": ["no_query", "request"],
        }
    },
    "root": {"handlers": ["log"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": "INFO"} for name in ("people", "appkeys", "alerts", "incidents", "bigpanda_site", "celery")},
        **{name: {"level": "WARNING"} for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat")},
        "axes": {"level": "ERROR"},  # people.lockout logs failed sign-ins, with names that cannot break a line
        # The log of runserver, which Django would write past the filter above.
        "django.server": {"level": "INFO", "handlers": ["log"], "propagate": False},
        # The web server has a handler of its own, which writes text.
        **({"uvicorn": {"level": "WARNING", "handlers": ["log"], "propagate": False}} if LOGS_ARE_JSON else {}),
    },
}
