"""Who is a member has a place in the queue of each kind of work: whoever locks it finds it."""

from django.db import migrations

PLACES = """
INSERT INTO labeling_queuecursor (membership_id, kind, keys, openings)
SELECT member.id, kind, '{-1,-1,-1}', '{0,0,0}'
FROM labeling_membership member, unnest(ARRAY['demonstrate', 'rank']) AS kind
ON CONFLICT DO NOTHING;
"""

# By hand, whoever writes: no verb can forget it.
LAW = """
CREATE FUNCTION rankloop_member_has_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO labeling_queuecursor (membership_id, kind, keys, openings)
    SELECT NEW.id, kind, '{-1,-1,-1}', '{0,0,0}' FROM unnest(ARRAY['demonstrate', 'rank']) AS kind;
    RETURN NULL;
END $$;

CREATE TRIGGER member_has_places AFTER INSERT ON labeling_membership FOR EACH ROW
    EXECUTE FUNCTION rankloop_member_has_places();
"""
AWAY = """
DROP TRIGGER member_has_places ON labeling_membership;
DROP FUNCTION rankloop_member_has_places();
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0008_names")]

    operations = [
        migrations.RunSQL(PLACES, migrations.RunSQL.noop),
        migrations.RunSQL(LAW, AWAY),
    ]
