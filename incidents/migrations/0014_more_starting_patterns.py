from django.db import migrations

# (place, tags, minutes, active, note)
PATTERNS = [
    (
        3,
        ["device"],
        60,
        True,
        "Switches, routers and storage name themselves by “device”: ports and links of one that fail within an hour are most often one trouble.",
    ),
    (
        4,
        ["application"],
        30,
        True,
        "What several monitoring systems say of one application within half an hour is most often one outage.",
    ),
    (
        5,
        ["service"],
        30,
        False,
        "Off, because in Nagios and its kin a service is a check that many hosts share. Switch it on where your tools name business services by it.",
    ),
]


def install(apps, schema_editor):
    """On a new console; who works with one already has patterns of their own choice."""
    if apps.get_model("incidents", "Incident").objects.exists():
        return
    patterns = apps.get_model("incidents", "CorrelationPattern")
    versions = apps.get_model("incidents", "PatternVersion")
    for position, tags, minutes, active, note in PATTERNS:
        rule = {"tags": tags, "time_window": minutes, "active": active, "note": note}
        pattern = patterns.objects.create(position=position, **rule)
        versions.objects.create(
            pattern=pattern, version=1, change="created", at=pattern.created_at, cross_source=True, filter="", **rule
        )


class Migration(migrations.Migration):
    dependencies = [("incidents", "0013_wallboards")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
