"""Every word that a person may read is there in each language, and none of them comes from another one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale, gettext, ngettext
from sqlalchemy import Enum

from models import registries
from models.base import info_of
from models.declare import Admin, MenuGroup, Role
from rules.words import LabelEnum
from translations import catalog
from views import display

CHINESE = ("zh", "zh_Hant")
IDEOGRAPH = re.compile(r"[\u4e00-\u9fff]")
# A half-width mark next to an ideograph is a typing mistake; between Latin words or digits it stands.
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]")


def copied(folder: Path) -> Path:
    """The catalogues without what was compiled from them, to be changed at will."""
    for locale in catalog.LOCALES:
        target = catalog.path_of(locale, folder)
        target.parent.mkdir(parents=True)
        shutil.copyfile(catalog.path_of(locale), target)
    return folder


def bytes_of(folder: Path, ending: str = "po") -> dict[str, bytes]:
    return {locale: catalog.path_of(locale, folder, ending).read_bytes() for locale in catalog.LOCALES}


def edit(folder: Path, locale: str, old: str, new: str) -> None:
    path = catalog.path_of(locale, folder)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def strings(locale: str) -> dict[str, tuple[str, ...]]:
    """Message id → its translations."""
    return {catalog._singular(m): catalog._strings(m) for m in catalog.read(locale) if m.id}


# --- the catalogues ------------------------------------------------------------------------------------------------


def test_nothing_is_wrong() -> None:
    assert catalog.check() == []


def test_update_changes_nothing_and_says_the_same_twice(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert catalog.update(folder) == []
    once = bytes_of(folder)
    assert once == bytes_of(catalog.FOLDER), "run: make messages"
    catalog.update(folder)
    assert bytes_of(folder) == once


def test_update_begins_from_nothing_with_english_filled(tmp_path: Path) -> None:
    said = catalog.update(tmp_path)
    assert "zh: to be translated: 'Save'" in said
    assert not [line for line in said if line.startswith("en:")]
    assert bytes_of(tmp_path)["en"] == bytes_of(catalog.FOLDER)["en"]


def test_a_catalogue_holds_neither_dates_nor_line_numbers() -> None:
    for locale, data in bytes_of(catalog.FOLDER).items():
        assert b"-Date:" not in data, locale
        assert not re.search(rb"^#:.*:\d", data, re.MULTILINE), locale


def test_compile_writes_what_is_newer_and_nothing_else(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert catalog.compile_all(folder) == list(catalog.LOCALES)
    first = bytes_of(folder, "mo")
    assert catalog.compile_all(folder) == []
    edit(folder, "zh", 'msgstr "保存"', 'msgstr "存储"')
    assert catalog.compile_all(folder) == ["zh"]
    assert {locale for locale, data in bytes_of(folder, "mo").items() if data != first[locale]} == {"zh"}


@pytest.mark.parametrize(
    ("locale", "old", "new", "problem"),
    [
        ("zh", 'msgstr "保存"', 'msgstr ""', "zh: untranslated: 'Save'"),
        ("zh", 'msgid "Save"', 'msgid "Safe"', "zh: missing: 'Save'"),
        ("zh", 'msgid "Save"', 'msgid "Safe"', "zh: obsolete: 'Safe'"),
        ("en", 'msgid "Save"', '#, fuzzy\nmsgid "Save"', "en: fuzzy: 'Save'"),
        ("zh", "%(longest)d 个字符", "%(long)d 个字符", "zh: placeholders differ"),
        ("zh_Hant", 'msgstr[0] "%(num)d 條"', 'msgstr[0] "條"', "zh_Hant: placeholders differ"),
        ("zh_Hant", 'msgstr "事項"', 'msgstr "事项"', "zh_Hant: characters of the other script: 项"),
        (
            "zh_Hant",
            'msgstr "請返回後重試。"',
            'msgstr "請返回后重試。"',
            "zh_Hant: characters of the other script: 后",
        ),
        ("zh", 'msgstr "事项"', 'msgstr "事項"', "zh: characters of the other script: 項"),
    ],
)
def test_check_sees(tmp_path: Path, locale: str, old: str, new: str, problem: str) -> None:
    folder = copied(tmp_path)
    edit(folder, locale, old, new)
    assert [line for line in catalog.check(folder) if line.startswith(problem)]


def test_update_takes_out_what_the_code_no_longer_says(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    edit(folder, "zh", 'msgid "Save"', 'msgid "Safe"')
    assert catalog.update(folder) == ["zh: taken out: 'Safe'", "zh: to be translated: 'Save'"]


def test_the_command_answers_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.main(["check"]) == 0
    assert catalog.main(["compile"]) == 0
    capsys.readouterr()
    assert catalog.main(["compile"]) == 0
    assert capsys.readouterr().out == ""


# --- the wording ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", CHINESE)
def test_chinese_sentences_carry_chinese_marks(locale: str) -> None:
    for message, said in strings(locale).items():
        for text in said:
            assert not HALF_WIDTH.search(text), text
            assert text.endswith(("。", "？")) is message.endswith((".", "?")), (message, text)


def test_both_scripts_say_the_same() -> None:
    """One character of the one is one character of the other; only the script differs."""
    simplified, traditional = strings("zh"), strings("zh_Hant")
    for message, said in simplified.items():
        for one, other in zip(said, traditional[message], strict=True):
            assert IDEOGRAPH.sub("字", one) == IDEOGRAPH.sub("字", other), message


def labels(model: type[Any]) -> Iterator[str]:
    """Everything that a registry's declaration lets people read."""
    admin: Admin = model.__admin__
    yield from (admin.title, admin.one, admin.add_label, admin.menu.label)
    yield from (group.title for group in admin.groups)
    yield from (clock.title for clock in admin.clocks)
    yield from (grant.role.label for grant in admin.grants)
    yield from getattr(model, "LABELS", {}).values()
    for column in model.__mapper__.columns:
        if (info := info_of(column)) is None:
            continue
        yield info.label
        yield from [info.help] if info.help else []
        if isinstance(column.type, Enum) and issubclass(column.type.enum_class or str, LabelEnum):
            yield from (label for _, label in column.type.enum_class.choices())  # type: ignore[union-attr]
    for relation in model.__mapper__.relationships:
        if "field" in relation.info:
            yield relation.info["field"].label
    steps: list[Any] = [*(admin.life.moves if admin.life else ()), *admin.actions]
    for step in steps:
        yield step.label
        yield from [step.confirm] if step.confirm else []
    if admin.life:
        yield from (label for _, label in admin.life.states.choices())


@pytest.mark.parametrize("locale", CHINESE)
def test_every_label_of_every_registry_is_translated(locale: str) -> None:
    held = strings(locale)
    said = {label for model in registries().values() for label in labels(model)}
    said |= {label for enum in (Role, MenuGroup) for _, label in enum.choices()}
    assert len(said) > 200
    assert not [label for label in said if label not in held or held[label] in ((), (label,))]


# --- the pages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.parametrize("locale", catalog.LOCALES)
def test_pages_find_our_words_and_never_those_of_another_catalogue(app: Flask, locale: str) -> None:
    """flask-appbuilder brings catalogues of its own, and none for Traditional: gettext would fall to Simplified."""
    catalog.compile_all()
    with app.test_request_context(), force_locale(locale):
        for message in catalog.read(locale):
            if not message.id:
                continue
            if message.pluralizable:
                for number, form in ((1, message.string[0]), (2, message.string[-1])):
                    assert ngettext(*message.id, number) == form % {"num": number}
            else:
                assert gettext(message.id) == message.string


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_no_page_of_the_framework_can_speak_to_a_person(app: Flask) -> None:
    """Its own messages are not in our catalogues because nothing that says them is served.

    What is served of it is REST for programs; neither of the two gives an answer that goes through gettext.
    """
    served = set()
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        while hasattr(view, "__wrapped__"):
            view = view.__wrapped__
        if view.__module__.startswith("flask_appbuilder"):
            served.add(rule.endpoint)
    assert served == {"SecurityApi.refresh", "OpenApi.get"}


def test_words_without_a_reader_are_refused() -> None:
    with pytest.raises(display.NoContext):
        display.tr("Save")


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_words_in_a_job_are_refused_as_well(app: Flask) -> None:
    with app.app_context(), pytest.raises(display.NoContext):
        display.tr("Save")
