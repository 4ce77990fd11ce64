import hashlib

from django.db import migrations, models


def digest_keys_of_sessions(apps, schema_editor):
    """Store the sessions under the digests of their keys, as people.session_store looks for them, so no key stays readable."""
    for model in (apps.get_model("sessions", "Session"), apps.get_model("people", "BrowserSession")):
        for key in list(model.objects.values_list("session_key", flat=True)):
            stored = hashlib.sha256(key.encode()).hexdigest()[:40]
            model.objects.filter(session_key=key).update(session_key=stored)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0004_secret_key"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="must_change_password",
            field=models.BooleanField(db_default=False, default=False, editable=False),
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
                    ("signed_in", "Signed in"),
                    ("sign_in_failed", "Failed to sign in"),
                    ("sign_in_refused", "Sign-in refused"),
                    ("link_used", "Set a password by link"),
                    ("signed_out", "Signed out"),
                    ("sessions_ended", "Ended sessions"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(digest_keys_of_sessions, migrations.RunPython.noop, elidable=True),
    ]
