from django.db import migrations

BUILT_IN = {"admin": "Administrator", "responder": "Responder", "viewer": "Viewer"}


def fill(apps, schema_editor):
    roles, users = apps.get_model("people", "Role").objects, apps.get_model("people", "User").objects
    for which, name in BUILT_IN.items():
        role, _ = roles.get_or_create(built_in=which, defaults={"name": name})
        users.filter(role=which).update(new_role=role)


def empty(apps, schema_editor):
    users = apps.get_model("people", "User").objects
    for which in BUILT_IN:
        users.filter(new_role__built_in=which).update(role=which)


class Migration(migrations.Migration):
    dependencies = [("people", "0003_role")]
    operations = [migrations.RunPython(fill, empty)]
