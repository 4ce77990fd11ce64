"""A console with some of everything: the demo's day, and the things that people set up and did around it."""

from __future__ import annotations

from tests.running_console import RunningConsole

WHAT_PEOPLE_DID = """
from datetime import timedelta

from django.utils import timezone

from alerts.ingest.ingest import ingest
from alerts.models import Mapping
from alerts.sources import bigpanda
from appkeys.models import AppKey
from incidents import actions
from incidents.actions import bulk
from incidents.actions.handling import Acknowledge
from incidents.environments import placement
from incidents.models import Environment, Incident, IncidentTag, MaintenancePlan, ReplayRun, Wallboard
from incidents.replay import shadow
from incidents.replay.tasks import replay
from people.models import Role, User

admin = User.objects.get(username="admin")
in_frankfurt = {"query": "host = *fra*", "description": "All that runs in Frankfurt", "group": "Sites"}
placement.mark_unplaced(Environment.objects.create(name="Frankfurt", **in_frankfurt))
placement.place_unplaced()
impact = IncidentTag.objects.create(name="Impact", kind="ClosedListValuesSingle", choices=["none", "some", "all"])
Role.objects.create(name="Night shift")
for incident in Incident.objects.active().order_by("-status", "-changed_at", "-pk")[:3]:
    actions.comment(incident, by=admin, text="Called the **provider**, they look into it.")
    actions.share(incident, by=admin, people=[admin])
    actions.set_tag(incident, impact, ["some"], by=admin)
now = timezone.now()
run = ReplayRun.objects.create(since=now - timedelta(days=1), until=now, by=admin, note="As it was")
replay(run.pk)
shadow.switch_on([], by=admin, note="Nothing, beside")
for app_key in AppKey.objects.all():
    Mapping.objects.create(app_key=app_key, version=1, config={}, sample={}, created_at=now, created_by=admin)
bulk.start(bulk.draft("acknowledge", Incident.objects.filter(pk__in=Incident.objects.active()[:20].values("pk")), by=admin), Acknowledge())
for name, starts, ends in (("Kernel upgrade", -1, 2), ("Move of rack 7", 24, 26), ("Last night", -9, -8)):
    MaintenancePlan.objects.create(
        name=name, condition="host = sw-halle3-*", starts_at=now + timedelta(hours=starts), ends_at=now + timedelta(hours=ends), created_by=admin
    )
for host, check in (("sw-halle3-01.cgn.shop.example", "Uplink"), ("sw-halle3-02.cgn.shop.example", "Uplink")):
    alert = {"status": "critical", "host": host, "check": check, "description": "The link is down"}
    ingest([(AppKey.objects.first(), bigpanda.normalize(alert, received_at=now))], received_at=now)
_, secret = Wallboard.issue(name="Office", environment=None, sound=False, flash=False, by=admin)
print(f"/wall/{secret}")
"""


def furnish(console: RunningConsole) -> str:
    """Fill the console. Return the address of a wallboard, to which no link leads because it is shown once."""
    console.manage("play_demo", "--url", console.url)
    console.wait_for_correlation()
    return console.manage("shell", "-c", WHAT_PEOPLE_DID).splitlines()[-1]
