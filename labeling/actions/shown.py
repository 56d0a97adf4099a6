"""What a labeler is shown of an assignment, read in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labeling.actions import prepared
from labeling.models import Assignment, Kind, Rubric

SHOWN = f"""
SELECT project.public_id, coalesce(prompt.messages, '[]'),
       coalesce(prompt.language, item.brief->>'language', ''),
       coalesce(prompt.use_case, item.brief->>'use_case', ''),
       coalesce(prompt.sensitive, ARRAY[]::varchar[]),
       CASE WHEN item.kind = 'prompt' THEN item.brief END, draft.sequence, draft.body,
       ARRAY(SELECT completion.text FROM labeling_itemcompletion part
             JOIN labeling_completion completion ON completion.id = part.completion_id
             WHERE part.item_id = item.id ORDER BY part.position),
       {prepared.columns(Rubric, "rubric")}
FROM labeling_assignment held
JOIN labeling_project project ON project.id = held.project_id
JOIN labeling_item item ON item.id = held.item_id
LEFT JOIN labeling_prompt prompt ON prompt.id = item.prompt_id
JOIN labeling_rubric rubric ON rubric.id = held.rubric_id
LEFT JOIN labeling_draft draft ON draft.assignment_id = held.id
WHERE held.id = %(assignment)s
"""  # noqa: S608 - constants of our own


@dataclass(frozen=True)
class Shown:
    """A prompt with the completions at their positions, the rubric, and the draft if there is one.

    Where a prompt is to be written there are no messages, and `brief` says what is wanted.
    """

    project: str
    messages: list[dict[str, str]]
    language: str
    use_case: str
    sensitive: list[str]
    texts: Mapping[int, str]
    rubric: Rubric
    brief: dict[str, str] | None = None
    draft: dict[str, Any] | None = None


def shown(assignment: Assignment) -> Shown:
    """Read what stands behind an assignment."""
    found = prepared.row(SHOWN, {"assignment": assignment.pk})
    assert found is not None
    project, messages, language, use_case, sensitive, brief, sequence, draft, texts, *rubric = found
    return Shown(
        project=project,
        messages=json.loads(messages),
        language=language,
        use_case=use_case,
        sensitive=sensitive,
        texts=dict(enumerate(texts)),
        rubric=prepared.load(Rubric, rubric),
        brief=None if brief is None else json.loads(brief),
        draft=None if sequence is None else {"sequence": sequence, "body": json.loads(draft)},
    )


def loaded(assignment: Assignment, texts: Mapping[int, str]) -> Shown:
    """The same of an assignment whose relations are loaded already, without the draft."""
    item = assignment.item
    prompt, brief = item.prompt, item.brief
    return Shown(
        project=assignment.project.public_id,
        messages=prompt.messages if prompt else [],
        language=prompt.language if prompt else brief.get("language", ""),
        use_case=prompt.use_case if prompt else brief.get("use_case", ""),
        sensitive=prompt.sensitive if prompt else [],
        texts=texts,
        rubric=assignment.rubric,
        brief=brief if item.kind == Kind.PROMPT else None,
    )
