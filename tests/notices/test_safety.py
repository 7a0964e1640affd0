"""What strangers type into a case, and what a template may say."""

from __future__ import annotations

import builtins
import logging
import socket

import pymupdf
import pytest
from markupsafe import Markup

from notices import NoticeError, sandbox
from notices.catalog import kinds

from .conftest import letters

ATTACKS = [
    '<img src="file:///etc/passwd"/>',
    '<img src="http://169.254.169.254/latest/meta-data/">',
    "{{ 7*7 }}",
    "</p><pdf:nextpage/>",
    '<style>@import "http://a.example/x.css";</style>',
    "{% include '/etc/passwd' %}",
    '</td></tr></table><table width="1">',
    "&lt;b&gt;&amp;#60;b&#62;",
    "]]><!--",
    "%(name)s {0.__class__}",
]
FIELDS = [
    "agency",
    "applicant",
    "identifier",
    "contact_phone",
    "item",
    "item_code",
    "item_type",
    "handler",
    "department_phone",
    "address",
    "case_number",
    "reason",
    "competent",
    "reconsider_body",
    "court",
]


@pytest.fixture
def closed(monkeypatch):
    """No connection and no reading of files that the letters have no business with; what was tried."""
    tried: list[str] = []
    stock = builtins.open

    def watched(file, *args, **kwargs):
        if "passwd" in str(file):
            tried.append(str(file))
        return stock(file, *args, **kwargs)

    def refused(*args, **_):
        tried.append(f"connect {args[1:]}")
        raise OSError("no network in this test")

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    return tried


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("kind", ["acceptance", "refusal"])
def test_markup_in_every_field_prints_as_typed(write, closed, kind, attack):
    plain = write(kind)
    letter = write(
        kind,
        **dict.fromkeys(FIELDS, attack),
        legal_basis=[attack],
        materials=[{"name": attack, "form": attack, "copies": 1}],
    )
    document = pymupdf.open(stream=letter.pdf)
    text = "".join(letters(page.get_text()) for page in document)
    assert text.count(letters(attack)) >= 8
    assert "root:" not in text
    assert letter.pages <= plain.pages + 3
    assert all(len(page.get_images()) == 1 for page in document)  # the QR code
    assert closed == []


def test_markup_objects_are_not_trusted(write):
    letter = write(applicant=Markup("<b>甲</b>"))
    assert "&lt;b&gt;甲" in letter.html


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"applicant": "甲" * 501}, "too_long", "addressee"),
        ({"materials": [{"name": "甲", "form": "", "copies": 1}] * 201}, "too_long", "materials"),
        ({"applicant": "甲\u202e乙"}, "character", "addressee"),
        ({"applicant": "甲\x00乙"}, "character", "addressee"),
        ({"applicant": "甲\ue000乙"}, "character", "addressee"),
        ({"applicant": "甲\U0001f600"}, "glyph", "addressee"),
        ({"applicant": object()}, "not_plain", "addressee"),
        ({"handler": 1.5, "legal_basis": []}, None, None),
        ({"applicant_kind": "ghost"}, "applicant_kind", "applicant_kind"),
        ({"received_on": "2026-03-02"}, "not_a_date", "received_on"),
    ],
)
def test_what_cannot_be_printed_is_refused_by_name(write, changes, code, field):
    if code is None:  # a number inside a sentence is text by then
        assert write(**changes).pages
        return
    with pytest.raises(NoticeError) as refused:
        write(**changes)
    assert (refused.value.code, refused.value.problem.field) == (code, field)


def test_a_long_reason_has_its_own_cap(write):
    assert write("refusal", reason="理由。" * 1200).pages > 3
    for much in ("理由。" * 1400, "理由。\n" * 150 + "理由。" * 1300):
        with pytest.raises(NoticeError) as refused:
            write("refusal", reason=much)
        assert (refused.value.code, refused.value.problem.field) == ("too_long", "reasons")


def test_text_is_normalised(write):
    # é in two characters, a soft hyphen and a zero-width blank, a full-width blank
    letter = write(applicant="Andre\u0301\u00ad甲\u200b\u3000乙")
    assert "André甲\u00a0\u00a0乙：" in letter.html


@pytest.mark.parametrize(
    "body",
    [
        "{{ 7 * 7 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ item|safe }}",
        "{{ item|attr('__class__') }}",
        "{{ item.upper() }}",
        "{{ item.__class__ }}",
        "{{ item['__class__'] }}{{ f() }}",
        "{{ self.body }}",
        "{% include 'base.html' %}",
        "{% import 'base.html' as b %}",
        "{% autoescape false %}{{ item }}{% endautoescape %}",
        "{% macro m() %}{% endmacro %}",
        "{% set x = 1 %}",
        "{% for a in item %}{% for b in item %}x{% endfor %}{% endfor %}",
        "{% for a in item %}{% if a %}{% for b in item %}x{% endfor %}{% endif %}{% endfor %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ item ~ item }}",
        "{{ {}|items }}",
        "{{ _x }}",
        "{% raw %}<b>{% endraw %}",
        "<img src='x'/>",
        "<p style='position:fixed'>x</p>",
        "<pdf:nextpage/>",
        "<style>p{}</style>",
        "<!-- x -->",
        "<p class='{{ item }}'>x</p>",
        "<{{ item }}>",
        "<link rel='stylesheet' href='http://a.example/'/>",
        "<a href='http://a.example/'>x</a>",
        "<?xml x?>",
        "<!DOCTYPE html>",
    ],
)
def test_a_body_may_not_say(body):
    source = '{% extends "base.html" %}{% block body %}' + body + "{% endblock %}"
    with pytest.raises(NoticeError) as refused:
        sandbox.check(source)
    assert refused.value.code == "template"


@pytest.mark.parametrize(
    "source",
    [
        "<p>x</p>",
        '{% extends "other.html" %}',
        "{% extends item %}",
        "",
        '{% extends "base.html" %}{% block style %}{% endblock %}',
        '{% extends "base.html" %}{% block body %}',
    ],
)
def test_a_body_fills_blocks_of_the_base_page_only(source):
    with pytest.raises(NoticeError):
        sandbox.check(source)


def test_our_own_bodies_are_allowed():
    for kind in kinds().values():
        sandbox.check(kind.body)


def test_a_value_that_is_not_there_stops_the_letter():
    with pytest.raises(NoticeError) as refused:
        sandbox.fill(
            "{% block body %}{% endblock %}",
            '{% extends "base.html" %}{% block body %}{{ nosuch }}{% endblock %}',
            {},
            {},
        )
    assert refused.value.code == "template"


@pytest.mark.parametrize("silenced", [False, True])
def test_any_warning_of_the_renderer_stops_the_letter(write, monkeypatch, silenced):
    """Also in an application that has turned the renderer's log down or off."""
    stock = sandbox.base_source()
    monkeypatch.setattr(sandbox, "base_source", lambda: stock.replace("</body>", '<img src="x.png"/></body>'))
    logger = logging.getLogger("xhtml2pdf")
    if silenced:
        monkeypatch.setattr(logger, "level", logging.CRITICAL)
        logging.disable(logging.CRITICAL)
    try:
        with pytest.raises(NoticeError) as refused:
            write()
    finally:
        logging.disable(logging.NOTSET)
    assert refused.value.code == "layout"


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="file:///etc/passwd"/>',
        '<img src="http://127.0.0.1:9/x.png"/>',
        '<img src="/etc/passwd"/>',
        '<link rel="stylesheet" href="http://127.0.0.1:9/x.css"/>',
        "<style>@font-face { font-family: x; src: url(/etc/passwd) } b { font-family: x }</style><b>x</b>",
    ],
)
def test_the_policy_holds_even_if_markup_got_through(write, monkeypatch, closed, markup):
    stock = sandbox.base_source()
    source = stock.replace("{% block body %}", markup + "{% block body %}")
    monkeypatch.setattr(sandbox, "base_source", lambda: source)
    with pytest.raises(NoticeError) as refused:
        write()
    assert refused.value.code == "layout"
    assert not any("connect" in attempt or "passwd" in attempt for attempt in closed)
