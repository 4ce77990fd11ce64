from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0001_squashed"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="address",
            field=models.CharField(blank=True, db_default="", default="", max_length=45),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="actor_kind",
            field=models.CharField(
                choices=[
                    ("user", "person"),
                    ("api_key", "personal API key"),
                    ("org_token", "org token"),
                    ("system", "the console"),
                ],
                max_length=10,
            ),
        ),
    ]
