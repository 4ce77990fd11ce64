from django.db import migrations

# (position, tags, minutes, active, note)
PATTERNS = [
    (1, ["host"], 60, True, "Alerts of one host that start within an hour of each other are most often one trouble."),
    (
        2,
        ["cluster", "check"],
        60,
        True,
        "The same check failing on several hosts of a cluster within an hour is most often one trouble.",
    ),
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
    """Create the patterns of a new console, each with the first version of its history."""
    patterns = apps.get_model("incidents", "CorrelationPattern")
    versions = apps.get_model("incidents", "PatternVersion")
    for position, tags, minutes, active, note in PATTERNS:
        rule = {"tags": tags, "time_window": minutes, "active": active, "note": note}
        pattern = patterns.objects.create(position=position, **rule)
        versions.objects.create(
            pattern=pattern, version=1, change="created", at=pattern.created_at, cross_source=True, filter="", **rule
        )


def vacuum_often(apps, schema_editor):
    """Vacuum incidents after one change in a hundred rows, not in five.

    Open incidents are few and change often. Counting them reads an index alone where no dead rows are left.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE incidents_incident SET (autovacuum_vacuum_scale_factor = 0.01)")


class Migration(migrations.Migration):
    replaces = [
        ("incidents", "0002_starting_patterns"),
        ("incidents", "0014_more_starting_patterns"),
        ("incidents", "0020_vacuum_often"),
    ]
    dependencies = [("incidents", "0001_squashed")]

    operations = [
        migrations.RunPython(install, migrations.RunPython.noop),
        migrations.RunPython(vacuum_often, migrations.RunPython.noop),
    ]
