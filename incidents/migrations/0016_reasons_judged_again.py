from datetime import datetime

from django.db import migrations


def keep_what_was_met(apps, schema_editor):
    """Of what each pattern said, only what came of incidents is kept; the rest is judged again when somebody asks (incidents.explain.considered)."""
    alerts = apps.get_model("alerts", "Alert").objects
    for turn in apps.get_model("incidents", "Turn").objects.order_by("pk").iterator():
        revisions = {pk: revision for pk, counted, revision in turn.seen if not counted}
        decided = list(alerts.filter(pk__in=revisions, decision__has_key="considered").only("decision"))
        for alert in decided:
            said = [row for row in alert.decision["considered"] if isinstance(row, dict) and "incident" in row]
            met = [[row["pattern"], row["verdict"], row["incident"], anchor_of(row)] for row in said]
            pattern, revision = alert.decision["pattern"], revisions[alert.pk]
            alert.decision = {"pattern": pattern, "met": met, "turn": turn.pk, "revision": revision}
        alerts.bulk_update(decided, ["decision"])


def anchor_of(row):
    since, until = (datetime.fromisoformat(row[name]) for name in ("window_from", "window_until"))
    return (since + (until - since) / 2).isoformat()


class Migration(migrations.Migration):
    dependencies = [("incidents", "0015_alerts_resolved"), ("alerts", "0001_initial")]

    operations = [migrations.RunPython(keep_what_was_met, migrations.RunPython.noop)]
