"""What is published stays: no statement drops a trained model or a completed run, or points it elsewhere."""

from django.db import migrations

LAWS = """
CREATE FUNCTION rankloop_published_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.artifact <> ''
       AND (TG_OP = 'DELETE' OR NEW.artifact IS DISTINCT FROM OLD.artifact)
       AND coalesce(current_setting('rankloop.erasing', true), '') <> 'on' THEN
        RAISE EXCEPTION '% % is published: % refused', TG_TABLE_NAME, OLD.id, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER published_stays BEFORE UPDATE OR DELETE ON labeling_modelversion
    FOR EACH ROW EXECUTE FUNCTION rankloop_published_stays();
CREATE TRIGGER published_stays BEFORE DELETE ON labeling_run
    FOR EACH ROW EXECUTE FUNCTION rankloop_published_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0002_laws")]

    operations = [
        # One way, like the other laws.
        migrations.RunSQL(LAWS),
    ]
