"""Every string of the pages exists in every language, and the compiled catalogue is the written one."""

from __future__ import annotations

from babel.messages.catalog import Catalog
from django.core.management import call_command
from django.utils.translation import gettext, override

from labeling import translations


def test_nothing_is_missing_untranslated_unused_or_stale():
    call_command("translations", "--check")


def test_each_kind_of_fault_is_found_and_named():
    source, catalog = Catalog(), Catalog(locale="zh_Hans")
    for text in ("New", "Empty", "Hello, %(name)s", "Fine"):
        source.add(text)
    for text, translation in (("Empty", ""), ("Hello, %(name)s", "你好"), ("Fine", "好"), ("Old", "旧")):
        catalog.add(text, translation)
    assert translations.differences(catalog, source) == [
        "missing: New",
        "not translated: Empty",
        "other placeholders: Hello, %(name)s",
        "unused: Old",
    ]


def test_django_reads_what_babel_compiled():
    with override("zh-hans"):
        assert gettext("Sign in") == "登录"
