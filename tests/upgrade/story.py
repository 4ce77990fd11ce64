"""A day of a console: the requests of its senders and of its users."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.upgrade.speaker import DAY, Speaker

BEGINS = DAY + timedelta(hours=5)
DEMO_BEGINS, DEMO_ENDS = DAY + timedelta(hours=6), DAY + timedelta(hours=12)
ENDS = DAY + timedelta(hours=14, minutes=30)
API_KEY, SECRET = re.compile(r"BPU\w+"), re.compile(r"\b[0-9a-f]{32}\b")
PERSONS = {
    "rosa": ("Rosa", "Lind", "Responder"),
    "vera": ("Vera", "Moss", "Viewer"),
    "nils": ("Nils", "Åberg", "Night shift"),
}


def play(speaker: Speaker, code: Path) -> None:
    """Play the day. `code` is the checkout that holds the recorded demo."""
    speaker.console.go_to(BEGINS)
    roles = people_arrive(speaker)
    senders_are_connected(speaker)
    settings_are_made(speaker, roles)
    demo(speaker, code)
    alerts_arrive(speaker)
    tools_send(speaker)
    people_act(speaker)
    people_take_back(speaker)
    scripts_act(speaker)
    people_group(speaker)
    people_act_in_bulk(speaker)
    patterns_change(speaker)
    drafts_are_replayed(speaker)
    maintenance_begins(speaker)
    last_hour(speaker)


# --- Setting up


def people_arrive(speaker: Speaker) -> dict[str, str]:
    """Create an administrator, a role and people of each role. Return the keys of the roles by name."""
    speaker.passwords["ada"] = speaker.console.manage("create_user", "ada", "--role", "admin")
    chosen = "a test value for ada"
    passwords = {"old_password": speaker.passwords["ada"], "new_password1": chosen, "new_password2": chosen}
    speaker.form("ada", "/me/password", **passwords)
    speaker.passwords["ada"] = chosen
    levels = {"incidents": "full_access", "patterns": "read", "environments": "none", "maintenance": "read"}
    levels |= {"integrations": "none", "people": "none", "audit": "none"}
    speaker.form("ada", "/people/roles/new", name="Night shift", description="Acts at night.", **levels)
    options = re.findall(r'<option value="(\d+)"[^>]*>\s*([^<]+?)\s*<', speaker.page("ada", "/people/invite"))
    roles = {name: key for key, name in options}
    for name, (first, last, role) in PERSONS.items():
        person = {"first_name": first, "last_name": last, "email": f"{name}@example.com", "role": roles[role]}
        link = re.findall(r"/welcome/[\w-]+", speaker.form("ada", "/people/invite", username=name, **person))[0]
        password = speaker.passwords[name] = f"a test value for {name}"
        speaker.console.browser().post(link, {"new_password1": password, "new_password2": password})
    never_came = {"first_name": "Otto", "last_name": "Never", "role": roles["Viewer"]}
    speaker.form("ada", "/people/invite", username="otto", **never_came)
    ada = {"first_name": "Ada", "last_name": "Byrne", "email": "ada@example.com", "role": roles["Administrator"]}
    speaker.form("ada", "/people/1/change", username="ada", **ada)
    for name, zone, theme in (("ada", "Europe/Berlin", "dark"), ("vera", "America/New_York", "light")):
        looks = {"theme": theme, "density": "compact", "shortcuts": "on"}
        speaker.form(name, "/me/preferences", time_zone=zone, **looks)
    return roles


def senders_are_connected(speaker: Speaker) -> None:
    """Create API keys, App Keys and org tokens. Some of them do not last."""
    for name in ("ada", "rosa"):
        speaker.secrets[f"key-of-{name}"] = API_KEY.findall(speaker.form(name, "/me/keys", name=f"Script of {name}"))[0]
    speaker.form("ada", "/me/keys", name="Lasts for a year", months="12")
    speaker.secrets["senders"] = speaker.console.manage("create_org_token", "Senders")
    for tool, name in (("nagios", "Nagios"), ("api", "Kiosk"), ("custom", "Tills"), ("prometheus", "Prometheus")):
        speaker.secrets[name] = SECRET.findall(speaker.form("ada", f"/integrations/new/{tool}", name=name))[0]
    reader = speaker.form("ada", "/integrations/tokens/new", name="Reads Nagios", app_keys=["1"])
    speaker.secrets["token-of-reader"] = SECRET.findall(reader)[0]
    speaker.form("ada", "/integrations/tokens/new", name="Lost", months="6")
    speaker.form("ada", "/integrations/tokens/3/revoke")
    speaker.form("ada", "/integrations/new/api", name="Retired")
    speaker.form("ada", "/integrations/5/rename", name="Retired soon")
    speaker.form("ada", "/integrations/5/delete")
    speaker.form("ada", "/integrations/3/rotate", days="30")


def settings_are_made(speaker: Speaker, roles: dict[str, str]) -> None:
    """Create environments, one of them restricted to two roles, incident tags and wallboards."""
    sites = {"query": "host = *fra*", "group": "Sites", "description": "All in Frankfurt"}
    speaker.form("ada", "/environments/new", name="Frankfurt", **sites)
    closed = [roles["Administrator"], roles["Night shift"]]
    tills = {"query": 'source = "Tills" OR host = till-*', "group": "Shops", "seen_by": closed, "acted_by": closed}
    speaker.form("ada", "/environments/new", name="Tills", **tills)
    speaker.form("ada", "/environments/new", name="Short-lived", query="status = warning")
    speaker.form("ada", "/environments/3/delete")
    speaker.form("rosa", "/environments/1/star")
    impact = {"description": "Who notices", "kind": "ClosedListValuesSingle", "choices": "none\nsome\nall"}
    speaker.form("ada", "/tags", name="Impact", active="on", **impact)
    speaker.form("ada", "/tags", name="Ticket", active="on", kind="Text")
    office = speaker.form("ada", "/wallboards", name="Office", sound="on")
    speaker.secrets["wallboard"] = re.findall(r"/wall/([\w-]+)", office)[0]
    speaker.form("ada", "/wallboards", name="Canteen", environment="1")
    speaker.form("ada", "/wallboards/2/revoke")


# --- Alerts


def demo(speaker: Speaker, code: Path) -> None:
    """Play the second half of the recorded day of a shop's outage, each request at its time."""
    requests = [each for each in recorded(code) if each[0] > DEMO_BEGINS]
    for source in dict.fromkeys(source for _, source, _ in requests):
        speaker.secrets[source] = speaker.console.manage("create_app_key", f"Demo: {source}")
    for number, (at, source, alerts) in enumerate(requests):
        speaker.console.go_to(max(at, datetime.now(UTC)))
        body = {"app_key": speaker.secrets[source], "alerts": alerts}
        reply = speaker.console.call(speaker.secrets["senders"], "/data/v2/alerts", body)
        assert reply.status_code in (201, 204), reply.content
        if number % 20 == 0:
            speaker.console.run_periodic_tasks()


def recorded(code: Path) -> Iterator[tuple[datetime, str, list[dict[str, Any]]]]:
    """Yield the time, source and alerts of each request of the demo."""
    file = next(code.glob("incidents/**/shop_outage.jsonl"))
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if "send" in line:
            sent = line["send"].get("alerts") or [line["send"]]
            ends_at = int(DEMO_ENDS.timestamp())
            alerts = [alert | {"timestamp": ends_at + alert["timestamp"]} for alert in sent]
            yield datetime.fromtimestamp(max(alert["timestamp"] for alert in alerts), UTC), line["source"], alerts


def alerts_arrive(speaker: Speaker) -> None:
    """Send the alerts that people act on, then a duplicate, a late event, a repaired and a refused one, a full incident and flapping."""
    speaker.go_to(12, 2)
    tags: dict[str, Any] = {"description": "97 % used", "runbook": "https://wiki.example.com/runbooks/disk"}
    tags["graph"] = "https://graphs.example.com/disk?host=1"
    for status in (201, 204):
        speaker.send("Nagios", "mail-1", "Disk full", status=status, **tags)
    speaker.send("Nagios", "mail-2", "Disk full", "warning")
    subjects = "acked assigned snoozed woken reopened talked shared tagged resolved kept"
    for second, subject in enumerate(subjects.split(), 1):
        speaker.go_to(12, 3, second)
        speaker.send("Nagios", f"{subject}-1", f"Check of {subject}", team="Storage")
        speaker.note(**{subject: f"{subject}-1"})
    speaker.go_to(12, 5)
    late = int((DAY + timedelta(hours=11, minutes=40)).timestamp())
    speaker.send("Nagios", "acked-1", "Check of acked", "warning", floor="3", timestamp=late)
    repaired: dict[str, Any] = {"timestamp": "24.03.2026", "Floor Plan": "x" * 50}
    speaker.send("Kiosk", "kiosk-1", "Payment", "CRIT", **repaired)
    speaker.send("Kiosk", "kiosk-2", "Payment", "on fire", status=400)
    offline = {"status": "critical", "check": "Offline", "cluster": "tills-bonn"}
    speaker.send_batch("Tills", [offline | {"host": f"till-{number}"} for number in (1, 2, 3)])
    speaker.go_to(12, 6)
    fan = {"status": "warning", "check": "Fan", "cluster": "rack-9"}
    speaker.send_batch("Nagios", [fan | {"host": f"rack-{number:03}"} for number in range(301)])
    for minute in range(7, 13):
        speaker.go_to(12, minute)
        speaker.send("Nagios", "calm-1", "Ping", ("critical", "ok")[minute % 2])
    speaker.note(calm="calm-1", mail="mail-1", mail_2="mail-2", till="till-1", full="rack-000", kiosk="kiosk-1")
    speaker.note(follower="rack-300")


def tools_send(speaker: Speaker) -> None:
    """Send a tool's own payload, a mapping with a payload for it, and a deployment."""
    speaker.go_to(12, 13)
    labels = {"alertname": "HighLoad", "instance": "api-1:9100", "severity": "warning"}
    alert: dict[str, Any] = {"status": "firing", "labels": labels, "annotations": {"summary": "Load is 31"}}
    alert |= {"startsAt": "2026-03-24T12:04:00Z", "generatorURL": "http://prometheus.example.com/graph"}
    payload = {"version": "4", "status": "firing", "receiver": "console", "alerts": [alert]}
    address = "/oim/{tool}/alerts?app_key={secret}"
    path = address.format(tool="prometheus", secret=speaker.secrets["Prometheus"])
    speaker.api("senders", path, payload)
    config: dict[str, Any] = {"version": "2.0", "map_remaining": True, "primary_property": [{"name": "host"}]}
    config |= {"additional_attributes": [{"name": "host", "source": ["unit"]}]}
    sample = {"unit": "ups-1", "level": "critical", "what": "On battery"}
    for default in ("critical", "warning"):
        config["status"] = {"source": ["level"], "default_to": default}
        mapping = {"config": config, "sample_payload": sample}
        speaker.api("senders", f"/configurations/alerts/oim/{speaker.secrets['Kiosk']}", mapping)
    speaker.api("senders", address.format(tool="api", secret=speaker.secrets["Kiosk"]), sample)
    rollout = {"component": "basket", "version": "4.32", "hosts": ["talked-1", "web-2"], "owner": "Rosa"}
    speaker.api("senders", "/data/events/deployments/start", rollout)
    speaker.go_to(12, 19)
    rollout |= {"status": "failure", "errorMessage": "Rolled back"}
    speaker.api("senders", "/data/events/deployments/end", rollout)


# --- People


def people_act(speaker: Speaker) -> None:
    """Carry out the actions that one incident allows."""
    speaker.go_to(12, 20)
    speaker.act("rosa", "acked", "acknowledge")
    speaker.act("rosa", "acked", "unacknowledge")
    speaker.act("ada", "acked", "acknowledge")
    speaker.act("ada", "assigned", "assign", to="2")
    speaker.act("rosa", "assigned", "release")
    speaker.act("rosa", "assigned", "assign")
    speaker.go_to(12, 21)
    speaker.act("rosa", "snoozed", "snooze", length="4h", comment="Waits for the *provider*.")
    speaker.act("ada", "woken", "snooze", length="15m", wakes_on_update="on")
    speaker.act("ada", "kept", "snooze", length="1h")
    speaker.act("ada", "kept", "unsnooze")
    link = "[status](https://status.example.com)"
    speaker.act("rosa", "talked", "comment", comment=f"Called the **provider**: {link}.")
    speaker.act("ada", "talked", "comment", comment="They lok into it.")
    speaker.act("rosa", "talked", "comment", comment="Wrong incident, sorry.")
    speaker.go_to(12, 22)
    mistake, misspelt, *_ = speaker.activities("talked")
    speaker.act("ada", "talked", f"comments/{misspelt}", comment="They look into it.\n\n- first\n- second")
    speaker.act("rosa", "talked", f"comments/{mistake}/delete")
    speaker.act("ada", "shared", "share", people=["2", "4"], comment="Please have a look.")
    speaker.act("rosa", "shared", "share", people=["3"])
    speaker.act("rosa", "tagged", "priority", priority="1")
    speaker.act("rosa", "tagged", "priority", priority="2")
    speaker.act("rosa", "tagged", "tag", tag="1", values="some")
    speaker.act("rosa", "tagged", "tag", tag="2", values="OPS-17")
    speaker.act("ada", "tagged", "tag", tag="2", values="")


def people_take_back(speaker: Speaker) -> None:
    """Resolve, reopen and undo, by hand and by alerts."""
    speaker.go_to(12, 23)
    speaker.act("rosa", "resolved", "resolve", comment="Replaced the disk.")
    speaker.act("nils", "reopened", "resolve")
    speaker.act("ada", "reopened", "reopen", comment="Not yet.")
    speaker.act("ada", "kept", "resolve", comment="Too early.")
    speaker.form("ada", "/undo")
    speaker.act("rosa", "mail", "priority", priority="3")
    speaker.undo("rosa", "mail")
    speaker.go_to(12, 24)
    speaker.send("Nagios", "mail-1", "Disk full", "ok")
    speaker.go_to(12, 30)
    speaker.send("Nagios", "mail-1", "Disk full", description="99 % used")


def scripts_act(speaker: Speaker) -> None:
    """Act through the resources, with an org token and with an API key. Fail to sign in until the name is locked."""
    mail, everything = speaker.numbers["mail_2"], "/resources/v2.0/environments/all"
    said = {"comments": "Said by a script."}
    speaker.api("token-of-reader", f"/resources/v1.0/incidents/{mail}", said)
    path = f"{everything}/incidents/{mail}/assignment"
    speaker.api("key-of-rosa", path, {"assignee": 2}, method="PUT")
    resolved = {"ids": [speaker.alert("till-3")], "comments": "Back online."}
    speaker.api("key-of-ada", f"{everything}/batch-resolve/alerts", resolved)
    for _ in range(5):
        speaker.console.browser().post("/login", {"username": "vera", "password": "wrong"})
    speaker.form("ada", "/people/3/unlock")


def people_group(speaker: Speaker) -> None:
    """Merge incidents, split them and move alerts. Undo a merge and a split."""
    speaker.go_to(12, 40)
    for letter in "abcdefgh":
        speaker.send("Nagios", f"group-{letter}", f"Check {letter}", "warning", letter=letter)
        speaker.note(**{letter: f"group-{letter}"})
    number = speaker.numbers
    speaker.act("rosa", "a", "merge", numbers=f"{number['b']}, #{number['c']}", comment="One cause.")
    speaker.act("ada", "d", "merge", numbers=number["e"])
    speaker.undo("ada", "d")
    speaker.go_to(12, 41)
    speaker.form("rosa", "/merge", incident=[number["f"], number["g"]], into=number["f"])
    speaker.act("rosa", "a", "split", how="new", alerts=[speaker.alert("group-b")], comment="Not that one.")
    speaker.act("ada", "a", "split", how="other", alerts=[speaker.alert("group-c")], to=number["h"])
    speaker.act("ada", "till", "split", how="tag", tag="host")
    speaker.undo("ada", "till")
    speaker.act("ada", "full", "split", how="new", alerts=[speaker.alert("rack-001"), speaker.alert("rack-002")])


def people_act_in_bulk(speaker: Speaker) -> None:
    """Carry out bulk actions on chosen incidents and on all that match. One is refused in part, two are undone."""
    speaker.go_to(12, 50)
    chosen = [speaker.numbers[name] for name in ("d", "e", "f", "resolved")]
    speaker.bulk("rosa", "acknowledge", incident=chosen)
    speaker.bulk("rosa", "priority", fields={"priority": "4"}, incident=chosen)
    speaker.form("rosa", "/bulk/2/undo")
    speaker.bulk("ada", "assign", fields={"to": "2"}, all="1", matching="?q=host+%3D+group-*")
    speaker.bulk("ada", "resolve", fields={"comment": "All over."}, incident=chosen[1:3])
    speaker.form("ada", "/undo")


# --- Patterns and maintenance

PATTERN: dict[str, Any] = {
    "tag": ["cluster", "check"],
    "window": "2",
    "unit": "hours",
    "cross_source": "on",
    "active": "on",
}


def patterns_change(speaker: Speaker) -> None:
    """Give a pattern several versions, delete another, and correlate alerts by the first."""
    speaker.go_to(13)
    made = speaker.form("ada", "/patterns/new", **PATTERN, note="Racks fail together")
    pattern = speaker.numbers["pattern"] = int(made.rsplit("/", 1)[1])
    speaker.go_to(13, 1)
    edit = f"/patterns/{pattern}/edit"
    speaker.form("ada", edit, **PATTERN, note="Only in the cellar", filter="cluster = rack-*")
    speaker.form("ada", edit, **PATTERN, note="Also upstairs", filter="cluster = rack-* OR floor = 3")
    speaker.form("ada", f"/patterns/{pattern}/deactivate")
    speaker.form("ada", f"/patterns/{pattern}/activate")
    speaker.form("ada", f"/patterns/{pattern}/move", to="earlier")
    deleted = speaker.form("ada", "/patterns/new", **PATTERN | {"tag": ["shop"]})
    speaker.form("ada", f"{deleted}/delete")
    speaker.go_to(13, 5)
    for number in (1, 2, 3):
        speaker.send("Nagios", f"cellar-{number}", "Water", cluster="rack-cellar")
    speaker.note(cellar="cellar-1")


def drafts_are_replayed(speaker: Speaker) -> None:
    """Replay drafts over the day, let one run as a shadow, and search for suggestions."""
    a_day = {"try": "1", "days": "1"}
    run = speaker.form("ada", "/patterns/new", **PATTERN | {"tag": ["team"], "note": "By team"} | a_day)
    speaker.form("ada", f"{run}/shadow")
    pattern = speaker.numbers["pattern"]
    speaker.form("ada", f"/patterns/{pattern}/edit", **PATTERN | {"window": "5", "note": "Longer"} | a_day)
    speaker.form("ada", "/patterns/suggestions", days="1")
    speaker.go_to(13, 10)
    for number in (1, 2):
        speaker.send("Nagios", f"team-{number}", f"Check {number}", "warning", team="Tills")
    speaker.go_to(13, 11)


def maintenance_begins(speaker: Speaker) -> None:
    """Create a maintenance plan that runs, a planned one, a stopped one and a deleted one."""
    speaker.go_to(13, 30)
    today = {"starts_at": "2026-03-24T14:30", "ends_at": "2026-03-24T18:00"}  # in Berlin
    tomorrow = {"starts_at": "2026-03-25T08:00", "ends_at": "2026-03-25T10:00"}
    kernel = {"condition": "host = worked-on-*", "description": "Every node"}
    speaker.form("ada", "/maintenance/new", name="Kernel upgrade", **kernel, **today)
    speaker.form("rosa", "/maintenance/new", name="Move of rack 7", condition="host = rack-007", **tomorrow)
    speaker.form("ada", "/maintenance/new", name="Stopped", condition="host = nothing", **today)
    speaker.form("ada", "/maintenance/3/stop")
    speaker.form("rosa", "/maintenance/new", name="By mistake", condition="host = nothing", **tomorrow)
    speaker.form("rosa", "/maintenance/4/delete")
    speaker.go_to(13, 31)
    for number in (1, 2):
        speaker.send("Nagios", f"worked-on-{number}", "Ping")
    speaker.note(worked_on="worked-on-1")


def last_hour(speaker: Speaker) -> None:
    """Act in the restricted environment, flap in an incident of two alerts, and do what the next release has to undo."""
    speaker.go_to(13, 40)
    speaker.send("Tills", "till-9", "Offline", cluster="tills-köln")
    speaker.note(till_9="till-9")
    speaker.act("nils", "till_9", "acknowledge")
    speaker.act("nils", "till_9", "comment", comment="Seen at night.")
    speaker.go_to(13, 50)
    speaker.send("Nagios", "flap-2", "Link", cluster="rack-flap")
    for minute in range(51, 60):
        speaker.go_to(13, minute)
        speaker.send("Nagios", "flap-1", "Link", ("ok", "critical")[minute % 2], cluster="rack-flap")
    speaker.go_to(14)
    speaker.send("Nagios", "kept-1", "Check of kept", "warning", team="Storage")
    for number in (1, 2, 3):
        speaker.send("Nagios", f"later-{number}", f"Undone later {number}")
    speaker.note(flap="flap-1", to_reopen="later-1", to_part="later-2", to_leave="later-3")
    speaker.act("rosa", "to_reopen", "resolve", comment="Undone by the next release.")
    speaker.act("rosa", "to_part", "merge", numbers=speaker.numbers["to_leave"])
    speaker.go_to(14, 20)
