"""Personal data: masked for everybody everywhere, in full on request to who may, and every look on record."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from models.case import Case
from models.database import Database
from models.draft import Draft
from models.event import Event, EventKind, broken_links
from models.scope import Forbidden, everything
from models.workflow import reveal
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import fields, first_cells, opened, words
from tests.world import COMPANY, NOW, RESIDENT, World, receive

SignIn = Callable[[str], Browser]
PHONE = "13911112222"
MASK, PHONE_MASK = "1101**********002X", "139****2222"
BUTTON = "显示完整信息"
LOOKED = "查看了完整的个人信息"
OTHER = "110105198806150024"


@pytest.fixture
def case(world: World, database: Database) -> int:
    """The owner's case, with a telephone."""
    pk = world.case("申请人红鲤")
    change(database, pk, phone=PHONE)
    return pk


def change(database: Database, pk: int, **values: Any) -> None:
    with database.session(everything("test"), write=True) as s:
        assert not save(s, s.get_one(Case, pk), values, now=NOW).errors


def stored(database: Database, pk: int) -> Case:
    with database.session(everything("test")) as s:
        return s.get_one(Case, pk)


def looks(database: Database, pk: int) -> list[Event]:
    with database.session(everything("test")) as s:
        about = (Event.subject_type == "cases") & (Event.subject_id == pk) & (Event.action == "reveal")
        return [*s.scalars(select(Event).where(about).order_by(Event.seq))]


def said(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


# --- who looks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["clerk", "colleague", "approver"])
def test_who_may_looks_once_and_it_is_on_record(
    sign_in: SignIn, database: Database, world: World, case: int, person: str
) -> None:
    browser = sign_in(person)
    before = stored(database, case).version
    page = browser.text(f"/cases/{case}")
    assert RESIDENT not in page
    assert PHONE not in page
    assert page.count(BUTTON) == 1
    answer = browser.post(f"/cases/{case}/reveal")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert RESIDENT in said(answer)
    assert PHONE in said(answer)
    assert BUTTON not in said(answer)
    assert "本次查看已记录" in words(said(answer))
    again = browser.text(f"/cases/{case}")
    assert RESIDENT not in again, "the next page is masked again"
    [look] = looks(database, case)
    assert (look.kind, look.changes, look.actor_id) == (EventKind.Done, {}, world.account(person))
    assert stored(database, case).version == before
    assert LOOKED in words(again)
    history = words(browser.text(f"/cases/{case}?tab=history"))
    assert LOOKED in history
    assert "没有字段" not in history.partition(LOOKED)[2][:40]


@pytest.mark.parametrize(("person", "status"), [("manager", 403), ("auditor", 403), ("admin", 403), ("outsider", 404)])
def test_who_may_not(sign_in: SignIn, database: Database, case: int, person: str, status: int) -> None:
    browser = sign_in(person)
    for path in (f"/cases/{case}/reveal", f"/api/v1/cases/{case}/reveal"):
        answer = browser.json("POST", path) if path.startswith("/api") else browser.post(path)
        assert answer.status_code == status
        assert RESIDENT not in said(answer)
    assert browser.get(f"/cases/{case}/reveal").status_code == status
    if status == 403:
        page = browser.text(f"/cases/{case}")
        assert MASK in page
        assert BUTTON not in page
    assert looks(database, case) == []


def test_nobody_looks_without_a_sign_in_or_by_a_forged_form(
    anonymous: FlaskClient, sign_in: SignIn, database: Database, case: int
) -> None:
    assert Browser(anonymous).post(f"/cases/{case}/reveal").status_code == 302
    assert anonymous.post(f"/api/v1/cases/{case}/reveal").status_code in (400, 401)
    assert sign_in("clerk").client.post(f"/cases/{case}/reveal").status_code == 400
    assert looks(database, case) == []


def test_the_address_of_a_look_shows_nothing(sign_in: SignIn, database: Database, case: int) -> None:
    """Somebody reloads it by its address, or chooses another language there."""
    answer = sign_in("clerk").get(f"/cases/{case}/reveal")
    assert (answer.status_code, answer.location) == (302, f"/cases/{case}")
    assert looks(database, case) == []


def test_the_door_itself_refuses(world: World, database: Database, case: int) -> None:
    for person in ("manager", "outsider"):
        with database.session(everything("test")) as s:
            row = s.get_one(Case, case)
        with database.session(world.scope(person), write=True) as s, pytest.raises(Forbidden):
            reveal(s, row, now=NOW)


def test_looks_within_ten_minutes_are_one(sign_in: SignIn, database: Database, case: int, clock: Clock) -> None:
    clerk, colleague = sign_in("clerk"), sign_in("colleague")
    for minutes, person, count in ((0, clerk, 1), (9, clerk, 1), (9, colleague, 2), (10, clerk, 3), (19, clerk, 3)):
        clock.moment = NOW + timedelta(minutes=minutes)
        assert RESIDENT in said(person.post(f"/cases/{case}/reveal"))
        assert len(looks(database, case)) == count, minutes
    # Another row is another matter.
    with database.session(everything("test"), write=True) as s:
        item = s.get_one(Case, case).item_id
        other = receive(s, item, applicant="另一位").id
    clerk.post(f"/cases/{other}/reveal")
    assert len(looks(database, other)) == 1


def test_two_who_look_in_the_same_moment(world: World, database: Database, case: int) -> None:
    together, errors = threading.Barrier(3), []

    def look(person: str) -> None:
        try:
            with database.session(world.scope(person)) as s:
                row = s.get_one(Case, case)
                s.expunge(row)
            together.wait(30)
            with database.session(world.scope(person), write=True) as s:
                errors.extend(reveal(s, s.get_one(Case, case), now=NOW))
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=look, args=(p,)) for p in ("clerk", "colleague", "approver")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(looks(database, case)) == 3
    with database.session(everything("test")) as s:
        assert broken_links(s) == []


def test_a_script_gets_the_values_alone(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    headers = {"Accept": "application/json"}
    answer = clerk.post(f"/cases/{case}/reveal", headers=headers)
    assert answer.get_json() == {"values": {"identifier": RESIDENT, "phone": PHONE}, "note": "本次查看已记录。"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(looks(database, case)) == 1


def test_the_record_of_changes_can_be_asked_for_looks(sign_in: SignIn, world: World, case: int) -> None:
    sign_in("approver").post(f"/cases/{case}/reveal")
    auditor = sign_in("auditor")
    page = auditor.text("/events/?action=reveal")
    assert first_cells(page) == ["东卫健 2026-000001"]
    assert LOOKED in words(page)
    rows = auditor.get("/api/v1/events/?action=reveal").get_json()["rows"]
    assert [(r["kind"], r["action"], r["changes"], r["actor_id"]) for r in rows] == [
        ("done", "reveal", {}, world.account("approver"))
    ]
    told = auditor.get(f"/api/v1/cases/{case}/history").get_json()["rows"][0]
    assert (told["action"], told["actor"], told["changes"]) == ("reveal", "张鲤", {})
    assert "查看了" not in words(sign_in("approver").text("/")), "looking at a number is no work done"


def test_nothing_to_look_at_needs_no_button(sign_in: SignIn, database: Database, case: int) -> None:
    change(database, case, phone=None)
    clerk = sign_in("clerk")
    form = clerk.text(f"/cases/{case}/edit")
    assert 'data-personal="identifier"' in form
    assert 'data-personal="phone"' not in form
    assert BUTTON not in clerk.text("/cases/new")


# --- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_holds_masks_and_leaves_alone_what_comes_back(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    page = clerk.text(f"/cases/{case}/edit")
    assert RESIDENT not in page
    assert PHONE not in page
    sent = fields(page)
    assert (sent["identifier"], sent["phone"]) == ([MASK], [PHONE_MASK])
    assert clerk.post(f"/cases/{case}/edit", sent).status_code == 302
    assert stored(database, case).version == 2, "nothing was changed"
    assert clerk.post(f"/cases/{case}/edit", {**sent, "applicant": "改名"}).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.phone, row.applicant) == (RESIDENT, PHONE, "改名")
    # So does a program that sends no digests along.
    bare = {n: sent[n] for n in ("applicant_kind", "identifier", "phone", "channel")}
    assert clerk.post(f"/cases/{case}/edit", {**bare, "applicant": "又改名", "version": "3"}).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.phone, row.applicant) == (RESIDENT, PHONE, "又改名")


def test_a_new_value_replaces_and_an_empty_one_empties(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", identifier=[OTHER], phone=[""])
    assert clerk.post(f"/cases/{case}/edit", sent).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.phone) == (OTHER, None)
    with database.session(everything("test")) as s:
        last = s.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
        assert last.changes == {"identifier": [MASK, "1101**********0024"], "phone": [PHONE_MASK, None]}
    empty = opened(clerk, f"/cases/{case}/edit", identifier=[""])
    assert clerk.post(f"/cases/{case}/edit", empty).status_code == 422, "this one is required"


def test_a_refused_form_shows_what_was_typed_and_nothing_stored(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", identifier=["110105194912310021"], applicant=[""])
    page = said(clerk.post(f"/cases/{case}/edit", sent))
    assert fields(page)["identifier"] == ["110105194912310021"]
    assert fields(page)["phone"] == [PHONE_MASK]
    assert PHONE not in page
    assert RESIDENT not in page
    again = {**fields(page), "applicant": "甲", "identifier": MASK}
    assert clerk.post(f"/cases/{case}/edit", again).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.phone, row.applicant) == (RESIDENT, PHONE, "甲")


def test_a_right_guess_does_not_come_back_as_a_mask(sign_in: SignIn, database: Database, case: int) -> None:
    """What somebody typed comes back as typed, be it right or wrong: a form answers no guesses."""
    clerk = sign_in("clerk")
    for guess in (RESIDENT, OTHER):
        sent = opened(clerk, f"/cases/{case}/edit", identifier=[guess], applicant=[""])
        answer = clerk.post(f"/cases/{case}/edit", sent)
        assert answer.status_code == 422
        assert fields(answer.get_data(as_text=True))["identifier"] == [guess]


@pytest.mark.parametrize("half", ["1101**********0021", "**********", "1101****"])
def test_what_is_half_masked_is_refused(sign_in: SignIn, database: Database, case: int, half: str) -> None:
    clerk = sign_in("clerk")
    for name in ("identifier", "phone"):
        answer = clerk.post(f"/cases/{case}/edit", opened(clerk, f"/cases/{case}/edit", **{name: [half]}))
        assert answer.status_code == 422
        assert "仍有隐藏的字符" in said(answer)
        rest = clerk.json("PUT", f"/api/v1/cases/{case}", {"version": 2, name: half})
        assert rest.status_code == 422
        assert [(p["field"], p["code"]) for p in rest.get_json()["problems"]] == [(name, "half_masked")]
    assert stored(database, case).version == 2


def test_two_editors_and_a_number_neither_touched(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["甲"])
    change(database, case, channel="post")
    page = said(clerk.post(f"/cases/{case}/edit", sent))
    assert 'name="take-' not in page
    assert RESIDENT not in page
    assert clerk.post(f"/cases/{case}/edit", fields(page)).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.applicant, row.channel.value) == (RESIDENT, "甲", "post")


@pytest.mark.parametrize("phone", ["13800000000", "13955552222"])  # the second looks the same when it is masked
def test_a_number_that_only_the_other_changed_is_taken_over(
    sign_in: SignIn, database: Database, case: int, phone: str
) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["甲"])
    change(database, case, phone=phone)
    answer = clerk.post(f"/cases/{case}/edit", sent)
    assert answer.status_code == 409
    assert 'name="take-' not in said(answer)
    assert phone not in said(answer)
    assert clerk.post(f"/cases/{case}/edit", fields(said(answer))).status_code == 302
    row = stored(database, case)
    assert (row.phone, row.applicant) == (phone, "甲")


@pytest.mark.parametrize(("side", "phone"), [("theirs", "13800000002"), ("mine", "13700000002")])
def test_a_number_that_both_changed(sign_in: SignIn, database: Database, case: int, side: str, phone: str) -> None:
    """Also where the two look the same when they are masked."""
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", phone=["13700000002"])
    change(database, case, phone="13800000002")
    page = said(clerk.post(f"/cases/{case}/edit", sent))
    table = words(page[re.search(r'<table class="[^"]*diff', page).start() :].partition("</table>")[0])
    assert "138****0002" in table
    assert "13700000002" in table, "nobody masks what one just typed"
    assert "13800000002" not in page
    answer = clerk.post(f"/cases/{case}/edit", {**fields(page), "take-phone": side, "applicant": ""})
    assert answer.status_code == 422
    assert "13800000002" not in said(answer), "what was taken over is not shown when the form comes back either"
    assert clerk.post(f"/cases/{case}/edit", {**fields(said(answer)), "applicant": "甲"}).status_code == 302
    assert stored(database, case).phone == phone


def test_digests_in_a_page_give_nothing_away(sign_in: SignIn, database: Database, world: World, case: int) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        twin = receive(s, s.get_one(Case, case).item_id, applicant="同号", phone=PHONE).id
    clerk = sign_in("clerk")
    seen = [fields(clerk.text(f"/cases/{pk}/edit"))["seen"][0] for pk in (case, twin)]
    told = [dict(part.split("=") for part in text.split(";")) for text in seen]
    assert told[0]["identifier"] not in hashlib.sha256(RESIDENT.encode()).hexdigest()
    assert told[0]["identifier"] != told[1]["identifier"], "equal numbers cannot be told either"
    assert {"identifier*", "phone*"} <= told[0].keys()


# --- drafts ----------------------------------------------------------------------------------------------------------


def test_a_draft_of_an_edit_keeps_masks(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["草稿"])
    assert clerk.post(f"/cases/{case}/draft", sent).status_code == 200
    with database.session(everything("test")) as s:
        kept = s.scalars(select(Draft)).one()
        assert kept.typed["identifier"] == [MASK]
    change(database, case, phone="13800000000")
    page = clerk.text(f"/cases/{case}/edit?draft={kept.id}")
    assert fields(page)["identifier"] == [MASK]
    answer = clerk.post(f"/cases/{case}/edit", fields(page))
    assert answer.status_code == 409
    assert clerk.post(f"/cases/{case}/edit", fields(said(answer))).status_code == 302
    row = stored(database, case)
    assert (row.identifier, row.phone, row.applicant) == (RESIDENT, "13800000000", "草稿")


def test_drafts_show_no_number_but_in_their_own_form(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", phone=["13812341234"], identifier=[RESIDENT])
    assert clerk.post(f"/cases/{case}/draft", sent).status_code == 200
    with database.session(everything("test")) as s:
        pk = s.scalars(select(Draft.id)).one()
    for path in ("/drafts/", f"/drafts/{pk}", "/api/v1/drafts/", f"/api/v1/drafts/{pk}", f"/cases/{case}/edit"):
        text = clerk.text(path)
        assert "13812341234" not in text, path
        assert RESIDENT not in text, path
    resumed = fields(clerk.text(f"/cases/{case}/edit?draft={pk}"))
    assert resumed["phone"] == ["13812341234"]
    assert resumed["identifier"] == [RESIDENT], "what one typed comes back, right or wrong"


# --- REST ------------------------------------------------------------------------------------------------------------


def test_rest_masks_and_reveals(sign_in: SignIn, database: Database, case: int) -> None:
    for person in ("clerk", "approver", "manager", "auditor"):
        row = sign_in(person).get(f"/api/v1/cases/{case}").get_json()["row"]
        assert (row["identifier"], row["phone"]) == (MASK, PHONE_MASK), person
    clerk = sign_in("clerk")
    answer = clerk.json("POST", f"/api/v1/cases/{case}/reveal")
    assert answer.get_json() == {"row": {"identifier": RESIDENT, "phone": PHONE}}
    assert len(looks(database, case)) == 1
    assert clerk.json("POST", "/api/v1/items/1/reveal", {"version": 1}).status_code == 404, "nothing there is personal"


def test_rest_takes_a_whole_row_back(sign_in: SignIn, database: Database, case: int) -> None:
    clerk = sign_in("clerk")
    row = clerk.get(f"/api/v1/cases/{case}").get_json()["row"]
    sent = {n: row[n] for n in ("version", "applicant", "identifier", "phone", "channel")}
    answer = clerk.json("PUT", f"/api/v1/cases/{case}", {**sent, "channel": "post"})
    assert answer.status_code == 200
    assert answer.get_json()["row"]["identifier"] == MASK
    held = stored(database, case)
    assert (held.identifier, held.phone, held.channel.value) == (RESIDENT, PHONE, "post")
    changed = clerk.json("PUT", f"/api/v1/cases/{case}", {"version": held.version, "identifier": OTHER, "phone": None})
    assert changed.get_json()["row"]["identifier"] == "1101**********0024"
    held = stored(database, case)
    assert (held.identifier, held.phone) == (OTHER, None)
    new = {n: row[n] for n in ("item_id", "applicant", "identifier", "received_at")}
    refused = clerk.json("POST", "/api/v1/cases/", new)
    assert refused.status_code == 422, "a new row has nothing for which a mask could stand"


def test_openapi_describes_it(sign_in: SignIn) -> None:
    told = sign_in("clerk").get("/api/v1/_openapi").get_json()
    look = told["paths"]["/api/v1/cases/{pk}/reveal"]["post"]
    shown = look["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["row"]["properties"]
    assert {*shown} == {"identifier", "phone"}
    assert "/api/v1/items/{pk}/reveal" not in told["paths"]
    schemas = told["components"]["schemas"]
    assert "masked" in schemas["Case"]["properties"]["phone"]["description"]
    assert "masked" in schemas["CaseChange"]["properties"]["phone"]["description"]
    assert "half_masked" in str(schemas["CaseProblem"])


# --- guessing --------------------------------------------------------------------------------------------------------


def test_no_number_is_guessed_piece_by_piece(sign_in: SignIn, database: Database, world: World, case: int) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        kind = {"applicant_kind": "organisation", "identifier": COMPANY}
        receive(s, s.get_one(Case, case).item_id, applicant="另一位", phone="13800000000", **kind)
    for person in ("clerk", "auditor"):
        browser = sign_in(person)
        everybody = browser.get("/api/v1/cases/").get_json()
        for piece in (RESIDENT[:17], RESIDENT[1:], "1949", "1101", PHONE, PHONE[:4], "1101*", "_" * 18, "%"):
            assert browser.get(f"/api/v1/cases/?q={piece}").get_json()["total"] == 0, piece
            cases = [g for g in browser.get(f"/find/?q={piece}&short=1").get_json()["groups"] if g["title"] == "办件"]
            assert not cases, piece
            assert first_cells(browser.text(f"/cases/?q={piece}")) == [], piece
        order = first_cells(browser.text("/cases/"))
        for name in ("identifier", "phone"):
            for sort in (name, f"-{name}"):
                assert browser.get(f"/api/v1/cases/?sort={sort}").get_json() == everybody
                page = browser.text(f"/cases/?sort={sort}")
                assert first_cells(page) == order
            for asked in (f"{name}=1", f"{name}__from=1", f"{name}__to=2", f"{name}__empty=1"):
                assert first_cells(browser.text(f"/cases/?{asked}")) == order
                refused = browser.get(f"/api/v1/cases/?{asked}")
                assert (refused.status_code, refused.get_json()["problems"][0]["code"]) == (422, "unknown_argument")
    clerk = sign_in("clerk")
    clerk.post("/cases/views", {"query": "", "cell": ["identifier", "phone"]})
    assert "sort=identifier" not in clerk.text("/cases/")
    assert "sort=phone" not in clerk.text("/cases/")


# --- logs ------------------------------------------------------------------------------------------------------------


def test_errors_of_the_database_carry_no_values(database: Database) -> None:
    """Neither its parameters nor, from PostgreSQL, the row that failed."""
    broken = [
        insert(Case.__table__).values(identifier=RESIDENT, phone=PHONE, number="x"),  # much is missing
        update(Case.__table__).values(phone=PHONE, identifier=RESIDENT, state="refused"),  # a CHECK
    ]
    for statement in broken:
        with database.writing.connect() as connection, pytest.raises(DBAPIError) as caught:
            connection.execute(statement)
        error: BaseException | None = caught.value
        while error is not None:
            assert RESIDENT not in f"{error} {error!r}"
            assert PHONE not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__
