from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0005_share_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="app_key_ids",
            field=models.JSONField(null=True),
        ),
    ]
