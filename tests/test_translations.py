"""Every string of the pages exists in every language, and the compiled catalogue is the written one."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import gettext, override

from labeling import translations


def test_nothing_is_missing_untranslated_unused_or_stale():
    call_command("translations", "--check")


def test_a_string_without_translation_fails_the_check_and_is_named(monkeypatch, capsys):
    more = translations.collect()
    more.add("A sentence nobody has translated.")
    monkeypatch.setattr(translations, "collect", lambda: more)
    with pytest.raises(CommandError):
        call_command("translations", "--check")
    assert "missing: A sentence nobody has translated." in capsys.readouterr().out


def test_a_placeholder_that_was_lost_in_translation_is_found(monkeypatch):
    catalog = translations.load("zh_Hans")
    catalog.get("Hello, %(name)s").string = "你好"
    monkeypatch.setattr(translations, "load", lambda locale: catalog)
    assert "other placeholders: Hello, %(name)s" in translations.problems("zh_Hans")


def test_django_reads_what_babel_compiled():
    with override("zh-hans"):
        assert gettext("Sign in") == "登录"
