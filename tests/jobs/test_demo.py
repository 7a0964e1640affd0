"""The demonstration: it loads whole or not at all, on any day, and keeps every rule of the product."""

from __future__ import annotations

import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.security import check_password_hash

from config import Config
from jobs import demo
from jobs.demo import ACCOUNTS_FILE
from jobs.setup import migrate
from models import registries
from models.access import sync
from models.account import Account
from models.case import ApplicantKind, Case, CaseState
from models.catalogue_item import CatalogueItem
from models.database import Database
from models.declare import Role
from models.department import Department, DepartmentKind
from models.event import Event, broken_links
from models.item import Item, ItemState, Origin
from models.legal_basis import LegalBasis
from models.outbox import Outbox
from models.profile import Profile, lookup
from models.region import Region, RegionLevel
from models.scope import ScopedSession, everything
from models.work_day import load_calendar, seed_calendar
from rules.deadlines import local_day, standing
from rules.identifiers import check_basic_code, check_implementation_code, check_resident, check_uscc

NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)  # a Wednesday, 14:00 in China


def settings(instance: Path) -> Config:
    return Config(instance=instance, secret_key="a test needs no secret, only some length")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with schema, roles and calendar, and nobody in it."""
    config = settings(tmp_path_factory.mktemp("prepared"))
    migrate(config)
    registries()
    database = Database(config.database)
    with database.session(everything("test"), write=True) as s:
        sync(s, NOW)
        seed_calendar(s, NOW)
    database.dispose()
    return config.instance


@pytest.fixture
def empty(prepared: Path, tmp_path: Path) -> Config:
    return settings(Path(shutil.copytree(prepared, tmp_path / "instance")))


@pytest.fixture(scope="module")
def loaded(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = settings(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("loaded") / "instance")))
    assert demo.fill(config, NOW)
    return config


@pytest.fixture
def s(loaded: Config) -> Iterator[ScopedSession]:
    yield from reading(loaded)


def reading(config: Config) -> Iterator[ScopedSession]:
    database = Database(config.database)
    with database.session(everything("test")) as session:
        yield session
    database.dispose()


def count(session: ScopedSession, model: Any) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def everyone(config: Config) -> list[list[str]]:
    text = (config.instance / ACCOUNTS_FILE).read_text(encoding="utf-8")
    return [line.split(maxsplit=2) for line in text.splitlines()]


def test_how_much_there_is(s: ScopedSession) -> None:
    models = (Region, Department, Profile, LegalBasis, CatalogueItem, Item, Account, Case)
    assert [count(s, m) for m in models] == [10, 24, 4, 10, 10, 24, 9, 8]
    assert set(s.scalars(select(Region.level))) == set(RegionLevel)
    assert set(s.scalars(select(Department.kind))) == set(DepartmentKind)
    assert len(set(s.scalars(select(Item.department_id)))) == 13


def test_departments_hang_together(s: ScopedSession) -> None:
    for row in s.scalars(select(Department)):
        assert check_uscc(row.credit_code or "").valid, row.name
        assert row.short
        assert row.address
        assert (row.phone or "").startswith("0531-0000")
        assert row.region.path
        assert (row.path or "").endswith(f"/{row.id}/")
        if row.kind is DepartmentKind.Management:
            assert row.parent is not None
            assert row.parent.kind is DepartmentKind.Government
        if row.parent is not None:
            assert row.region.path.startswith(row.parent.region.path or "?"), row.name
    codes = list(s.scalars(select(Department.credit_code)))
    assert len(set(codes)) == len(codes)


def test_every_code_is_valid(s: ScopedSession) -> None:
    assert all(check_basic_code(code).valid for code in s.scalars(select(CatalogueItem.basic_code)))
    for row in s.scalars(select(Item).where(Item.origin == Origin.Ours)):
        assert check_implementation_code(row.national_code or "").valid, row.name
        assert row.level is not None
        assert row.national_code == f"{row.department.credit_code}{row.level.value}{row.basic_code}"
        assert row.catalogue_item is not None
        assert (row.name, row.basic_code) == (row.catalogue_item.name, row.catalogue_item.basic_code)
        assert row.gap_count == 0
    codes = list(s.scalars(select(Item.national_code).where(Item.national_code.is_not(None))))
    assert len(set(codes)) == len(codes) == 21


def test_promises_keep_within_the_law(s: ScopedSession) -> None:
    for row in s.scalars(select(Item).where(Item.origin == Origin.Ours)):
        assert row.promise_days is not None
        assert row.statutory_days is not None
        assert 0 < row.promise_days <= row.statutory_days


def test_every_state_is_reached(s: ScopedSession) -> None:
    items, cases = Counter(s.scalars(select(Item.state))), Counter(s.scalars(select(Case.state)))
    assert items == {ItemState.InForce: 21, ItemState.Draft: 2, ItemState.Cancelled: 1}
    assert cases == {CaseState.Received: 6, CaseState.Accepted: 1, CaseState.Refused: 1}


def test_items_taken_over_show_their_gaps(s: ScopedSession) -> None:
    rows = s.scalars(select(Item).where(Item.origin == Origin.TakenOver).order_by(Item.gap_count)).all()
    assert [row.gap_count for row in rows] == [2, 3, 4]
    assert all((row.source_link or "").startswith("https://zwfw.example.invalid/") for row in rows)


def test_profiles(s: ScopedSession) -> None:
    regions = {r.code: r for r in s.scalars(select(Region))}
    assert lookup(s, regions["9901"], "notice_days") == (5, "示例省")
    assert lookup(s, regions["990102001"], "notice_days") == (3, "历山区")
    assert lookup(s, regions["990103"], "warn_days") == (2, "明湖区")
    assert lookup(s, regions["990102"], "court") == ("泉城市历山区人民法院", "历山区")
    assert all(p.source for p in s.scalars(select(Profile)))


def test_people_and_their_passwords(loaded: Config, s: ScopedSession) -> None:
    told = everyone(loaded)
    assert stat.S_IMODE((loaded.instance / ACCOUNTS_FILE).stat().st_mode) == 0o600
    assert len({password for _, password, _ in told}) == len(told) == 9
    accounts: dict[str, Any] = {a.username: a for a in s.scalars(select(Account))}
    assert set(accounts) == {username for username, _, _ in told}
    for username, password, who in told:
        account = accounts[username]
        assert check_password_hash(account.password, password)
        assert who.endswith(account.name)
        assert account.email == f"{username}@example.invalid"
        assert account.active
        assert not account.must_change_password
    roles = Counter(role.name for a in accounts.values() for role in a.roles)
    assert roles == {
        Role.Administrator.value: 1,
        Role.Management.value: 1,
        Role.Clerk.value: 3,
        Role.Approver.value: 2,
        Role.Auditor.value: 1,
        Role.ReformLead.value: 1,
    }
    assert accounts["admin"].department_id is None
    text = " ".join(str(e.changes) for e in s.scalars(select(Event)))
    assert not any(password in text for _, password, _ in told)


def test_cases_belong_to_their_clerks(s: ScopedSession) -> None:
    for case in s.scalars(select(Case)):
        assert case.handler is not None
        assert case.handler.department_id == case.department_id == case.item.department_id
        assert case.created_by_id == case.handler_id
        verdict = check_resident(case.identifier, date(2026, 3, 4)), check_uscc(case.identifier)
        assert verdict[case.applicant_kind is ApplicantKind.Organisation].valid
        about = select(Event).where(Event.subject_type == "cases", Event.subject_id == case.id)
        assert s.scalars(about.where(Event.seq == 1)).one().actor_id == case.handler_id
    for name in ("历山市监", "历山卫健"):
        mine = select(Case).join(Case.department).where(Department.short == name).order_by(Case.number)
        rows = s.scalars(mine).all()
        assert [row.number for row in rows] == [f"{name} 2026-{n:06d}" for n in range(1, 5)]
        assert [row.received_at for row in rows] == sorted(row.received_at for row in rows)


def test_decisions_are_the_approvers(s: ScopedSession) -> None:
    decided = (
        select(Event.action, Account.username)
        .join(Account, Account.id == Event.actor_id)
        .where(Event.subject_type == "cases", Event.action.is_not(None))
    )
    assert {(action, who) for action, who in s.execute(decided)} == {
        ("accept", "approver2"),
        ("refuse", "approver1"),
    }
    kinds = Counter(s.scalars(select(Outbox.kind)))
    assert kinds == {"remind.notice": 8, "letter.acceptance": 1, "letter.refusal": 1}
    refused = s.scalars(select(Case).where(Case.state == CaseState.Refused)).one()
    assert refused.refusal_reason
    assert refused.competent == "泉城市明湖区行政审批服务局"


def test_one_moment_and_whole_chains(s: ScopedSession) -> None:
    assert set(s.scalars(select(Event.at).where(Event.subject_type != "work-days"))) == {NOW}
    assert broken_links(s) == []


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 3, 4, 6, 0, tzinfo=UTC),  # a working day
        datetime(2026, 3, 3, 16, 5, tzinfo=UTC),  # five minutes past midnight in China, the day before by UTC
        datetime(2026, 3, 7, 4, 0, tzinfo=UTC),  # a Saturday
        datetime(2026, 10, 3, 4, 0, tzinfo=UTC),  # amid a long holiday
        datetime(2026, 1, 1, 1, 0, tzinfo=UTC),  # cases of two years
        datetime(2026, 12, 31, 23, 0, tzinfo=UTC),  # New Year's Day in China, of a year without a calendar
        datetime(2031, 5, 20, 8, 0, tzinfo=UTC),  # long after the last calendar
    ],
    ids=lambda now: now.isoformat(),
)
def test_the_cases_stand_right_on_any_day(empty: Config, now: datetime) -> None:
    assert demo.fill(empty, now)
    for session in reading(empty):
        today = local_day(now)
        calendar = load_calendar(session, today)
        waiting = session.scalars(select(Case).where(Case.state == CaseState.Received)).all()
        assert all(case.received_at <= now for case in waiting)
        assert all(calendar.is_workday(local_day(case.received_at)) for case in waiting)
        found: Counter[str | int] = Counter()
        for case in waiting:
            code, days = standing(today, case.notice_due, calendar)
            found[code if code == "overdue" else days] += 1
        first = 0 if calendar.is_workday(today) else 1  # left until today, or until the next working day
        assert found["overdue"] == 1
        assert found[first] == 2
        assert sum(n for left, n in found.items() if isinstance(left, int) and left > first) == 3


def test_a_second_load_changes_nothing(empty: Config, capsys: pytest.CaptureFixture[str]) -> None:
    demo.load(empty)
    assert "loaded" in capsys.readouterr().out
    before, told = [count(x, Event) for x in reading(empty)], everyone(empty)
    demo.load(empty)
    assert "already" in capsys.readouterr().out
    assert [count(x, Event) for x in reading(empty)] == before
    assert everyone(empty) == told


def test_the_whole_or_nothing(empty: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refused row near the end names itself and takes everything before it along."""
    text = demo.DATA.read_text(encoding="utf-8")
    assert "379999200002290283" in text
    broken = tmp_path / "demo.toml"
    broken.write_text(text.replace("379999200002290283", "123"), encoding="utf-8")
    before = [(count(x, Event), count(x, Region)) for x in reading(empty)]
    with monkeypatch.context() as patch:
        patch.setattr(demo, "DATA", broken)
        with pytest.raises(RuntimeError, match=r"王五.*identifier: identifier_length"):
            demo.load(empty)
    assert [(count(x, Event), count(x, Region)) for x in reading(empty)] == before
    assert not (empty.instance / ACCOUNTS_FILE).exists()
    assert demo.fill(empty, NOW)


def test_without_roles_it_says_what_to_do(tmp_path: Path) -> None:
    config = settings(tmp_path / "bare")
    migrate(config)
    with pytest.raises(RuntimeError, match=r"run\.py sync"):
        demo.load(config)
    assert [count(x, Region) for x in reading(config)] == [0]
