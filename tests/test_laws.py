"""The laws hold of what the verbs have made, and each is seen when it is broken."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from labeling.actions import artifacts, audit
from labeling.models import AuditEvent, DatasetVersion, Round
from tests import laws, learn

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

OPEN = "(SELECT min(slot.id) FROM labeling_slot slot WHERE slot.state = 'open')"
FIRST = "SELECT item_id, labeler_id FROM labeling_demonstration WHERE item_id IS NOT NULL ORDER BY id LIMIT 1"
UNREVISED = """(public_id, project_id, item_id, assignment_id, labeler_id, is_simulated)
        SELECT public_id, project_id, item_id, assignment_id, labeler_id, false
        FROM labeling_ranking LIMIT 1"""
BREAKS = {
    "a member has a place in the queue of each kind of work": """
        DELETE FROM labeling_queuecursor WHERE kind = 'demonstrate'""",
    "no more answers in slots than the item ever had room for": """
        UPDATE labeling_item SET overlap = 1 WHERE overlap = 2 AND state = 'open'""",
    "an open item has as many live slots as it wants, or more that were filled before": f"""
        UPDATE labeling_slot SET state = 'closed' WHERE id = {OPEN}""",
    "a slot is filled exactly where an answer fills it": f"""
        UPDATE labeling_slot SET state = 'filled' WHERE id = {OPEN}""",
    "a slot is held exactly where one live assignment holds it": f"""
        UPDATE labeling_slot SET state = 'held' WHERE id = {OPEN}""",
    "nobody answers an item twice, repeats apart": f"""
        ALTER TABLE labeling_demonstration DROP CONSTRAINT demonstration_labeler_once;
        UPDATE labeling_demonstration SET (item_id, labeler_id) = ({FIRST}) WHERE item_id IS NOT NULL""",
    "an answer's assignment is answered, and the other way round": """
        UPDATE labeling_assignment SET state = 'expired'""",
    "no extra waits while a slot of its item is open": """
        UPDATE labeling_slot SET state = 'open' WHERE kind = 'demonstrate';
        UPDATE labeling_demonstration SET slot_id = NULL""",
    "what is reserved for one labeler is answered by that labeler and opens to nobody": f"""
        UPDATE labeling_slot SET reserved_for_id = 0 WHERE id = {OPEN}""",
    "a repeat is a repeat in its assignment too, and of an item that was ranked before": """
        UPDATE labeling_ranking SET is_repeat = true""",
    "no slot of a retired item is open": """
        UPDATE labeling_slot SET state = 'open' WHERE state = 'closed'""",
    "one open and one reserved assignment at most": """
        DROP INDEX assignment_one_open_one_reserved;
        UPDATE labeling_assignment SET state = 'open'""",
    "an item to rank has its K completions at positions 0 to K-1, one to demonstrate has none": """
        UPDATE labeling_itemcompletion SET position = 8 WHERE position = 0""",
    "the revisions of a ranking are numbered 1, 2, 3 …, each based on the one before": """
        UPDATE labeling_rankingrevision SET base = 0""",
    "the revisions of a demonstration are numbered 1, 2, 3 …, each based on the one before": """
        UPDATE labeling_demonstrationrevision SET number = 2, base = 1""",
    "the revisions of a review are numbered 1, 2, 3 …, each based on the one before": f"""
        INSERT INTO labeling_review {UNREVISED}""",
    "the revisions of a written_prompt are numbered 1, 2, 3 …, each based on the one before": f"""
        ALTER TABLE labeling_writtenprompt ALTER wants_review SET DEFAULT false, ALTER verdict SET DEFAULT '';
        INSERT INTO labeling_writtenprompt {UNREVISED}""",
    "a complete version has rows, numbered 0, 1, 2 …, as many as it counts": """
        DELETE FROM labeling_datasetrow WHERE ordinal = 1""",
    "a version's rows are of its kind and its project": "UPDATE labeling_prompt SET project_id = 0",
    "a run is leased exactly while it runs": """
        ALTER TABLE labeling_run DROP CONSTRAINT run_lease;
        UPDATE labeling_run SET owner = gen_random_uuid()""",
    "what runs or is completed was claimed, and no attempt failed more than once": """
        UPDATE labeling_run SET failures = attempt + 1""",
    "a run that is over says when, and one that is not does not": """
        UPDATE labeling_run SET finished_at = NULL""",
    "at most one round of a project is open": """
        DROP INDEX round_one_open; UPDATE labeling_round SET state = 'held'""",
    "a round that is over says when, and one that is not does not": """
        UPDATE labeling_round SET finished_at = NULL""",
    "a round and a stage have one run, and one judge": """
        DROP INDEX run_round_stage_once; UPDATE labeling_run SET stage = 'ppo'""",
    "a completed round has done all its steps": "UPDATE labeling_roundstep SET state = 'running'",
    "a trained model is what its completed run has written": """
        UPDATE labeling_modelversion SET artifact = repeat('0', 64)""",
    "a completed run that trains has a model": "DELETE FROM labeling_modelversion WHERE kind = 'sft'",
    "a run reads complete versions and published models of its project, and at least one thing": """
        DELETE FROM labeling_runinput""",
    "what a run sampled, its policy has written, and the run generates": """
        UPDATE labeling_completionorigin SET model_id = 0""",
    "each completion of a generated item was written by the item's model": """
        DELETE FROM labeling_completionorigin""",
    "each seal begins where the one before it ended, and names its digest": """
        DELETE FROM labeling_auditseal WHERE previous = ''""",
}


@pytest.fixture
def sealed(settings, tmp_path, monkeypatch):
    """Two rounds, and their events in two seals."""
    settings.ARTIFACTS = tmp_path / "artifacts"
    monkeypatch.setattr(audit, "SEAL_AFTER_SECONDS", 0)
    made = learn.after_two_rounds()
    assert audit.seal()
    audit.record("one.more")
    assert audit.seal()
    return made


def test_two_rounds_keep_every_law_and_each_is_seen_when_it_is_broken(sealed, settings):
    assert Round.objects.filter(state="completed").count() == 2
    assert laws.broken() == {}
    assert set(BREAKS) == set(laws.LAWS)
    for law, change in BREAKS.items():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger and no foreign key
            cursor.execute(change)
            assert law in laws.broken(), law
            transaction.set_rollback(True)
    assert laws.broken() == {}


def test_a_version_s_file_and_a_seal_that_were_changed_are_seen(sealed, settings):
    assert DatasetVersion.objects.filter(state="complete").count() >= 4
    assert laws.broken_versions(connection, settings.ARTIFACTS) == {}
    assert laws.broken_seals(connection) == []
    version = DatasetVersion.objects.latest("pk")
    file = artifacts.path(version.artifact) / f"{version.kind}.jsonl"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b'"', b"'", 1))
    assert list(laws.broken_versions(connection, settings.ARTIFACTS)) == [version.pk]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        AuditEvent.objects.filter(verb="one.more").update(subject="not what it was")
        assert len(laws.broken_seals(connection)) == 1
        transaction.set_rollback(True)
