"""Laws that Django's constraints cannot say: composite foreign keys and triggers.

Texts may be erased only by a transaction that says so: `SET LOCAL rankloop.erasing = 'on'`.
"""

from django.db import migrations

# Each child row repeats a column of its parent, and the pair must match: a foreign completion, an array
# of the wrong length, or an answer under somebody else's assignment cannot be written down.
COMPOSITE_KEYS = [
    ("labeling_itemcompletion", "item_same_prompt", "(item_id, prompt_id)", "labeling_item (id, prompt_id)"),
    (
        "labeling_itemcompletion",
        "completion_same_prompt",
        "(completion_id, prompt_id)",
        "labeling_completion (id, prompt_id)",
    ),
    ("labeling_assignment", "assignment_slot_of_item", "(slot_id, item_id)", "labeling_slot (id, item_id)"),
    ("labeling_ranking", "ranking_slot_of_item", "(slot_id, item_id)", "labeling_slot (id, item_id)"),
    (
        "labeling_ranking",
        "ranking_own_assignment",
        "(assignment_id, item_id, labeler_id)",
        "labeling_assignment (id, item_id, labeler_id)",
    ),
    (
        "labeling_demonstration",
        "demonstration_slot_of_item",
        "(slot_id, item_id)",
        "labeling_slot (id, item_id)",
    ),
    (
        "labeling_demonstration",
        "demonstration_own_assignment",
        "(assignment_id, item_id, labeler_id)",
        "labeling_assignment (id, item_id, labeler_id)",
    ),
    (
        "labeling_demonstration",
        "demonstration_item_prompt",
        "(item_id, prompt_id)",
        "labeling_item (id, prompt_id)",
    ),
    (
        "labeling_rankingrevision",
        "ranking_revision_item",
        "(ranking_id, item_id)",
        "labeling_ranking (id, item_id)",
    ),
    ("labeling_rankingrevision", "ranking_revision_k", "(item_id, k)", "labeling_item (id, k)"),
]

FUNCTIONS = """
CREATE FUNCTION rankloop_ranks_are_dense(ranks int[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(rank ORDER BY rank) = array_agg(number ORDER BY rank)
    FROM (SELECT rank, row_number() OVER (ORDER BY rank)::int AS number
          FROM (SELECT DISTINCT unnest(ranks) AS rank) AS distinct_ranks) AS numbered
$$;

CREATE FUNCTION rankloop_is_permutation(places int[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(place ORDER BY place), '{}')
         = coalesce((SELECT array_agg(n) FROM generate_series(0, cardinality(places) - 1) AS n), '{}')
    FROM unnest(places) AS place
$$;

CREATE FUNCTION rankloop_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('rankloop.erasing', true) = 'on' THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION rankloop_item_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
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
    SELECT count(*) INTO slots FROM labeling_slot
        WHERE item_id = whole.id AND reserved_for_id IS NULL AND (whole.state = 'retired' OR state <> 'closed');
    IF slots < whole.overlap THEN
        RAISE EXCEPTION 'item % wants % slots, has %', whole.id, whole.overlap, slots
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION rankloop_filled_has_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT state FROM labeling_slot WHERE id = NEW.id) = 'filled'
       AND NOT EXISTS (SELECT 1 FROM labeling_ranking WHERE slot_id = NEW.id)
       AND NOT EXISTS (SELECT 1 FROM labeling_demonstration WHERE slot_id = NEW.id) THEN
        RAISE EXCEPTION 'slot % is filled by no answer', NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION rankloop_complete_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'complete' AND coalesce(current_setting('rankloop.erasing', true), '') <> 'on' THEN
        RAISE EXCEPTION 'dataset version % is complete: % refused', OLD.id, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION rankloop_rows_of_complete_version_stay() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.version_id ELSE OLD.version_id END;
BEGIN
    IF (SELECT state FROM labeling_datasetversion WHERE id = touched) = 'complete'
       AND coalesce(current_setting('rankloop.erasing', true), '') <> 'on' THEN
        RAISE EXCEPTION 'dataset version % is complete: % of a row refused', touched, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE FUNCTION rankloop_run_is_fenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.attempt < OLD.attempt THEN
        RAISE EXCEPTION 'the attempt of run % cannot fall', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state = 'completed' AND (NEW.state <> 'completed' OR NEW.artifact <> OLD.artifact) THEN
        RAISE EXCEPTION 'run % is completed', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
ALTER TABLE labeling_rankingrevision ADD CONSTRAINT ranking_ranks_dense
    CHECK (ranks IS NULL OR rankloop_ranks_are_dense(ranks::int[]));
ALTER TABLE labeling_rankingrevision ADD CONSTRAINT ranking_scores_in_scale
    CHECK (1 <= ALL (scores) AND 9 >= ALL (scores));
ALTER TABLE labeling_assignment ADD CONSTRAINT assignment_order_is_permutation
    CHECK (rankloop_is_permutation(shown_order::int[]));

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_rankingrevision
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_demonstrationrevision
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_rubric
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_auditevent
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON labeling_auditseal
    FOR EACH ROW EXECUTE FUNCTION rankloop_refuse();

CREATE CONSTRAINT TRIGGER item_is_whole AFTER INSERT OR UPDATE ON labeling_item
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rankloop_item_is_whole();
CREATE CONSTRAINT TRIGGER item_is_whole AFTER UPDATE OR DELETE ON labeling_itemcompletion
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rankloop_item_is_whole();
CREATE CONSTRAINT TRIGGER filled_has_answer AFTER INSERT OR UPDATE OF state ON labeling_slot
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'filled')
    EXECUTE FUNCTION rankloop_filled_has_answer();

CREATE TRIGGER complete_version_stays BEFORE UPDATE OR DELETE ON labeling_datasetversion
    FOR EACH ROW EXECUTE FUNCTION rankloop_complete_version_stays();
CREATE TRIGGER rows_stay BEFORE INSERT OR UPDATE OR DELETE ON labeling_datasetrow
    FOR EACH ROW EXECUTE FUNCTION rankloop_rows_of_complete_version_stay();
CREATE TRIGGER run_is_fenced BEFORE UPDATE ON labeling_run
    FOR EACH ROW EXECUTE FUNCTION rankloop_run_is_fenced();
"""


def composite_keys() -> str:
    return "\n".join(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY {columns} REFERENCES {target};"
        for table, name, columns, target in COMPOSITE_KEYS
    )


class Migration(migrations.Migration):
    dependencies = [("labeling", "0001_initial")]

    operations = [
        # One way: a schema without its laws is not a state to return to.
        migrations.RunSQL(composite_keys() + FUNCTIONS + TRIGGERS),
    ]
