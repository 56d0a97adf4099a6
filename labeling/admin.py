"""A door for the operators of an installation, and nobody else.

People, projects, members and loop policies can be edited, and each change is recorded. What the database
holds laws about (items, answers, versions, runs, the audit) can be looked at only, and nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from labeling import models as nouns
from labeling.actions import audit, disk, people, projects, sign_in, tokens
from labeling.actions.errors import BadInput
from labeling.models import LoopPolicy, Membership, Project, User

View = Callable[..., HttpResponseBase]

# Unfold evaluates expressions in attributes (Alpine), and writes its colours and widths into the page.
CSP = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class OperatorSite(UnfoldAdminSite):  # type: ignore[misc]
    """Unfold's pages behind our own sign-in, with the looser content policy that they need."""

    index_title = gettext_lazy("Operators")

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        return {**context, "site_title": "Rankloop", "site_header": "Rankloop"}

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        loosened: View = csp_replace(CSP)(super().admin_view(view, cacheable))
        return loosened

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        for room in disk.filling_up():
            messages.warning(request, f"{room} {room.place}")
        page: HttpResponse = super().index(request, extra_context)
        return page

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied(_("These pages are for the operators of this installation."))
        return redirect_to_login(request.GET.get("next", request.path.removesuffix("login/")))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return LogoutView.as_view()(request)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("change-password")


site = OperatorSite()


class LookedAt(ModelAdmin):  # type: ignore[misc]
    """Every operator may see every row and change none."""

    show_full_result_count = False
    list_per_page = 50
    ordering = ("-pk",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(site.has_permission(request))

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(site.has_permission(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return [
            field.name
            for field in self.model._meta.concrete_fields
            if not isinstance(field, models.BinaryField) and not field.primary_key
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return self.get_fields(request, obj)


class Edited(ModelAdmin):  # type: ignore[misc]
    """Every operator may add and change rows; the change is recorded in the transaction of Django's view."""

    ordering = ("-pk",)
    add_fields: tuple[str, ...] = ()
    change_fields: tuple[str, ...] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(site.has_permission(request))

    has_add_permission = has_module_permission

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(site.has_permission(request))

    has_change_permission = has_view_permission

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        return self.change_fields if obj else self.add_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            made = self.create(request, obj)
            obj.__dict__.update(made.__dict__)
            return
        super().save_model(request, obj, form, change)
        audit.record(
            f"{obj._meta.model_name}.changed",
            project=obj if isinstance(obj, Project) else getattr(obj, "project", None),
            actor=acting(request),
            subject=getattr(obj, "public_id", str(obj.pk)),
            fields=form.changed_data,
        )

    def create(self, request: HttpRequest, wanted: Any) -> models.Model:
        """Call the verb that makes what the form describes."""
        raise NotImplementedError


def acting(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


class CheckedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose object must also pass a verb's check."""

    def check_object(self, obj: Any) -> None:
        """Raises BadInput that names the field."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.check_object(self.instance)
        except BadInput as error:
            self.add_error(error.field if error.field in self.fields else None, error.message)


# --- edited ------------------------------------------------------------------------------------------


@admin.register(User, site=site)
class UserAdmin(Edited):
    list_display = ("username", "first_name", "is_active", "is_staff", "is_simulated", "last_login")
    list_filter = ("is_active", "is_staff", "is_simulated")
    search_fields = ("username", "first_name", "public_id")
    add_fields = ("username", "first_name", "is_staff", "is_simulated")
    change_fields = ("username", "first_name", "is_active", "is_staff", "language", "time_zone")
    actions = ("reset_passwords", "remove_second_factors")

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        """One's own account stays an operator's: the last one would shut everybody out."""
        return ("is_active", "is_staff") if obj == request.user else ()

    def create(self, request: HttpRequest, wanted: User) -> User:
        user, password = people.create_user(
            wanted.username,
            display_name=wanted.first_name,
            is_simulated=wanted.is_simulated,
            one_time_password=not wanted.is_simulated,
            is_staff=wanted.is_staff,
            actor=acting(request),
        )
        self._show(request, user, password)
        return user

    @admin.action(description=gettext_lazy("Give a new one-time password, and revoke the API tokens"))
    def reset_passwords(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        for user in queryset:
            self._show(request, user, people.reset_password(user, actor=acting(request)))

    @admin.action(description=gettext_lazy("Remove the second factor, for who has lost theirs"))
    def remove_second_factors(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        for user in queryset:
            sign_in.remove_second_factor(user, actor=acting(request))
            messages.success(request, _("%(name)s signs in by password alone now.") % {"name": user.username})

    def _show(self, request: HttpRequest, user: User, password: str) -> None:
        sentence = _("The password of %(name)s, shown this once: %(password)s")
        messages.success(request, sentence % {"name": user.username, "password": password})


@admin.register(Project, site=site)
class ProjectAdmin(Edited):
    list_display = ("name", "slug", "policy_model", "created_at")
    search_fields = ("name", "slug", "public_id")
    add_fields = ("slug", "name", "description")
    change_fields = ("slug", "name", "description", "policy_model")
    readonly_fields = ("policy_model",)

    def create(self, request: HttpRequest, wanted: Project) -> Project:
        return projects.create_project(
            wanted.slug,
            wanted.name,
            description=wanted.description,
            actor=acting(request),
        )


class MembershipForm(CheckedForm):
    def check_object(self, obj: Membership) -> None:
        projects.check_languages(obj.languages)


@admin.register(Membership, site=site)
class MembershipAdmin(Edited):
    form = MembershipForm
    list_display = ("project", "user", "role", "languages", "is_active")
    list_filter = ("project", "role", "is_active")
    search_fields = ("user__username", "project__name")
    autocomplete_fields = ("project", "user")
    add_fields = ("project", "user", "role", "languages")
    change_fields = ("project", "user", "role", "languages", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        return ("project", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        projects.take_effect(obj)

    def create(self, request: HttpRequest, wanted: Membership) -> Membership:
        return projects.add_member(
            wanted.project, wanted.user, wanted.role, languages=wanted.languages, actor=acting(request)
        )


class LoopPolicyForm(CheckedForm):
    def check_object(self, obj: LoopPolicy) -> None:
        projects.check_policy(obj)


@admin.register(LoopPolicy, site=site)
class LoopPolicyAdmin(Edited):
    form = LoopPolicyForm
    list_display = ("project", "enabled", "bootstrap", "rankings_per_round", "daily_at", "base_model")
    change_fields = (
        "project",
        "enabled",
        "bootstrap",
        "rankings_per_round",
        "daily_at",
        "base_model",
        "stage_settings",
        "resources",
        "completions_per_item",
        "items_per_round",
        "overlap",
        "valid_share",
        "valid_overlap",
        "include_simulated",
        "reward_gate",
        "reward_gate_floor",
        "reward_gate_margin",
    )
    readonly_fields = ("project",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # every project is born with one


# --- looked at ---------------------------------------------------------------------------------------


@admin.register(nouns.ApiToken, site=site)
class ApiTokenAdmin(LookedAt):
    list_display = ("name", "user", "starts_with", "created_at", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("user__username", "name", "public_id")
    actions = ("revoke",)

    @admin.action(description=gettext_lazy("Revoke"))
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[nouns.ApiToken]) -> None:
        for token in queryset.select_related("user"):
            tokens.revoke(token, actor=acting(request))
            messages.success(request, _("The token %(name)s is revoked.") % {"name": token.name})


# Columns of the list, then filters, then what can be searched.
LOOKED_AT: dict[type[models.Model], tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    nouns.Rubric: (("project", "version", "scale_max", "created_at"), ("project",), ()),
    nouns.Guidelines: (
        ("project", "version", "binding", "note", "created_by", "created_at"),
        ("project",),
        (),
    ),
    nouns.Acceptance: (("guidelines", "user", "created_at"), ("guidelines__project",), ("user__username",)),
    nouns.Prompt: (
        ("public_id", "project", "preview", "split", "use_case", "language", "group", "source"),
        ("project", "split", "use_case", "is_simulated"),
        ("public_id", "external_id", "group"),
    ),
    nouns.ModelVersion: (
        ("name", "project", "kind", "promoted_at", "created_at"),
        ("project", "kind"),
        ("public_id", "name"),
    ),
    nouns.Completion: (("public_id", "__str__", "created_at"), (), ("public_id",)),
    nouns.CompletionOrigin: (("completion", "model", "run", "created_at"), ("model__kind",), ()),
    nouns.Item: (
        ("public_id", "project", "kind", "k", "overlap", "state", "origin", "skips", "needs_review"),
        ("project", "kind", "state", "origin", "needs_review"),
        ("public_id", "prompt__public_id"),
    ),
    nouns.Slot: (("item", "number", "state", "kind", "band", "language"), ("project", "kind", "state"), ()),
    nouns.Assignment: (
        ("token", "project", "kind", "labeler", "state", "lease_until", "skip_reason"),
        ("project", "kind", "state"),
        ("token", "labeler__username"),
    ),
    nouns.Ranking: (
        ("public_id", "project", "labeler", "is_simulated", "created_at"),
        ("project", "is_simulated"),
        ("public_id", "labeler__username"),
    ),
    nouns.RankingRevision: (
        ("public_id", "ranking", "number", "all_bad", "conflicts", "created_at"),
        ("all_bad", "mode"),
        ("public_id", "ranking__public_id"),
    ),
    nouns.Demonstration: (
        ("public_id", "project", "source", "labeler", "is_simulated", "created_at"),
        ("project", "source", "is_simulated"),
        ("public_id", "labeler__username"),
    ),
    nouns.DemonstrationRevision: (
        ("public_id", "demonstration", "number", "created_at"),
        (),
        ("public_id", "demonstration__public_id"),
    ),
    nouns.DatasetVersion: (
        ("public_id", "project", "kind", "number", "state", "digest", "created_at"),
        ("project", "kind", "state"),
        ("public_id", "digest"),
    ),
    nouns.Run: (
        ("public_id", "project", "stage", "state", "attempt", "step", "total_steps", "created_at"),
        ("project", "stage", "state"),
        ("public_id",),
    ),
    nouns.RunMetric: (("run", "line", "values"), (), ("run__public_id",)),
    nouns.Round: (
        ("public_id", "project", "number", "state", "trigger", "started_at", "finished_at"),
        ("project", "state"),
        ("public_id",),
    ),
    nouns.RoundStep: (("round", "ordinal", "name", "state", "run", "reused"), ("name", "state"), ()),
    nouns.ScheduledRound: (("project", "due_at", "round", "outcome"), ("project",), ()),
    nouns.Invitation: (
        ("public_id", "project", "role", "created_by", "expires_at", "accepted_by", "revoked_at"),
        ("project", "role"),
        ("public_id", "note"),
    ),
    nouns.Webhook: (
        ("public_id", "project", "receiver", "events", "is_active", "created_by", "created_at"),
        ("project", "is_active"),
        ("public_id", "receiver"),
    ),
    nouns.Delivery: (
        ("public_id", "project", "receiver", "event", "state", "attempts", "status", "trouble", "created_at"),
        ("project", "event", "state"),
        ("public_id", "receiver", "cause"),
    ),
    nouns.AuditEvent: (
        ("created_at", "verb", "project", "actor", "subject", "data"),
        ("project",),
        ("verb", "subject"),
    ),
    nouns.AuditSeal: (("created_at", "first_event", "last_event", "digest"), (), ("digest",)),
}

for noun, (columns, filters, searched) in LOOKED_AT.items():
    site.register(
        noun,
        type(
            f"{noun.__name__}Admin",
            (LookedAt,),
            {"list_display": columns, "list_filter": filters, "search_fields": searched},
        ),
    )
