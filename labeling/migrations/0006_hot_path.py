"""Every opening of a slot gets a number, so that a claim can go on from the last one that it has met."""

import django.contrib.postgres.fields
from django.db import migrations, models

import labeling.models.queue

OPENINGS = "CREATE SEQUENCE labeling_slot_opening AS bigint CACHE 1;"

# By hand, whoever writes: no verb can forget it.
LAW = """
CREATE FUNCTION rankloop_slot_opens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.opening := nextval('labeling_slot_opening');
    RETURN NEW;
END $$;

CREATE TRIGGER slot_opens BEFORE UPDATE OF state, band ON labeling_slot FOR EACH ROW
    WHEN (NEW.state = 'open' AND (OLD.state <> 'open' OR OLD.band <> NEW.band))
    EXECUTE FUNCTION rankloop_slot_opens();
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0005_api_tokens")]

    operations = [
        migrations.RunSQL(OPENINGS, "DROP SEQUENCE labeling_slot_opening;"),
        migrations.AddField(
            "slot",
            "opening",
            models.BigIntegerField(
                db_default=models.Func(models.Value("labeling_slot_opening"), function="nextval"),
                editable=False,
            ),
        ),
        migrations.AddIndex(
            "slot",
            models.Index(
                condition=models.Q(("state", "open")),
                fields=["project", "kind", "band", "opening"],
                name="slot_opening",
            ),
        ),
        migrations.AddField(
            "queuecursor",
            "openings",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), default=labeling.models.queue.first_openings, size=3
            ),
        ),
        migrations.AddField("queuecursor", "begun_at", models.DateTimeField(blank=True, null=True)),
        migrations.RunSQL(LAW),
    ]
