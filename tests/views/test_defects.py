"""What flask-appbuilder 5.3.0 gets wrong, each as a pair: the stock application does it, ours does not.

The stock halves assert the defect itself, so that the day flask-appbuilder mends one, its test says so.
docs/flask-appbuilder.md lists the pairs; REST's are in tests/views/test_defects_rest.py.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import flask_appbuilder
import pytest
from flask import has_request_context
from sqlalchemy import Interval, MetaData, String, event, insert, inspect, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import config as settings
from forms.fields import row_form
from jobs.outbox import Worker
from models.base import Info, Row, field
from models.case import Case, CaseState
from models.database import Database
from models.department import Department
from models.item import Item
from models.letter import Letter
from models.scope import everything
from models.workflow import move
from run import create_app
from tests.conftest import Browser
from tests.views import test_defects_rest
from tests.views.ours import Ours, why
from tests.views.stock_client import Stock
from tests.views.test_pages import GOOD, Page, value_of
from tests.world import NOW, PASSWORD, receive
from translations import catalog
from views.checks import refuse_mistakes

pytestmark = pytest.mark.usefixtures("ours")  # made while the stock application starts
DOC = (settings.ROOT / "docs/flask-appbuilder.md").read_text(encoding="utf-8")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that any engine of this process runs meanwhile."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        seen.append(sql)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def writes(sqls: list[str]) -> list[str]:
    return [sql for sql in sqls if re.match(r"\s*(INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\b", sql)]


# --- whose rows ------------------------------------------------------------------------------------------------------


def test_actions_on_foreign_rows_stock(stock: Stock) -> None:
    """The list and the page keep to the row filter, both kinds of action do not."""
    assert "carp paper" not in stock.get("outsider", "/papers/list/").body
    for knock in (
        lambda pk: stock.post("outsider", "/papers/action_post", action="stamp", rowid=pk),
        lambda pk: stock.post("outsider", f"/papers/action/stamp/{pk}"),
    ):
        pk = stock.paper("clerk", code=None)
        assert stock.get("outsider", f"/papers/show/{pk}").status == 404
        knock(pk)
        assert stock.stored(f"SELECT code FROM paper WHERE id = {pk}") == [("stamped",)]
        stock.ask("clerk", f"/api/v1/papers/{pk}", "DELETE")


def test_actions_on_foreign_rows_ours(ours: Ours) -> None:
    pk, outsider = ours.world.case("申请人红鲤"), ours("outsider")
    told_many = outsider.post("/cases/do/accept", {"row": [f"{pk}:1"]}, follow_redirects=True)
    assert "申请人红鲤" not in told_many.get_data(as_text=True)
    assert outsider.post(f"/cases/{pk}/do/accept", {"version": 1}).status_code == 404
    with ours.database.session(everything("test")) as s:
        assert s.get_one(Case, pk).state is CaseState.Received


def test_files_and_details_of_foreign_rows_stock(stock: Stock) -> None:
    """``download`` asks for no row at all, and the master-detail view reads its master without the filter."""
    pk, name = stock.upload("clerk", "plan.pdf")
    assert stock.get("outsider", f"/uploads/show/{pk}").status == 404
    file = stock.get("outsider", f"/uploads/download/{name}")
    assert (file.status, file.body) == (200, "content")
    assert stock.get("outsider", "/bureaus/show/1").status == 404
    assert "carp upload" in stock.get("outsider", "/bureausmaster/list/1").body


def test_files_and_details_of_foreign_rows_ours(ours: Ours) -> None:
    pk, bureau = a_letter(ours).id, ours.world.id(Department, name="东城区卫生健康局")
    clerk, outsider = ours("clerk"), ours("outsider")
    assert clerk.get(f"/letters/{pk}/file").data.startswith(b"%PDF")
    assert outsider.get(f"/letters/{pk}/file").status_code == 404
    assert "公共场所卫生许可鲤" in clerk.text(f"/items/?department_id={bureau}")
    for path in (f"/items/?department_id={bureau}", f"/departments/{bureau}"):
        assert "公共场所卫生许可鲤" not in outsider.text(path), path


def a_letter(ours: Ours) -> Letter:
    """One letter of the health bureau, as the worker makes it when a case is accepted."""
    with ours.database.session(everything("test", ours.world.account("clerk")), write=True) as s:
        if s.scalar(select(Letter.id)) is None:
            case = receive(s, ours.world.item("公共场所卫生许可鲤"), applicant="要通知书的人鲤")
            assert not move(s, case, "accept", now=NOW).errors
    Worker(ours.database, ours.config, lambda: NOW).run_due()
    with ours.database.session(everything("test")) as s:
        return s.scalars(select(Letter)).one()


def test_moving_a_row_out_of_reach_stock(stock: Stock) -> None:
    pk = stock.paper("outsider", name="to be moved")
    assert stock.post("outsider", f"/papers/edit/{pk}", name="moved", days="5", bureau="1").status == 302
    assert stock.stored(f"SELECT bureau_id FROM paper WHERE id = {pk}") == [(1,)]
    assert stock.get("outsider", f"/papers/show/{pk}").status == 404  # out of one's own sight


def test_moving_a_row_out_of_reach_ours(ours: Ours) -> None:
    manager = ours("manager")
    home, away = (ours.world.id(Department, name=n) for n in ("东城区卫生健康局", "西城区人民政府"))
    item = manager.get(f"/api/v1/items/{ours.world.item('公共场所卫生许可鲤')}").get_json()["row"]
    for path, column in ((f"/items/{item['id']}", "department_id"), (f"/departments/{home}", "parent_id")):
        before = manager.get(f"/api/v1{path}").get_json()["row"]
        answer = manager.json("PUT", f"/api/v1{path}", {"version": before["version"], column: away})
        assert answer.status_code == 422, path
        assert answer.get_json()["problems"][0]["code"] in ("read_only", "out_of_reach"), path
        page = manager.text(f"{path}/edit")
        sent = {n: value_of(page, n) or "" for n in before if value_of(page, n) is not None}
        manager.post(f"{path}/edit", {**sent, column: away})
        assert manager.get(f"/api/v1{path}").get_json()["row"][column] == before[column] != away, path
    # Nor is a row made where one may not see it.
    names = ("name", "item_type", "level", "basic_code", "legal_basis_id", "catalogue_item_id")
    new = {**{n: item[n] for n in names}, "local_code": "N-1", "department_id": away}
    answer = manager.json("POST", "/api/v1/items/", new)
    assert [(p["field"], p["code"]) for p in answer.get_json()["problems"]] == [("department_id", "out_of_reach")]


# --- what a page costs -----------------------------------------------------------------------------------------------


def test_whole_tables_in_a_form_stock(stock: Stock) -> None:
    """Five hundred bureaus stand in the form, and once more in the search box of the list."""
    assert stock.get("clerk", "/papers/add").body.count("<option") == 500
    assert stock.get("clerk", "/papers/list/").body.count("Bureau ") == 500


def test_whole_tables_in_a_form_ours(ours: Ours) -> None:
    admin = ours("admin")
    pages = ("/items/new", "/items/", f"/items/{ours.world.item('公共场所卫生许可鲤')}/edit")
    before = [admin.text(path) for path in pages]
    with ours.database.writing.begin() as connection:
        table = inspect(Department).local_table
        first = {"region_id": 1, "kind": "functional", "version": 1, "created_at": NOW, "changed_at": NOW}
        rows = [{**first, "name": f"第{n}局", "path": f"9{n}/"} for n in range(500)]
        connection.execute(insert(table), rows)
    after = [admin.text(path) for path in pages]
    assert [p.count("<option") for p in after] == [p.count("<option") for p in before]
    assert max(abs(len(a) - len(b)) for a, b in zip(after, before, strict=True)) < 500
    assert len(admin.get("/items/pick/department_id?q=局").get_json()["choices"]) == 20


def test_endless_pages_stock(stock: Stock) -> None:
    assert stock.get("clerk", "/allbureaus/list/?psize_AllBureaus=100000").body.count("<tr") > 500


def test_endless_pages_ours(ours: Ours) -> None:
    admin = ours("admin")
    assert admin.get("/api/v1/work-days/?size=100").get_json()["total"] > 100
    for query in ("size=100000", "psize=100000", "psize_WorkDay=100000"):
        assert 25 <= admin.text(f"/work-days/?{query}").count("<tr>") <= 101, query
        rest = admin.get(f"/api/v1/work-days/?{query}").get_json()
        assert len(rest.get("rows", ())) <= 100, query


# A count over a subselect of more than one column.
WIDE_COUNT = re.compile(r"count\(\*\).*?FROM \(\s*SELECT (?:(?!\bFROM\b).)*,", re.DOTALL | re.IGNORECASE)


def test_counting_whole_rows_stock(stock: Stock) -> None:
    assert [sql for sql in stock.get("clerk", "/papers/list/").statements if WIDE_COUNT.search(sql)]


def test_counting_whole_rows_ours(ours: Ours) -> None:
    clerk = ours("clerk")
    for path in ("/cases/", "/cases/?q=鲤&state=received", "/api/v1/cases/", "/"):
        with statements() as seen:
            clerk.get(path)
        assert [sql for sql in seen if "count(" in sql.lower()], path
        assert not [sql for sql in seen if WIDE_COUNT.search(sql)], path


# --- the start -------------------------------------------------------------------------------------------------------


def test_permissions_at_start_stock(stock: Stock) -> None:
    """With everything in the database, the second start asks for hundreds of permissions, more with each view."""
    first, one_view, all_views = map(len, stock.told["starts"])
    assert first > 1000
    assert all_views > one_view + 100 > 300


def test_permissions_at_start_ours(ours: Ours) -> None:
    with statements() as seen:
        create_app(ours.config, database=ours.database)
    assert writes(seen) == []
    assert len(seen) < 5


def test_tables_made_at_start_stock(stock: Stock) -> None:
    """One of them belongs to a model that no view shows and that somebody else's migrations make."""
    assert "somebodyelses" in stock.told["tables"]


def test_tables_made_at_start_ours(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    database = Database(url)
    create_app(settings.read({}, instance=tmp_path, database_url=url), database=database)
    assert inspect(database.engine).get_table_names() == []
    database.dispose()


# --- forms -----------------------------------------------------------------------------------------------------------


def test_refused_and_forgotten_stock(stock: Stock) -> None:
    """A rule that raises leads away from the form; what was typed is in no page any more."""
    answer = stock.post("clerk", "/papers/add", name="forbidden", bureau="1", code="typed with care", days="5")
    assert answer.status == 302
    page = stock.get("clerk", "/papers/add").body
    assert "such a name is not permitted" in page
    assert "typed with care" not in answer.body + page


def test_refused_and_forgotten_ours(ours: Ours) -> None:
    typed = {**GOOD, "item_id": str(ours.world.item("公共场所卫生许可鲤")), "received_at": "2027-01-01T09:00"}
    typed["phone"] = "0531-99"
    answer = ours("clerk").post("/cases/new", typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert why(page, "received_at")  # a rule of the declaration, not of the form
    assert {n: value_of(page, n) for n in typed} == typed


def test_validators_that_grow_stock(stock: Stock) -> None:
    """The list that the view gave, with one validator, holds those of every form of every start by now."""
    assert stock.call("validators") > 1


def test_validators_that_grow_ours() -> None:
    names = ["name", "department_id", "promise_days"]
    first, second = row_form(Item, names), row_form(Item, names)
    one, two = first(), second()
    assert list(one._fields) == list(two._fields) == names
    assert not {id(f) for f in one._fields.values()} & {id(f) for f in two._fields.values()}
    assert [[*f.validators] for f in two._fields.values()] == [[], [], []]  # rules live in the declaration
    one.process(data={"name": "甲"})
    assert (one.name.data, two.name.data) == ("甲", None)


def test_types_without_a_field_stock(stock: Stock) -> None:
    """An interval is asked for as a date with a time, which no interval takes; an unknown type breaks its form."""
    page = stock.get("clerk", "/spans/add").body
    assert re.search(r'<input [^>]*data-format="yyyy-MM-dd hh:mm:ss"[^>]*name="lasts"', page)
    assert stock.post("clerk", "/spans/add", name="long", lasts="2026-01-01 00:00:00").status == 302
    assert stock.stored("SELECT * FROM span") == []
    assert stock.get("clerk", "/marks/add").status == 500
    assert "Column mark Type not supported" in stock.log()


def test_types_without_a_field_ours() -> None:
    """Told by its code before the first page; create_app ends with it (tests/views/test_checks.py has all codes)."""

    class Own(DeclarativeBase):
        metadata = MetaData()

    class Span(Own):
        __tablename__ = "span"
        __admin__ = replace(Item.__admin__, name="spans")
        id: Mapped[int] = mapped_column(primary_key=True)
        lasts: Mapped[timedelta | None] = mapped_column(Interval(), info={"field": Info("Lasts")})

    with pytest.raises(SystemExit, match=r"D001 .*Span\.lasts: no field for"):
        refuse_mistakes([Span])


def test_enumerations_stock(stock: Stock) -> None:
    """Where values are stored and not names, every page fails; where names are, an unknown one does."""
    assert [stock.get("clerk", path).status for path in ("/flags/add", "/flags/edit/1")] == [500, 500]
    assert stock.get("clerk", "/namedflags/edit/1").status == 200
    assert stock.post("clerk", "/namedflags/edit/1", named="Blue").status == 500


def test_enumerations_ours(ours: Ours) -> None:
    clerk, pk = ours("clerk"), ours.world.case("申请人红鲤")
    with ours.database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT channel FROM 'case'").scalar() == "window"  # the value, not the name
    page = clerk.text(f"/cases/{pk}/edit")
    assert value_of(page, "channel") == "window"
    answer = clerk.post(f"/cases/{pk}/edit", {"channel": "pigeon", "version": value_of(page, "version")})
    assert answer.status_code == 422
    assert why(answer.get_data(as_text=True), "channel")


def test_the_second_editor_stock(stock: Stock) -> None:
    """Who opened the form earlier and saves later undoes the other's work, and nobody is told."""
    pk = stock.paper("clerk", name="shared", days=5)
    opened_before = {"name": "shared, and a word", "days": "5", "bureau": "1"}
    assert stock.post("colleague", f"/papers/edit/{pk}", name="shared", days="9", bureau="1").status == 302
    assert stock.post("clerk", f"/papers/edit/{pk}", **opened_before).status == 302
    assert stock.stored(f"SELECT name, days FROM paper WHERE id = {pk}") == [("shared, and a word", 5)]


def test_the_second_editor_ours(ours: Ours) -> None:
    approver, manager = ours("approver"), ours("manager")
    path = f"/items/{ours.world.item('公共场所卫生许可鲤')}"
    page = approver.text(f"{path}/edit")
    fields = ("name", "item_type", "level", "basic_code", "local_code", "legal_basis_id", "promise_days", "version")
    opened_before = {n: value_of(page, n) or "" for n in fields}
    assert manager.post(f"{path}/edit", {**opened_before, "promise_days": "9"}).status_code == 302
    answer = approver.post(f"{path}/edit", {**opened_before, "phone": "0531-1"})
    assert answer.status_code in (409, 422)
    assert value_of(answer.get_data(as_text=True), "phone") == "0531-1"
    row = approver.get(f"/api/v1{path}").get_json()["row"]
    assert (row["promise_days"], row["phone"]) == (9, None)
    stale = approver.json("PUT", f"/api/v1{path}", {"version": int(opened_before["version"]), "phone": "0531-1"})
    assert (stale.status_code, stale.get_json()["problems"][0]["code"]) == (409, "stale")


# --- what is stored --------------------------------------------------------------------------------------------------


def test_moments_stock(stock: Stock) -> None:
    """AuditMixin stores the clock of wherever the server stands, without its zone, and knows nobody in a command."""
    stock.post("clerk", "/notes/add", name="when")
    [(stored,)] = stock.stored("SELECT created_on FROM note WHERE name = 'when'")
    made = datetime.fromisoformat(stored)
    assert made.tzinfo is None
    # The process runs in China: eight hours away from now.
    assert abs(made.replace(tzinfo=UTC) - datetime.now(UTC) - timedelta(hours=8)) < timedelta(minutes=5)
    assert "NOT NULL constraint failed: note.created_by_fk" in stock.call("outside_a_request")


def test_moments_ours(ours: Ours) -> None:
    assert not has_request_context()
    with ours.database.session(everything("a command", ours.world.account("clerk")), write=True) as s:
        pk = receive(s, ours.world.item("公共场所卫生许可鲤")).id
    with ours.database.session(everything("a command"), write=True) as s:  # nobody in particular, as a job
        nobodys = receive(s, ours.world.item("公共场所卫生许可鲤")).id
    with ours.database.session(everything("test")) as s:
        case = s.get_one(Case, pk)
        assert (case.created_at, case.created_at.tzinfo, case.created_by_id) == (NOW, UTC, ours.world.account("clerk"))
        assert (s.get_one(Case, nobodys).created_at, s.get_one(Case, nobodys).created_by_id) == (NOW, None)


def test_chinese_file_names_stock(stock: Stock) -> None:
    _, name = stock.upload("clerk", "公共场所卫生许可证.pdf")
    assert re.fullmatch(r"[0-9a-f-]{36}_sep_\.pdf", name)
    assert stock.get("clerk", f"/uploads/download/{name}").header("Content-Disposition") == "attachment; filename=.pdf"


def test_chinese_file_names_ours(ours: Ours) -> None:
    letter = a_letter(ours)
    answer = ours("clerk").get(f"/letters/{letter.id}/file")
    plain, _, extended = answer.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert plain == "inline; filename=letter.pdf"
    assert unquote(extended) == f"{letter.number}.pdf"
    assert re.search(r"[\u4e00-\u9fff]", letter.number)


def test_two_classes_on_one_table_stock(stock: Stock) -> None:
    """The second declaration of a table changes the first: name was required text and is an optional number."""
    assert stock.call("two_classes_on_one_table") == ["id INTEGER", "name INTEGER", "amount INTEGER"]


def test_two_classes_on_one_table_ours() -> None:
    columns = [*Item.__table__.columns]
    with pytest.raises(InvalidRequestError, match="already defined"):

        class SecondOfItems(Row):
            __tablename__ = "item"
            amount: Mapped[str] = field("Amount", String(20))

    assert [*Item.__table__.columns] == columns


# --- people and pages ------------------------------------------------------------------------------------------------


def test_a_new_password_without_the_old_stock(stock: Stock) -> None:
    """Whoever finds the browser open takes the account over."""
    sent = {"password": "somebody-elses-1", "conf_password": "somebody-elses-1"}
    assert stock.post("visitor", "/resetmypassword/form", **sent).status == 302
    assert not stock.call("may_enter", person="visitor", password=PASSWORD)
    assert stock.call("may_enter", person="visitor", password="somebody-elses-1")


def test_a_new_password_without_the_old_ours(ours: Ours) -> None:
    clerk = ours("clerk")
    for old in ({}, {"old": "wrong"}):
        sent = {"new": "somebody-elses-1", "again": "somebody-elses-1", **old}
        assert clerk.post("/account/password", sent).status_code == 422
    again = Browser(ours.app.test_client())
    assert again.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 302


def test_chinese_words_stock(stock: Stock) -> None:
    """Its Simplified catalogue lacks messages that others have, and no reader ever gets its Traditional one."""
    folder = Path(flask_appbuilder.__file__).parent / "translations"
    held: dict[str, dict[str, str]] = {}
    for path in folder.glob("*/LC_MESSAGES/messages.mo"):
        with path.open("rb") as file:
            held[path.parent.parent.name] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    lacking = {message for words in held.values() for message in words} - set(held["zh"])
    assert {"Database Error", "Not a valid choice", "Page not found"} <= lacking
    assert (held["zh"]["Logout"], held["zh_HK"]["Logout"]) == ("注销", "註銷")
    for locale in ("zh_HK", "zh_TW"):
        stock.get("reader", f"/lang/{locale}")
        page = stock.get("reader", "/papers/list/").body
        assert "注销" in page, locale
        assert "註銷" not in page, locale


def test_chinese_words_ours(ours: Ours) -> None:
    """Every string is there in all three (tests/test_translations.py), and each reader gets their own script."""
    held = {locale: {m.id for m in catalog.read(locale) if m.id and m.string} for locale in catalog.LOCALES}
    assert held["zh"] == held["zh_Hant"] == held["en"]
    browser = Browser(ours.app.test_client())
    for locale, word in (("zh", "密码"), ("zh_Hant", "密碼")):
        browser.post("/language/", {"locale": locale, "next": "/login/"})
        assert word in browser.text("/login/"), locale


def test_foreign_scripts_stock(stock: Stock) -> None:
    """Bootstrap, jQuery and select2 on every page, with scripts and handlers in the page itself."""
    page = stock.get("clerk", "/papers/list/").body
    loaded = re.findall(r'(?:src|href)="[^"]*/([^"/]+\.(?:js|css))"', page)
    assert {"bootstrap.min.css", "jquery-latest.js", "select2.min.js", "fontawesome.min.css"} <= set(loaded)
    assert len(loaded) > 15
    assert Page(page).wrong


def test_foreign_scripts_ours(ours: Ours) -> None:
    clerk, pk = ours("clerk"), ours.world.case("申请人红鲤")
    pages = [clerk.text(path) for path in ("/", "/cases/", "/cases/new", f"/cases/{pk}", f"/cases/{pk}/do/accept")]
    for page in (*pages, ours.app.test_client().get("/login/").get_data(as_text=True)):
        loaded = set(re.findall(r'(?:src|href)="([^"?]*\.(?:js|css))', page))
        assert loaded == {"/static/look.css", "/static/yizhan.js"}
        assert Page(page).wrong == []  # neither foreign hosts nor anything inline


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_lists_exactly_these_tests() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| `(\w+)` \|$", DOC, re.MULTILINE)
    listed = [name for _, name in rows]
    known = {**vars(test_defects_rest), **globals()}
    halves = {n.removeprefix("test_") for n in known if re.fullmatch(r"test_\w+_(stock|ours)", n)}
    assert halves == {f"{name}_{half}" for name in listed for half in ("stock", "ours")}
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(set(listed)) == len(listed)
    for path in set(re.findall(r"`((?:views|models|forms|templates|translations|static|tests)/[\w./]+)`", DOC)):
        assert (settings.ROOT / path).exists(), path
