-- What next and submit must at least do, with the same laws and nothing around it: pgbench's script.
-- Variables: project, rubric, and the first of as many memberships and labelers as there are clients.
\set membership :first_membership + :client_id
\set labeler :first_labeler + :client_id
BEGIN;
SELECT keys[2] AS place FROM labeling_queuecursor
WHERE membership_id = :membership AND kind = 'rank' FOR UPDATE \gset
UPDATE labeling_slot SET state = 'held' WHERE id = (
    SELECT slot.id FROM labeling_slot slot
    WHERE slot.project_id = :project AND slot.kind = 'rank' AND slot.state = 'open' AND slot.band = 1
      AND slot.key > :place AND slot.reserved_for_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM labeling_assignment given
                      WHERE given.item_id = slot.item_id AND given.labeler_id = :labeler)
    ORDER BY slot.key, slot.number LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id AS slot, item_id AS item, key \gset
UPDATE labeling_queuecursor SET keys[2] = :key WHERE membership_id = :membership AND kind = 'rank';
INSERT INTO labeling_assignment (token, slot_id, item_id, project_id, kind, labeler_id, state, is_repeat,
    method, shown_order, rubric_id, lease_until, opened_at, skip_reason, skip_comment)
VALUES (gen_random_uuid(), :slot, :item, :project, 'rank', :labeler, 'open', false, 'rate', '{2,0,3,1}', :rubric,
    clock_timestamp() + interval '20 min', clock_timestamp(), '', '')
RETURNING id AS assignment \gset
SELECT prompt.messages, array_agg(completion.text) FROM labeling_item item
JOIN labeling_prompt prompt ON prompt.id = item.prompt_id
JOIN labeling_itemcompletion part ON part.item_id = item.id
JOIN labeling_completion completion ON completion.id = part.completion_id
WHERE item.id = :item GROUP BY prompt.messages;
COMMIT;
BEGIN;
UPDATE labeling_slot SET state = 'filled' WHERE id = :slot;
UPDATE labeling_assignment SET state = 'answered', closed_at = clock_timestamp() WHERE id = :assignment;
INSERT INTO labeling_ranking (public_id, project_id, item_id, assignment_id, slot_id, labeler_id, is_repeat,
    is_simulated)
VALUES (left(replace(gen_random_uuid()::text, '-', ''), 16), :project, :item, :assignment, :slot, :labeler, false,
    false)
RETURNING id AS ranking \gset
INSERT INTO labeling_rankingrevision (public_id, number, base, labeler_id, idempotency_key, body_digest,
    active_seconds, ranking_id, item_id, k, rubric_id, scores, ranks, flags, denied, moved, all_bad, comment,
    mode, method, conflicts)
VALUES (left(replace(gen_random_uuid()::text, '-', ''), 16), 1, 0, :labeler, gen_random_uuid()::text,
    sha256('benchmark'), 30, :ranking, :item, 4, :rubric, '{7,6,5,4}', '{1,2,3,4}', '{0,0,0,0}', '{}', '{t,f,f,f}',
    false, '', 'keys', 'rate', 0);
COMMIT;
