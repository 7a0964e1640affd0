"""Attacks by text: markup, templates, formulas, odd characters; in every text of every registry, on every kind of page.

What a browser makes of them is in tests/views/test_browser_attacks.py.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import JSON, Enum, String, inspect, select, update

from forms.convert import specs
from models import registries
from models.account import Account
from models.case import Case
from models.database import Database
from models.item import Item
from models.role import AccessRole, RoleState
from models.scope import everything
from tests import ledger
from tests.conftest import Templates
from tests.views.house import PRIVATE, House, Knock, all_rules, invented, knocks, opened, owners_form, send

# Each breaks out of text, of an attribute in either quotes, of a script and of a comment; the tag is nobody else's.
MARKUP = "\"'>--></script><xss onload=alert(1)>{{1234*5678}}"
SHORT = "\"'><xss>"
COMPUTED = "7006652"  # 1234 * 5678
LINK = "javascript:alert(1)//"
# Kept as they are: words of the product itself, or what other rows are found by.
LEFT = {
    "username", "password", "path", "hash", "previous_hash", "secret_hash", "stamp", "sha256", "subject_type", "kind",
}  # fmt: skip
PAGES = ("list", "show", "add", "edit", "do", "tree", "pick", "get_list", "get", "history", "file")


class Tags(HTMLParser):
    """What a browser would take for markup."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "xss":
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append(f"{name}={value}")
            if name in ("href", "src", "action", "formaction") and (value or "").strip().casefold().startswith("java"):
                self.found.append(f"{name}={value}")
            if name == "style":
                self.found.append(f"style={value}")


def markup_in(page: str) -> list[str]:
    tags = Tags()
    tags.feed(page)
    return tags.found + ([COMPUTED] if COMPUTED in page else [])


def test_markup_is_seen_by_this_file() -> None:
    for page in (f"<p>{MARKUP}", f'<p title="{MARKUP}">', f'<a href="{LINK}">', f"<p>{COMPUTED}", f"<p>{SHORT}"):
        assert markup_in(page), page


@pytest.fixture(scope="module")
def house(templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("poisoned")
    with opened(templates.copy("sqlite", folder), folder, fonts) as found:
        poison(found.database)
        yield found


def poison(database: Database) -> None:
    """Markup in every text column of every row, past all rules: as if each of them had been let through once."""
    with database.writing.connect() as connection:
        for model in registries().values():
            table = inspect(model).local_table
            for column in table.columns:
                kept = column.name in LEFT or isinstance(column.type, Enum) or column.foreign_keys
                if column.name == "changes":
                    poison_changes(connection, table)
                if kept or not isinstance(column.type, String) or isinstance(column.type, JSON):
                    continue
                rows = select(table.c.id)
                if model is AccessRole and column.name == "name":  # a declared role is known by its name
                    rows = rows.where(table.c.state != RoleState.Declared)
                for pk in connection.scalars(rows).all():
                    text = LINK if column.name == "source_link" else MARKUP
                    longest = column.type.length or 999
                    text = f"{text if longest > len(text) + 8 else SHORT}{pk}"[-longest:]
                    connection.execute(update(table).where(table.c.id == pk).values({column.name: text}))
        connection.commit()


def poison_changes(connection: Any, table: Any) -> None:
    """Every text that an Event holds of a change."""
    for pk, changes in connection.execute(select(table.c.id, table.c.changes)).all():
        told = {
            name: [
                MARKUP if isinstance(value, str) and name in ("applicant", "name", "reason") else value
                for value in pair
            ]
            for name, pair in (changes or {}).items()
        }
        connection.execute(update(table).where(table.c.id == pk).values(changes=told))


def looked_at(where: str, answer: Any) -> list[str]:
    """What is wrong with an answer that holds poisoned text."""
    ledger.note("attacks", tried=1)
    said = answer.get_data().decode("utf-8", "replace")
    headers = "\n".join(f"{n}: {v}" for n, v in answer.headers)
    wrong = [f"{where}: {answer.status_code}"] if answer.status_code >= 500 else []
    if "<xss" in headers or answer.headers.get("X-Content-Type-Options") != "nosniff":
        wrong.append(f"{where}: {headers}")
    if answer.mimetype == "text/html":
        wrong += [f"{where}: {found}" for found in markup_in(said)]
    elif answer.mimetype not in ("application/json", "application/pdf"):
        # A table for a spreadsheet would have to see to formulas first.
        wrong.append(f"{where}: {answer.mimetype}")
    return wrong


def test_every_page_shows_markup_as_text(house: House) -> None:
    wrong: list[str] = []
    shown: dict[str, int] = {}
    for rule in all_rules(house.app):
        name, _, method = rule.endpoint.partition(".")
        model = registries().get(name.removesuffix("_api"))
        if model is None or method not in PAGES:
            continue
        for knock in knocks(house, rule, house.rows[name.removesuffix("_api")][0], honest=False):
            if knock.method != "GET":
                continue
            for person in ("admin", "clerk"):
                answer = house.browsers[person].get(knock.path)
                wrong += looked_at(f"{person} {knock.path}", answer)
                if answer.mimetype == "text/html":
                    shown[method] = shown.get(method, 0) + answer.get_data(as_text=True).count("&lt;xss")
    paths = ["/", "/account/", f"/find/?q={quote('<xss')}", f"/find/?q={quote(MARKUP)}", "/find/?short=1&q=xss"]
    paths += ["/matrix/", f"/matrix/{house.rows['roles'][0]}"]
    for path in paths:
        for person in ("admin", "clerk"):
            wrong += looked_at(f"{person} {path}", house.browsers[person].get(path))
    assert not wrong, "\n".join(wrong)
    # Each kind of page does show what was put in: else it would prove nothing.
    assert {method for method, count in shown.items() if count} >= {"list", "show", "add", "edit", "do", "tree"}
    assert "&lt;xss" in house.browsers["clerk"].text("/")
    assert all("&lt;xss" in house.browsers["admin"].text(path) for path in paths if path.startswith("/matrix/"))
    assert "&lt;xss" in house.browsers["clerk"].text(f"/find/?q={quote('<xss')}")


def test_what_an_address_says_comes_back_as_text(house: House) -> None:
    """Search boxes, filters, sorts, views, drafts, days, tabs, sign-in and verification echo what they are given."""
    wrong: list[str] = []
    for name, model in registries().items():
        arguments = {"q", "sort", "view", "page", "size", "at", "tab", "fields", *model.__admin__.filter_names}
        arguments |= {f"{n}{end}" for n in model.__admin__.filter_names for end in ("__from", "__to", "__empty")}
        for argument in sorted(arguments):
            query = urlencode({argument: MARKUP})
            wrong += looked_at(f"/{name}/?{query}", house.browsers["admin"].get(f"/{name}/?{query}"))
        row = house.rows[name][0]
        for path in (
            f"/{name}/{row}?tab=",
            f"/{name}/{row}?on=",
            f"/{name}/new?copy=",
            f"/{name}/new?draft=",
            f"/{name}/pick/",
        ):
            wrong += looked_at(path, house.browsers["admin"].get(path + quote(MARKUP)))
        wrong += looked_at(
            name, house.browsers["clerk"].get(f"/{name}/new?{urlencode(dict.fromkeys(specs(model), MARKUP))}")
        )
    nobody = house.browsers["anonymous"]
    for path in ("/login/?next=", "/verify/?code=", "/verify/", "/x", "/find/?q=", "/cases/?q="):
        wrong += looked_at(path, nobody.get(path + quote(MARKUP, safe="")))
    assert not wrong, "\n".join(wrong)


def too_long(model: type[Any]) -> dict[str, str]:
    """Markup for the first text of a new row, more than it holds."""
    for name, spec in specs(model).items():
        if spec.kind == "text" and spec.longest and spec.info.editable != "never":
            return {name: MARKUP * (spec.longest // len(MARKUP) + 1)}
    return {}


def test_what_a_form_sends_comes_back_as_text(house: House) -> None:
    """Refused forms, conflicts, drafts, results of many rows, names of views, the sign-in with what it keeps."""
    wrong: list[str] = []
    before = house.dump()
    for rule in all_rules(house.app):
        name, _, method = rule.endpoint.partition(".")
        model = registries().get(name)
        if model is None or method not in ("add", "edit", "do", "do_many", "keep_draft"):
            continue
        for knock in knocks(house, rule, house.rows[name][0], honest=False):
            if knock.method != "POST":
                continue
            for person in ("admin", "clerk", "manager"):
                sent = {**{n: MARKUP for n, s in specs(model).items() if s.kind != "boolean"}, **(knock.sent or {})}
                sent |= {"seen": MARKUP, "version": "99", "next": MARKUP, "form": MARKUP}
                sent["row"] = f"{house.rows[name][0]}:99" if method == "do_many" else MARKUP
                if method == "keep_draft":
                    sent |= dict.fromkeys(("seen", "name"), MARKUP * 4000)  # too much to be kept
                elif method == "add":  # one text is too long: a role may be called anything
                    sent |= too_long(model)
                answer = house.browsers[person].post(knock.path, sent)
                wrong += looked_at(f"{person} POST {knock.path}", answer)
    for sent in (
        {"name": MARKUP * 2, "query": MARKUP},
        {"name": MARKUP * 2, "query": "q=" + quote(MARKUP), "cell": MARKUP},
    ):
        answer = house.browsers["clerk"].post("/cases/views", sent, follow_redirects=True)
        wrong += looked_at("POST /cases/views", answer)
    kept = json.dumps([["applicant", MARKUP], [MARKUP, MARKUP]])
    for sent in (
        {"username": MARKUP, "password": MARKUP, "kept": kept, "next": "/cases/new"},
        {"username": MARKUP, "kept": MARKUP},
    ):
        wrong += looked_at("POST /login/", house.browsers["anonymous"].post("/login/", sent))
    assert not wrong, "\n".join(wrong)
    assert house.dump() == before


def test_a_conflict_and_a_draft_show_markup_as_text(house: House) -> None:
    clerk, (pk, version) = house.browsers["clerk"], house.rows["cases"]
    sent = {**owners_form(house, Case, pk), "applicant": MARKUP[::-1] + MARKUP, "version": str(version + 7), "seen": ""}
    sent |= {"identifier": "11010519491231002X", "phone": MARKUP}
    page = clerk.post(f"/cases/{pk}/edit", sent)
    assert page.status_code == 409
    assert page.get_data(as_text=True).count("&lt;xss") >= 4  # theirs and mine
    assert looked_at("conflict", page) == []
    assert clerk.post(f"/cases/{pk}/draft", {"applicant": MARKUP, "seen": MARKUP}).status_code == 200
    offered = clerk.get(f"/cases/{pk}/edit")
    draft = re.search(rf"/cases/{pk}/edit\?draft=(\d+)", offered.get_data(as_text=True))
    assert draft
    resumed = clerk.get(draft.group(0))
    assert "&lt;xss" in resumed.get_data(as_text=True)
    assert looked_at("draft offered", offered) + looked_at("draft resumed", resumed) == []


def test_the_import_shows_markup_as_text(house: House) -> None:
    lines = ["实施部门,行政区划代码,事项名称,地方编码,事项类型"]
    lines += [
        ",".join('"{}"'.format(t.replace('"', '""')) for t in (w, "990101", MARKUP, MARKUP, "行政许可"))
        for w in (MARKUP, "东城区卫生健康局")
    ]
    for head in (lines[0], MARKUP.replace(",", "")):
        data = "\n".join([head, *lines[1:]]).encode()
        for mapping in ("own-items", ""):
            sent = {"file": (io.BytesIO(data), f"{SHORT}.csv"), "mapping": mapping}
            answer = house.browsers["manager"].post(
                "/import/items", sent, content_type="multipart/form-data", follow_redirects=True
            )
            assert looked_at("dry run", answer) == []
            assert answer.status_code in (200, 422)
            assert (head is not lines[0] and not mapping) or "&lt;xss" in answer.get_data(as_text=True)


def test_rest_never_says_it_is_a_page(house: House) -> None:
    """JSON may hold any text, for it is never taken for markup: its type is said and no browser may guess."""
    for name in registries():
        answer = house.browsers["admin"].get(f"/api/v1/{name}/")
        assert answer.mimetype == "application/json"
        assert looked_at(name, answer) == []
    said = house.browsers["clerk"].get(f"/api/v1/cases/?{urlencode({MARKUP: 1, 'sort': MARKUP})}")
    assert (said.status_code, said.mimetype) == (422, "application/json")


# --- odd characters --------------------------------------------------------------------------------------------------

ODD = {
    "right-to-left override": "王\u202egpj.exe",
    "isolates": "\u2067王\u2069\u2066",
    "zero width": "王\u200b\u200d鹤",
    "combining": "e" + "\u0301" * 60,
    "astral": "𠮷𪚥🏛️",
    "NUL": "a\x00b",
    "controls": "a\x01\x1b[31m\x7f\x85b",
    "line ends": "a\r\nSet-Cookie: x=1\r\n\r\nb\u2028c\u2029",
    "half of a pair": "\ud83d",
    "not a character": "\ufffe\uffff",
    "formula": "=HYPERLINK(\"http://evil.invalid\",\"x\")",
    "formula, other sign": "@SUM(1+1)*cmd|' /C calc'!A0",
    "template": "{{7*7}}{% raw %}${7*7}#{7*7}<%= 7*7 %>",
    "format": "%(name)s %s %n {0.__class__} {self}",
    "path": "../../../etc/passwd",
    "null": "null",
    "long": "长" * 400,
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_odd_characters_are_stored_as_typed_or_refused(house: House, odd: str) -> None:
    text, clerk = ODD[odd], house.browsers["outsider"]
    model = registries()["cases"]
    with house.database.session(everything("test")) as s:
        bureau = s.get_one(Account, house.world.account("outsider")).department_id
        item = s.scalars(select(Item.id).where(Item.department_id == bureau)).first()
    sent = {**invented(model, {"items": item or 0}), "applicant": text, "identifier": "11010519491231002X", "phone": ""}
    before = clerk.get("/api/v1/cases/").get_json()["total"]
    form = dict(sent) if odd != "half of a pair" else {**sent, "applicant": b"\xed\xa0\xbd"}
    page = clerk.post("/cases/new", form)
    body = {**sent, "item_id": item, "received_at": "2026-06-16T09:00:00+08:00"}
    headers = {"X-CSRFToken": clerk.token(), "Content-Type": "application/json"}
    rest = clerk.client.post("/api/v1/cases/", data=json.dumps(body), headers=headers)
    ledger.note("attacks", tried=2)
    assert page.status_code in (302, 422)
    assert rest.status_code in (201, 422, 400)
    made = clerk.get("/api/v1/cases/?sort=-id").get_json()
    assert made["total"] == before + (page.status_code == 302) + (rest.status_code == 201)
    if rest.status_code == 201:
        row = rest.get_json()["row"]
        assert not set(row["applicant"]) & {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
        for path in (f"/cases/{row['id']}", f"/cases/{row['id']}/edit", "/cases/", f"/cases/{row['id']}?tab=history"):
            shown = clerk.get(path)
            assert shown.status_code == 200
            assert "Set-Cookie: x" not in str(shown.headers)
    for path in (f"/cases/?q={quote(text, errors='surrogatepass')}", f"/find/?q={quote(text, errors='surrogatepass')}"):
        assert clerk.get(path).status_code == 200
    assert PRIVATE not in clerk.text("/cases/")


def test_nobody_but_the_owner_is_told(house: House) -> None:
    """The poisoned house keeps its walls."""
    status, said = send(house, "outsider", Knock("GET", f"/cases/{house.rows['cases'][0]}"))
    assert status == 404
    assert "&lt;xss" not in said.partition("<main")[2]
