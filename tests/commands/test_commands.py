"""The commands: what they print, and that a refusal is one line and never a traceback."""

from __future__ import annotations

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command

from labeling.actions import projects, tokens
from labeling.models import Membership, Project, Prompt, User

pytestmark = pytest.mark.django_db


def run(*arguments, **options):
    """What the command printed on standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value)


@pytest.fixture
def project():
    return projects.create_project("letters", "Letters")


@pytest.fixture
def file(tmp_path):
    """Write lines to a file, as JSON where they are not bytes; its path."""

    def write(*lines):
        path = tmp_path / "rows.jsonl"
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(raw))
        return str(path)

    return write


def test_an_import_says_what_became_of_everything(project, file):
    answers = [{"model": "m", "text": "a"}, {"model": "n", "text": "a "}, {"model": "o", "text": "b"}]
    path = file({"prompt": "1?", "completions": answers, "split": "train"}, {"prompt": "2?", "split": "test"})
    out, _err = run("import_prompts", "letters", path)
    assert "prompts         2 new (1 test, 1 train), 0 already there" in out
    assert "3 read: 2 new, 1 merged with an equal one, 0 already there, 0 empty" in out
    assert "1 new (1 with K = 2)" in out


def test_flags_map_another_format(project, file):
    path = file({"instruction": "Add", "input": "1 + 1", "target": "2", "app": "Sums"})
    run(
        "import_prompts", "letters", path,
        "--map", "prompt=instruction+input", "--map", "demonstrations=target", "--map", "group=app",
        "--set", "language=en",
    )  # fmt: skip
    prompt = Prompt.objects.get()
    assert prompt.messages[0]["content"] == "Add\n\n1 + 1"
    assert (prompt.group, prompt.language) == ("Sums", "en")


def test_a_dry_run_prints_the_report_and_writes_nothing(project, file):
    out, _err = run("import_prompts", "letters", file({"prompt": "1?"}), "--dry-run")
    assert "nothing was written" in out
    assert "1 new" in out
    assert not Prompt.objects.exists()


def test_bad_lines_are_listed_with_their_numbers_and_the_status_tells(project, file):
    err = io.StringIO()
    path = file({"prompt": "1?"}, {"prompt": "2?", "colour": "blue"}, b"{", {"prompt": "3?"})
    with pytest.raises(CommandError, match="2 of 4 lines"):
        call_command("import_prompts", "letters", path, stdout=io.StringIO(), stderr=err)
    assert "line 2: colour: unknown field" in err.getvalue()
    assert "line 3: line: is not JSON" in err.getvalue()
    assert Prompt.objects.count() == 2


def test_what_cannot_be_imported_at_all_is_one_line(project, file, tmp_path):
    assert refused("import_prompts", "lettres", file({"prompt": "1?"})).startswith("project: ")
    assert "is empty" in refused("import_prompts", "letters", file(b""))
    assert "No such file" in refused("import_prompts", "letters", str(tmp_path / "none"))
    assert "directory" in refused("import_prompts", "letters", str(tmp_path))
    assert refused("import_prompts", "letters", file({"prompt": "1?"}), "--k", "10").startswith("k: ")
    assert refused("import_prompts", "letters", file({"prompt": "1?"}), "--k", "1").startswith("k: ")
    assert refused("import_prompts", "letters", file({"prompt": "1?"}), "--map", "x=y").startswith("map: ")
    assert refused("import_prompts", "letters", file({"prompt": "1?"}), "--set", "x").startswith("set: ")
    assert "1 of 1 lines" in refused("import_prompts", "letters", file('{"prompt": "x"}'.encode("utf-16-le")))
    assert not Prompt.objects.exists()


def test_a_project_and_people_are_made_from_the_command_line():
    run("create_project", "letters", "Letters")
    out, _err = run("create_user", "ada", "--project", "letters", "--role", "lead", "--languages", "en,zh")
    password = re.fullmatch(r"ada  one-time password: (\S+)\n", out)[1]
    assert User.objects.get(username="ada").check_password(password)
    membership = Membership.objects.get()
    assert (membership.project.slug, membership.role, membership.languages) == (
        "letters",
        "lead",
        ["en", "zh"],
    )
    out, _err = run("reset_password", "ada")
    assert password not in out


def test_an_account_for_an_unknown_project_is_not_made():
    assert refused("create_user", "ada", "--project", "letters").startswith("project: ")
    assert not User.objects.exists()
    assert refused("reset_password", "ada").startswith("username: ")
    assert refused("create_project", "two words", "x").startswith("slug: ")
    assert not Project.objects.exists()


def test_a_token_is_printed_once_and_is_good():
    user = User.objects.create(username="ann")
    out, _ = run("create_token", "ann", "nightly export", "--expires", "30")
    found = tokens.find(out.strip())
    assert found is not None
    assert (found.user, found.name) == (user, "nightly export")
    assert found.expires_at is not None
    assert "no account" in refused("create_token", "nobody", "x")
    assert "days" in refused("create_token", "ann", "x", "--expires", "0")


def test_a_corpus_is_imported_once_and_a_bad_line_stops_it(project, file, settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"
    good = {"text": "Once upon a time."}
    assert "1 of 2 lines cannot be taken: nothing was imported." in refused(
        "import_corpus", "letters", file(good, {"txt": "?"})
    )
    path = file(good)
    assert run("import_corpus", "letters", path, dry_run=True)[0].startswith("A dry run")
