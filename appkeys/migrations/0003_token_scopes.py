from django.db import migrations, models

SCOPES = {
    "everything": "alerts deployments mappings read act",
    "sending": "alerts deployments mappings",
    "resources": "read act",
}


def name_scopes(apps, schema_editor):
    """Give each token the scopes of what it may do."""
    tokens = apps.get_model("appkeys", "OrgToken").objects
    for scope, scopes in SCOPES.items():
        tokens.filter(scope=scope).update(scopes=scopes)


class Migration(migrations.Migration):
    dependencies = [
        ("appkeys", "0002_org_token_sees_restricted"),
    ]

    operations = [
        migrations.AddField(
            model_name="orgtoken",
            name="scopes",
            field=models.CharField(
                db_default="alerts deployments", default="alerts deployments", editable=False, max_length=100
            ),
        ),
        migrations.AddField(
            model_name="orgtoken",
            name="last_used_address",
            field=models.CharField(db_default="", default="", editable=False, max_length=45),
        ),
        migrations.RunPython(name_scopes, migrations.RunPython.noop),
        # The column stays for processes of the code before, which read it until they end.
        migrations.AlterField(
            model_name="orgtoken",
            name="scope",
            field=models.CharField(db_default="sending", default="sending", max_length=20),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="orgtoken", name="scope")]
        ),
    ]
