from django.db import migrations

PATTERNS = [
    (1, ["host"], "Alerts of one host that start within an hour of each other are most often one trouble."),
    (
        2,
        ["cluster", "check"],
        "The same check failing on several hosts of a cluster within an hour is most often one trouble.",
    ),
]


def install(apps, schema_editor):
    pattern = apps.get_model("incidents", "CorrelationPattern")
    for position, tags, note in PATTERNS:
        pattern.objects.create(tags=tags, time_window=60, position=position, note=note)


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
