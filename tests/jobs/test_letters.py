"""Official letters: one for each cause, numbered without a gap, stored once, and repairable."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdf
import pytest
from alembic import command
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

import notices
from config import Config
from jobs import letters
from jobs.outbox import Worker
from jobs.setup import alembic, migrate
from models.case import ApplicantKind, Case
from models.catalogue_item import ItemType
from models.counter import Counter
from models.database import Database
from models.department import Department
from models.event import Event
from models.item import Item
from models.letter import Letter, LetterState
from models.outbox import MOST_ATTEMPTS, Outbox, OutboxState
from models.scope import everything
from models.workflow import move
from notices.catalog import NoticeError
from tests.conftest import Clock
from tests.world import COMPANY, NOW, RESIDENT, World, receive

REASON = "申请事项依法不属于本机关职权范围"


@pytest.fixture
def settle(database: Database, world: World) -> Callable[..., int]:
    """Accept or refuse a case as the approver; returns the id of the outbox row for its letter."""

    def go(case_id: int, action: str = "accept", now: datetime = NOW, **given: Any) -> int:
        if action == "refuse":
            given = {"refusal_reason": REASON, **given}
        with database.session(everything("test", world.account("approver")), write=True) as s:
            problems = move(s, s.get_one(Case, case_id), action, now=now, given=given)
            assert not problems.errors, problems
            return int(s.info["posted"][-1])

    return go


@pytest.fixture
def made(database: Database, world: World) -> Callable[..., int]:
    """A new case of the health bureau."""

    def go(applicant: str = "申请人", item: str = "公共场所卫生许可鲤", **values: Any) -> int:
        with database.session(everything("test", world.account("clerk")), write=True) as s:
            return receive(s, world.item(item), applicant=applicant, **values).id

    return go


@pytest.fixture
def stored(database: Database) -> Callable[[], list[Letter]]:
    def read() -> list[Letter]:
        with database.session(everything("test")) as s:
            found = list(s.scalars(select(Letter).order_by(Letter.id)))
            for letter in found:
                _ = letter.pdf, letter.data  # deferred; read them while the session lives
            return found

    return read


@pytest.fixture
def row(database: Database) -> Callable[[int], Outbox]:
    def read(outbox_id: int) -> Outbox:
        with database.session(everything("test")) as s:
            return s.get_one(Outbox, outbox_id)

    return read


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering replaced by what it gives, where the test is not about it."""

    def render(kind: str, data: Any, **kw: Any) -> notices.Rendered:
        pdf = f"%PDF {kind} {kw['number']}".encode()
        return notices.Rendered(pdf, "", 1, hashlib.sha256(pdf).hexdigest(), "t" * 64, "{}", "d" * 64)

    monkeypatch.setattr(notices, "render", render)


def text_of(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s", "", "".join(page.extract_text() for page in pages))


def test_acceptance(worker: Worker, settle: Any, stored: Any, row: Any, world: World, database: Database) -> None:
    case_id = world.case("申请人红鲤")
    outbox_id = settle(case_id)
    assert stored() == []  # nothing is written before the decision has been committed
    assert worker.run_due() == 1
    assert row(outbox_id).state is OutboxState.Done
    (letter,) = stored()
    assert (letter.state, letter.kind) == (LetterState.Issued, "acceptance")
    assert (letter.subject_type, letter.subject_id) == ("cases", case_id)
    assert letter.subject_label == "东卫健 2026-000001"
    assert (letter.number, letter.year, letter.serial) == ("东卫健受〔2026〕1号", 2026, 1)
    assert letter.department_id == world.id(Department, name="东城区卫生健康局")
    assert letter.sha256 == hashlib.sha256(letter.pdf).hexdigest()
    assert (letter.issued_at, letter.demo) == (NOW, True)
    assert letter.pages == len(pypdf.PdfReader(io.BytesIO(letter.pdf)).pages)
    assert len(letter.template_hash) == 64
    text = text_of(letter.pdf)
    wanted = (
        "东卫健受〔2026〕1号",
        "申请人红鲤",
        "公共场所卫生许可鲤",
        "演示",
        "行政许可）",
        "东城区卫生健康局",
        letter.code,
    )
    for words in wanted:
        assert words in text, words
    assert RESIDENT not in text
    assert "1101**********002X" in text
    assert "licence" not in text
    assert re.search(r"[a-z]{4,}", text.replace("http", "")) is None
    with database.session(everything("test")) as s:
        told = s.scalars(select(Event).where(Event.subject_type == "letters").order_by(Event.seq)).all()
        assert [(e.kind.value, e.action) for e in told] == [("created", None), ("moved", "issue")]


def test_refusal_states_its_reason(worker: Worker, settle: Any, stored: Any, made: Any) -> None:
    case_id = made("泉城示例有限公司", applicant_kind=ApplicantKind.Organisation, identifier=COMPANY)
    settle(case_id, "refuse", competent="东城区市场监督管理局")
    assert worker.run_due() == 1
    (letter,) = stored()
    assert (letter.kind, letter.number) == ("refusal", "东卫健不受〔2026〕1号")
    text = text_of(letter.pdf)
    for words in (REASON, "泉城示例有限公司", COMPANY, "东城区市场监督管理局", "演示", "六十日"):
        assert words in text, words


@pytest.mark.usefixtures("quick")
def test_numbers_have_no_gap_by_department_kind_and_year(
    worker: Worker, clock: Clock, settle: Any, stored: Any, made: Any, world: World
) -> None:
    for number in range(3):
        settle(made(f"甲{number}"))
    settle(made("乙"), "refuse")
    settle(world.case("申请人苍鹭"))
    worker.run_due()
    clock.moment = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)  # a minute before the year ends in China
    settle(made("丙", received_at=NOW), now=clock.moment)
    worker.run_due()
    clock.moment += timedelta(minutes=1)
    settle(made("丁", received_at=NOW), now=clock.moment)
    worker.run_due()
    assert sorted(x.number for x in stored()) == sorted(
        [
            "东卫健受〔2026〕1号",
            "东卫健受〔2026〕2号",
            "东卫健受〔2026〕3号",
            "东卫健不受〔2026〕1号",
            "西卫健受〔2026〕1号",
            "东卫健受〔2026〕4号",
            "东卫健受〔2027〕1号",
        ]
    )
    assert len({x.code for x in stored()}) == 7


@pytest.mark.usefixtures("quick")
def test_one_letter_over_repeated_runs(
    worker: Worker, settle: Any, stored: Any, world: World, database: Database
) -> None:
    outbox_id = settle(world.case("申请人红鲤"))
    assert [worker.run_due(), worker.run_due()] == [1, 0]
    before = [(x.number, x.sha256, x.issued_at, x.version) for x in stored()]
    with database.session(everything("test"), write=True) as s:  # as if the worker had been killed after its commit
        s.execute(update(Outbox).where(Outbox.id == outbox_id).values(state=OutboxState.Waiting))
    assert worker.run_due() == 1
    assert [(x.number, x.sha256, x.issued_at, x.version) for x in stored()] == before


def test_an_error_waits_ever_longer_then_stands_failed_and_can_be_repaired(
    worker: Worker,
    clock: Clock,
    settle: Any,
    stored: Any,
    row: Any,
    made: Any,
    world: World,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*args: Any, **kw: Any) -> Any:
        raise NoticeError("layout", "The letter could not be set: %(error)s", error="示例")

    real = notices.render
    monkeypatch.setattr(notices, "render", broken)
    outbox_id = settle(world.case("申请人红鲤"))
    for attempt in range(1, MOST_ATTEMPTS):
        assert worker.run_due() == 1
        found = row(outbox_id)
        assert (found.state, found.attempts) == (OutboxState.Waiting, attempt)
        assert found.due_at == clock.moment + timedelta(seconds=15 * 2**attempt)
        assert "NoticeError" in found.note
        clock.moment = found.due_at - timedelta(seconds=1)
        assert worker.run_due() == 0
        clock.moment = found.due_at
    assert worker.run_due() == 1
    assert (row(outbox_id).state, row(outbox_id).attempts) == (OutboxState.Failed, MOST_ATTEMPTS)
    assert "NoticeError" in row(outbox_id).note
    clock.moment += timedelta(days=365)
    assert worker.run_due() >= 0
    assert row(outbox_id).state is OutboxState.Failed  # nobody tries it again by himself
    (reserved,) = stored()
    assert (reserved.state, reserved.number, reserved.pdf) == (LetterState.Reserved, "东卫健受〔2026〕1号", None)
    assert len([r for r in caplog.records if "failed" in r.message]) >= MOST_ATTEMPTS

    # The template is mended, and an administrator sets the row back; another letter has been written meanwhile.
    monkeypatch.setattr(notices, "render", real)
    clock.moment = NOW + timedelta(days=2)
    settle(made("后来者"), now=clock.moment)
    worker.run_due()
    with database.session(everything("test"), write=True) as s:
        again = update(Outbox).where(Outbox.id == outbox_id)
        s.execute(again.values(state=OutboxState.Waiting, attempts=0, due_at=clock.moment))
    assert worker.run_due() == 1
    assert [(x.number, x.state) for x in stored()] == [
        ("东卫健受〔2026〕1号", LetterState.Issued),
        ("东卫健受〔2026〕2号", LetterState.Issued),
    ]
    assert "东卫健受〔2026〕1号" in text_of(stored()[0].pdf)
    assert row(outbox_id).note is None


def test_without_a_signature_nothing_is_issued_outside_demonstrations(
    config: Config, database: Database, clock: Clock, settle: Any, stored: Any, row: Any, world: World
) -> None:
    worker = Worker(database, replace(config, demo=False), clock)
    outbox_id = settle(world.case("申请人红鲤"))
    for _ in range(MOST_ATTEMPTS):
        worker.deliver(outbox_id)
        clock.moment = row(outbox_id).due_at
    assert row(outbox_id).state is OutboxState.Failed
    assert "signing" in row(outbox_id).note
    (letter,) = stored()
    assert (letter.state, letter.pdf, letter.sha256, letter.issued_at, letter.demo) == (
        LetterState.Reserved,
        None,
        None,
        None,
        False,
    )


@pytest.mark.usefixtures("quick")
def test_a_number_given_to_nobody_is_given_back(
    worker: Worker, settle: Any, stored: Any, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number and row are one transaction: where the row fails, the number is free again."""

    def broken(*args: Any) -> Any:
        raise RuntimeError("between number and commit")

    settle(world.case("申请人红鲤"))
    with monkeypatch.context() as patch:
        patch.setattr(letters, "letter_data", broken)
        worker.run_due()
    assert stored() == []
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Counter).where(Counter.kind == "letter.acceptance")) == 0


def test_letter_data_is_a_snapshot_in_chinese(settle: Any, world: World, database: Database) -> None:
    case_id = world.case("申请人红鲤")
    settle(case_id)
    with database.session(everything("test")) as s:
        data = letters.letter_data(s, s.get_one(Case, case_id), NOW)
    assert data["item_type"] == "行政许可"
    assert data["legal_basis"] == ["《公共场所卫生管理条例》第四条"]
    assert (data["received_on"], data["promise_days"], data["statutory_days"]) == (date(2026, 6, 17), 6, 20)
    assert (data["promise_due"], data["statutory_due"]) == (date(2026, 6, 26), date(2026, 7, 16))
    assert (data["handler"], data["case_number"]) == ("王鲤", "东卫健 2026-000001")


def test_a_registry_that_says_nothing_about_its_rows_has_no_letters(world: World, database: Database) -> None:
    with database.session(everything("test")) as s, pytest.raises(LookupError, match="items declares no letter="):
        letters.letter_data(s, s.get_one(Item, world.item("公共场所卫生许可鲤")), NOW)


@pytest.mark.usefixtures("quick")
def test_a_letter_keeps_what_its_subject_was_called(
    worker: Worker, settle: Any, world: World, sign_in: Any, stored: Any
) -> None:
    """On its own list it leads to the subject; the subject's page leads to it, and to a list of its letters alone."""
    case_id = world.case("申请人红鲤")
    settle(case_id)
    settle(world.case("申请人苍鹭"))
    worker.run_due()
    letter = next(x for x in stored() if x.subject_id == case_id)
    clerk = sign_in("clerk")
    listed = clerk.text("/letters/?kind=acceptance")
    assert f'<a href="/cases/{case_id}">东卫健 2026-000001</a>' in listed
    assert "受理通知书" in listed
    assert letter.number in clerk.text(f"/cases/{case_id}")
    auditor = sign_in("auditor")
    assert {x.number for x in stored()} == {"东卫健受〔2026〕1号", "西卫健受〔2026〕1号"}
    assert "西卫健受〔2026〕1号" in auditor.text("/letters/")
    assert "西卫健受〔2026〕1号" not in auditor.text(f"/letters/?subject_type=cases&subject_id={case_id}")


def test_letters_from_before_they_could_be_about_anything(
    config: Config, database: Database, worker: Worker, settle: Any, stored: Any, world: World
) -> None:
    """There and back: the schema before revision 0003 knew letters about cases only."""
    case_id = world.case("申请人红鲤")
    settle(case_id)
    worker.run_due()
    (before,) = stored()
    command.downgrade(alembic(database), "0002")
    with database.engine.connect() as connection:
        columns = {c["name"] for c in inspect(connection).get_columns("letter")}
        assert connection.scalar(text("SELECT case_id FROM letter")) == case_id
    assert ("case_id" in columns, "subject_id" in columns) == (True, False)
    with pytest.raises(IntegrityError), database.writing.begin() as connection:
        connection.execute(text("UPDATE letter SET kind = 'nonsense'"))
    migrate(config)
    (after,) = stored()
    for name in ("id", "number", "kind", "subject_type", "subject_id", "subject_label", "code", "sha256", "pdf"):
        assert getattr(after, name) == getattr(before, name), name
    with pytest.raises(IntegrityError), database.writing.begin() as connection:
        connection.execute(text("UPDATE letter SET pdf = NULL"))  # its other rules went along
    with database.writing.begin() as connection:
        connection.execute(text("UPDATE letter SET subject_type = 'reports'"))
    with pytest.raises(RuntimeError, match="other registries than cases"):
        command.downgrade(alembic(database), "0002")


@pytest.mark.parametrize("kind", list(ItemType))
def test_every_item_type_has_its_chinese_word(kind: ItemType) -> None:
    letters.in_chinese.cache_clear()
    assert re.fullmatch(r"[\u4e00-\u9fff]+", letters.in_chinese(kind.label))


def test_english_is_never_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with pytest.raises(LookupError, match="no Chinese"):
        letters.in_chinese("A message that no catalogue holds")
    letters.in_chinese.cache_clear()
    monkeypatch.setattr(letters, "ROOT", tmp_path)  # no catalogues have been compiled
    with pytest.raises(LookupError, match="compiled"):
        letters.in_chinese(ItemType.Licence.label)
    letters.in_chinese.cache_clear()
