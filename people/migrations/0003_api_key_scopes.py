from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0002_audit_address"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="scopes",
            field=models.CharField(
                db_default="read act administer", default="read act administer", editable=False, max_length=100
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="last_used_address",
            field=models.CharField(db_default="", default="", editable=False, max_length=45),
        ),
        migrations.AddField(
            model_name="apikey",
            name="revoked_because",
            field=models.CharField(db_default="", default="", editable=False, max_length=200),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="change",
            field=models.CharField(
                choices=[
                    ("created", "Created"),
                    ("changed", "Changed"),
                    ("deleted", "Deleted"),
                    ("restored", "Restored"),
                    ("activated", "Activated"),
                    ("deactivated", "Deactivated"),
                    ("rotated", "Rotated"),
                    ("reordered", "Reordered"),
                    ("invited", "Invited"),
                    ("locked", "Locked out"),
                    ("unlocked", "Unlocked"),
                    ("used", "First used from an address"),
                ],
                max_length=20,
            ),
        ),
    ]
