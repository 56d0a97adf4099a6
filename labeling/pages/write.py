"""The page where labelers write prompts."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from labeling.actions.written_prompts import MOST_EXAMPLES
from labeling.doors import entered
from labeling.models import Kind, Membership, UseCase
from labeling.pages.beside import beside
from labeling.pages.briefs import flags
from labeling.pages.words import PROMPT
from labeling.pages.work import work_page


def write(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    return work_page(
        request,
        kind=Kind.PROMPT,
        template="work/write.html",
        words=PROMPT,
        use_cases=UseCase.choices,
        flags=flags(),
        languages=_languages(membership),
        most_examples=MOST_EXAMPLES,
        **beside(membership),
    )


def _languages(membership: Membership) -> list[str]:
    """Offered; another may be typed. Django writes zh-hans what prompts call zh-Hans."""
    ours = ["zh-Hans" if code == "zh-hans" else code for code, _name in settings.LANGUAGES]
    return list(membership.languages) or ours
