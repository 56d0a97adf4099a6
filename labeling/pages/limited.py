"""A form that was refused for too many tries is answered 429, and says when to come back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse

from labeling.identity.forms import TOO_MANY


def limited(answer: HttpResponse, form: forms.BaseForm) -> HttpResponse:
    """The page with this form on it, as it is, under the status that it should have."""
    for error in (error for errors in form.errors.as_data().values() for error in errors):
        if error.code == TOO_MANY and error.params:
            answer.status_code = 429
            answer["Retry-After"] = str(error.params["seconds"])
    return answer


class Limited:
    """For allauth's views: those whose forms count tries."""

    def form_invalid(self, form: forms.BaseForm) -> HttpResponse:
        answer: Any = super().form_invalid(form)  # type: ignore[misc]
        return limited(answer, form)
