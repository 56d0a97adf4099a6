"""The operators' pages: everything can be seen, only what may change changes, and each change is recorded."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from labeling import admin
from labeling.actions import announcements, people, projects
from labeling.models import AuditEvent, LoopPolicy, Membership, Project, Prompt, Rubric, User, Webhook
from tests import build

pytestmark = pytest.mark.django_db

EDITED = {"user", "project", "membership", "looppolicy"}


@pytest.fixture
def operator(client):
    user, _password = people.create_user("olga", is_staff=True, one_time_password=False)
    client.force_login(user)
    return user


@pytest.fixture
def project():
    made = projects.create_project("letters", "Letters")
    build.rank_items(made, 2)
    lin = build.member(made, "lin", "lead").user
    announcements.ping(
        Webhook.objects.create(project=made, receiver="lab", events=["run.failed"], created_by=lin)
    )
    return made


def page(name, *arguments):
    return reverse(f"admin:labeling_{name}", args=arguments)


def messages(answer):
    return [str(message) for message in answer.context["messages"]]


def test_who_is_not_signed_in_goes_to_our_own_sign_in_page(client):
    answer = client.get("/admin/labeling/user/", follow=True)
    assert answer.redirect_chain[-1][0] == "/sign-in/?next=/admin/labeling/user/"


def test_a_lead_is_no_operator(client, project):
    lead = build.member(project, "lead", "lead")
    client.force_login(lead.user)
    assert client.get("/admin/", follow=True).status_code == 403


def test_every_list_and_every_form_opens(client, operator, project):
    assert client.get("/admin/").status_code == 200
    for model in admin.site._registry:
        name = model._meta.model_name
        assert client.get(page(f"{name}_changelist")).status_code == 200, name
        assert client.get(page(f"{name}_changelist"), {"q": "x"}).status_code == 200, name
        row = model._default_manager.first()
        if row is not None:
            assert client.get(page(f"{name}_change", row.pk)).status_code == 200, name


def test_what_the_database_holds_laws_about_cannot_be_written(client, operator, project):
    for model in admin.site._registry:
        name, row = model._meta.model_name, model._default_manager.first()
        if row is not None:
            assert client.post(page(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403, name
        if name not in EDITED:
            assert client.post(page(f"{name}_add"), {}).status_code == 403, name
            if row is not None:
                assert client.post(page(f"{name}_change", row.pk), {}).status_code == 403, name
    assert Prompt.objects.count() == 2


def test_an_account_is_made_with_a_one_time_password_that_is_shown_once(client, operator):
    form = {"username": "ada", "first_name": "Ada"}
    answer = client.post(page("user_add"), form, follow=True)
    ada = User.objects.get(username="ada")
    shown = next(message for message in messages(answer) if "shown this once" in message)
    assert ada.check_password(shown.split()[-1])
    assert ada.must_change_password
    assert AuditEvent.objects.get(verb="user.created", subject=ada.public_id).actor == operator


def test_passwords_are_reset_from_the_list(client, operator):
    ada, old = people.create_user("ada")
    form = {"action": "reset_passwords", "_selected_action": [ada.pk]}
    answer = client.post(page("user_changelist"), form, follow=True)
    ada.refresh_from_db()
    assert any(ada.check_password(message.split()[-1]) for message in messages(answer))
    assert not ada.check_password(old)


def test_a_lost_second_factor_is_removed_from_the_list(client, operator):
    ada, _password = people.create_user("ada")
    ada.authenticator_set.create(type="totp", data={"secret": "x"})
    client.post(page("user_changelist"), {"action": "remove_second_factors", "_selected_action": [ada.pk]})
    assert not ada.authenticator_set.exists()
    assert AuditEvent.objects.get(verb="second_factor.removed", subject=ada.public_id).actor == operator


def test_a_change_is_recorded_by_its_fields_and_not_its_text(client, operator, project):
    form = {"slug": "letters", "name": "Letters", "description": "secret words", "guidelines": ""}
    client.post(page("project_change", project.pk), form)
    project.refresh_from_db()
    assert project.description == "secret words"
    event = AuditEvent.objects.get(verb="project.changed")
    assert (event.actor, event.project, event.data) == (operator, project, {"fields": ["description"]})


def test_a_project_is_made_whole(client, operator):
    form = {"slug": "letters", "name": "Letters", "description": "", "guidelines": ""}
    client.post(page("project_add"), form)
    project = Project.objects.get()
    assert Rubric.objects.filter(project=project).count() == 1
    assert LoopPolicy.objects.filter(project=project).count() == 1


def test_a_member_is_taken_in_and_a_wrong_language_is_not(client, operator, project):
    ada, _password = people.create_user("ada")
    form = {"project": project.pk, "user": ada.pk, "role": "reviewer", "languages": "en,???"}
    answer = client.post(page("membership_add"), form)
    assert "languages" in answer.context["adminform"].form.errors
    client.post(page("membership_add"), {**form, "languages": "en,zh"})
    assert Membership.objects.get(user=ada).languages == ["en", "zh"]


def test_a_policy_that_could_not_run_is_refused_at_its_field(client, operator, project):
    policy = LoopPolicy.objects.get(project=project)
    form = {
        "enabled": "on", "base_model": "tiny", "completions_per_item": 4, "items_per_round": 10, "overlap": 1,
        "valid_share": 0.1, "valid_overlap": 2, "reward_gate_floor": 0.55, "reward_gate_margin": 0.1,
        "stage_settings": json.dumps({"sft": {"speed": 1}}),
    }  # fmt: skip
    answer = client.post(page("looppolicy_change", policy.pk), form)
    assert "sft.speed: unknown field" in str(answer.context["adminform"].form.errors["stage_settings"])
    form["stage_settings"] = json.dumps({"sft": {"max_steps": 3}})
    assert client.post(page("looppolicy_change", policy.pk), form).status_code == 302
    policy.refresh_from_db()
    assert (policy.enabled, policy.stage_settings) == (True, {"sft": {"max_steps": 3}})


def test_only_the_operators_pages_have_the_looser_content_policy(client, operator):
    assert "'unsafe-eval'" in client.get("/admin/").headers["Content-Security-Policy"]
    assert "unsafe" not in client.get("/").headers["Content-Security-Policy"]
