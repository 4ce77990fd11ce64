"""The pages and resources at which the recorded people look."""

from __future__ import annotations

from tests.upgrade.speaker import Speaker

EVERYTHING = "/resources/v2.0/environments/all/incidents"
ASIDE = "?folder=snoozed"  # the feed beside an incident, which is short


def views(speaker: Speaker) -> dict[str, list[str]]:
    """Return the addresses to look at: of pages by person, of resources by the name of the secret."""
    number = speaker.numbers
    mine = [f"/incidents/{number[name]}/activity{ASIDE}" for name in ("till_9", "talked", "to_part")]
    return {
        "ada": [*feeds(), *histories(number), *settings(number), *why(speaker)],
        "rosa": ["/", "/?folder=shared", "/?owner=me", "/?env=1", "/?env=2", *mine, "/maintenance", "/audit"],
        "vera": ["/", "/?shared=me", "/?folder=resolved", *mine, "/patterns", "/people"],
        "nils": ["/", "/?env=2", *mine, "/patterns"],
        "stranger": [f"/wall/{speaker.secrets['wallboard']}"],
        "key-of-ada": [*resources(number), f"/resources/v2.0/alerts/{speaker.alert('mail-1')}/why"],
        "key-of-rosa": [f"{EVERYTHING}?page_size=20&sort_by=start"],
        "token-of-reader": [
            f"/resources/v1.0/incidents/{number[name]}?expand=alerts" for name in ("mail", "mail_2", "till")
        ],
    }


def feeds() -> list[str]:
    """Return folders, environments, searches and sort orders of the feed."""
    folders = ("active", "unhandled", "snoozed", "shared", "maintenance", "resolved")
    searches = ("env=1", "env=2", "env=1&folder=resolved", "sort=start", "q=host+%3D+group-*")
    return [*(f"/?folder={name}" for name in folders), *(f"/?{each}" for each in searches)]


def histories(number: dict[str, int]) -> list[str]:
    """Return the activities of each incident, and more of some."""
    activities = [f"/incidents/{key}/activity{ASIDE}" for name, key in number.items() if name != "pattern"]
    grown = [number[name] for name in ("mail", "till", "flap", "cellar", "resolved", "worked_on", "talked")]
    single = [number[name] for name in ("acked", "snoozed", "tagged", "kiosk", "f", "follower", "to_reopen")]
    overviews = [f"/incidents/{key}{ASIDE}" for key in (*grown, *single)]
    tabs = [f"/incidents/{key}/{tab}{ASIDE}" for tab in ("alerts", "timeline", "why") for key in grown]
    return [*activities, *overviews, *tabs]


def settings(number: dict[str, int]) -> list[str]:
    """Return the pages of what people set up, and the audit log."""
    patterns = ["", f"/{number['pattern']}", "/tries", "/tries/1", "/tries/2", "/shadows/1", "/suggestions"]
    integrations = ["/", "/tokens", "/2/doctor", "/2/mapping/2"]
    return [
        *(f"/patterns{each}" for each in patterns),
        *(f"/integrations{each}" for each in integrations),
        *(f"/bulk/{key}" for key in (1, 2, 3, 4)),
        *("/environments/1", "/wallboards", "/tags", "/maintenance", "/maintenance/1"),
        *("/people", "/people/2", "/people/roles", "/audit", "/audit?changeType=changed", "/audit.csv"),
    ]


def why(speaker: Speaker) -> list[str]:
    """Return the page of an alert, and why the alert is not in another incident."""
    alert = speaker.alert("mail-1")
    return [f"/alerts/{alert}", f"/why-not?alert={alert}&other={speaker.numbers['mail_2']}"]


def resources(number: dict[str, int]) -> list[str]:
    """Return the resources of incidents, of their settings and of the audit log."""
    told = [number[name] for name in ("talked", "a", "d", "tagged", "flap", "snoozed")]
    return [
        *(f"{EVERYTHING}?page_size=20&page={page}&sort_by=start" for page in (1, 2)),
        "/resources/v2.0/environments/Frankfurt/incidents?folder=active",
        f"{EVERYTHING}/{number['tagged']}/tags",
        f"{EVERYTHING}/{number['cellar']}?expand=alerts",
        *(f"/resources/v2.0/incidents/{key}/activities" for key in told),
        "/resources/v2.0/correlation-patterns",
        "/resources/v2.0/maintenance-plans",
        "/resources/v2.0/incidents/tags/definitions",
        "/audit-logs?limit=1000",
    ]
