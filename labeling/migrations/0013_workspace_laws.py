"""The laws of the workspace's new nouns, and what projects that are there already begin with.

A prompt may be written, and a review given, under one's own assignment alone; what was written stays; checks
need no ordinary slots; a member has a place in every kind of queue.
"""

from django.db import migrations

COMPOSITE_KEYS = "".join(
    f"""
ALTER TABLE labeling_{table} ADD CONSTRAINT {name}_slot_of_item
    FOREIGN KEY (slot_id, item_id) REFERENCES labeling_slot (id, item_id);
ALTER TABLE labeling_{table} ADD CONSTRAINT {name}_own_assignment
    FOREIGN KEY (assignment_id, item_id, labeler_id) REFERENCES labeling_assignment (id, item_id, labeler_id);
"""
    for table, name in (("writtenprompt", "written_prompt"), ("review", "review"))
)

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_{table}
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();
"""
    for table in ("writtenpromptrevision", "reviewrevision", "guidelines", "acceptance")
)

FUNCTIONS = """
CREATE OR REPLACE FUNCTION rankloop_item_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whole labeling_item%ROWTYPE;
    completions int;
    slots int;
BEGIN
    IF TG_TABLE_NAME = 'labeling_item' THEN
        SELECT * INTO whole FROM labeling_item WHERE id = NEW.id;
    ELSE
        SELECT * INTO whole FROM labeling_item WHERE id = coalesce(NEW.item_id, OLD.item_id);
    END IF;
    IF whole.id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO completions FROM labeling_itemcompletion
        WHERE item_id = whole.id AND position < whole.k;
    IF completions <> whole.k THEN
        RAISE EXCEPTION 'item % wants % completions at positions 0 to k-1, has %', whole.id, whole.k, completions
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF whole.purpose <> 'work' THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO slots FROM labeling_slot
        WHERE item_id = whole.id AND reserved_for_id IS NULL AND (whole.state = 'retired' OR state <> 'closed');
    IF slots < whole.overlap THEN
        RAISE EXCEPTION 'item % wants % slots, has %', whole.id, whole.overlap, slots
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION rankloop_filled_has_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT state FROM labeling_slot WHERE id = NEW.id) = 'filled'
       AND NOT EXISTS (SELECT 1 FROM labeling_ranking WHERE slot_id = NEW.id)
       AND NOT EXISTS (SELECT 1 FROM labeling_demonstration WHERE slot_id = NEW.id)
       AND NOT EXISTS (SELECT 1 FROM labeling_writtenprompt WHERE slot_id = NEW.id)
       AND NOT EXISTS (SELECT 1 FROM labeling_review WHERE slot_id = NEW.id) THEN
        RAISE EXCEPTION 'slot % is filled by no answer', NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION rankloop_member_has_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO labeling_queuecursor (membership_id, kind, keys, openings)
    SELECT NEW.id, kind, '{-1,-1,-1}', '{0,0,0}'
    FROM unnest(ARRAY['demonstrate', 'rank', 'prompt', 'review']) AS kind;
    RETURN NULL;
END $$;

-- A check is nobody's but the labeler's it was made for.
CREATE FUNCTION rankloop_check_slot_is_reserved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reserved_for_id IS NULL
       AND (SELECT purpose FROM labeling_item WHERE id = NEW.item_id) <> 'work' THEN
        RAISE EXCEPTION 'slot of item % must be reserved for a labeler', NEW.item_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER check_slot_is_reserved BEFORE INSERT ON labeling_slot
    FOR EACH ROW EXECUTE FUNCTION rankloop_check_slot_is_reserved();
"""

BEGIN = """
INSERT INTO labeling_queuecursor (membership_id, kind, keys, openings)
SELECT member.id, kind, '{-1,-1,-1}', '{0,0,0}'
FROM labeling_membership member, unnest(ARRAY['demonstrate', 'rank', 'prompt', 'review']) AS kind
ON CONFLICT DO NOTHING;

INSERT INTO labeling_qualitypolicy
    (project_id, onboarding, least_ranking_agreement, least_flag_agreement, least_demonstration_rating, gold_rate,
     repeat_rate, break_after_minutes, review_demonstrations)
SELECT id, false, 0.75, 0.75, 6, 0, 0, 60, 0 FROM labeling_project;

INSERT INTO labeling_guidelines (project_id, version, text, binding, note)
SELECT id, 1, guidelines, false, '' FROM labeling_project WHERE guidelines <> '';
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0012_workspace")]

    operations = [
        # One way, as 0002.
        migrations.RunSQL(COMPOSITE_KEYS + APPEND_ONLY + FUNCTIONS + BEGIN),
    ]
