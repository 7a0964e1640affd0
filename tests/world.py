"""One small world for the tests of data: a city with two districts, people of every role, items, two cases.

Words that name what belongs to whom are unmistakable (鲤 is the health bureau's, 鹤 the market bureau's, 鹭 the other
district's), so that a test can look for a leak in any page.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import Role as FabRole
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from models import registries
from models.access import person_scope, sync
from models.account import Account
from models.case import ApplicantKind, Case, Channel
from models.catalogue_item import CatalogueItem, CatalogueState, ExerciseLevel, ItemType
from models.database import Database
from models.declare import Role
from models.department import Department, DepartmentKind
from models.item import Item
from models.legal_basis import LegalBasis
from models.profile import Profile
from models.region import Region, RegionLevel
from models.scope import Scope, ScopedSession, everything
from models.work_day import seed_calendar
from models.workflow import move
from models.write import save

NOW = datetime(2026, 6, 17, 2, 0, tzinfo=UTC)  # a Wednesday, ten in the morning in China
PASSWORD = "correct-horse-battery"
RESIDENT = "11010519491231002X"
COMPANY = "91110105MA0000007L"

# user name → (full name, department, role)
PEOPLE = {
    "admin": ("管理员", None, Role.Administrator),
    "manager": ("刘管", "东城区行政审批服务局", Role.Management),
    "clerk": ("王鲤", "东城区卫生健康局", Role.Clerk),
    "colleague": ("李鲤", "东城区卫生健康局", Role.Clerk),
    "approver": ("张鲤", "东城区卫生健康局", Role.Approver),
    "outsider": ("赵鹤", "东城区市场监督管理局", Role.Clerk),
    "stranger": ("孙鹭", "西城区卫生健康局", Role.Clerk),
    "auditor": ("周审", None, Role.Auditor),
    "reformer": ("钱革", "东城区行政审批服务局", Role.ReformLead),
}


def put(s: ScopedSession, row: Any, **values: Any) -> Any:
    problems = save(s, row, values, now=NOW)
    assert not problems.errors, (row, problems)
    return row


def build(database: Database) -> None:
    """Write the world into an empty, migrated database."""
    registries()
    with database.session(everything("world"), write=True) as s:
        sync(s, NOW)
        seed_calendar(s, NOW)
        region, department = _places(s)
        people = _people(s, department)
        items = _items(s, department)
        put(s, Profile(), region_id=region["泉城市"].id, notice_days=5, warn_days=1, source="测试")
    for username, item, applicant in (
        ("clerk", items["公共场所卫生许可鲤"], "申请人红鲤"),
        ("outsider", items["食品经营许可鹤"], "申请人白鹤"),
        ("stranger", items["公共场所卫生许可鹭"], "申请人苍鹭"),
    ):
        with database.session(everything("world", people[username]), write=True) as s:
            receive(s, item, applicant=applicant)


def receive(s: ScopedSession, item_id: int, *, now: datetime = NOW, **values: Any) -> Case:
    given = {
        "item_id": item_id,
        "applicant_kind": ApplicantKind.Person,
        "applicant": "申请人",
        "identifier": RESIDENT,
        "channel": Channel.Window,
        "received_at": now - timedelta(hours=1),
    }
    case = Case()
    problems = save(s, case, {**given, **values}, now=now)
    assert not problems.errors, problems
    return case


def _places(s: ScopedSession) -> tuple[dict[str, Region], dict[str, Department]]:
    region: dict[str, Region] = {}
    for code, name, level, above in (
        ("99", "示例省", RegionLevel.Province, None),
        ("9901", "泉城市", RegionLevel.City, "示例省"),
        ("990101", "东城区", RegionLevel.County, "泉城市"),
        ("990102", "西城区", RegionLevel.County, "泉城市"),
    ):
        parent_id = region[above].id if above else None
        region[name] = put(s, Region(), code=code, name=name, level=level, parent_id=parent_id)
    department: dict[str, Department] = {}
    for name, short, kind, place, above in (
        ("泉城市人民政府", "泉政", DepartmentKind.Government, "泉城市", None),
        ("东城区人民政府", "东政", DepartmentKind.Government, "东城区", "泉城市人民政府"),
        ("东城区行政审批服务局", "东审批", DepartmentKind.Management, "东城区", "东城区人民政府"),
        ("东城区卫生健康局", "东卫健", DepartmentKind.Functional, "东城区", "东城区人民政府"),
        ("东城区市场监督管理局", "东市监", DepartmentKind.Functional, "东城区", "东城区人民政府"),
        ("西城区人民政府", "西政", DepartmentKind.Government, "西城区", "泉城市人民政府"),
        ("西城区卫生健康局", "西卫健", DepartmentKind.Functional, "西城区", "西城区人民政府"),
    ):
        parent = department[above].id if above else None
        department[name] = put(
            s, Department(), name=name, short=short, kind=kind, region_id=region[place].id, parent_id=parent
        )
    return region, department


# Signing in reads from a hash how dear it is. What a guess costs is tried by tests/views/test_signin.py; thousands of
# sign-ins of tests need not pay it.
CHEAP = generate_password_hash(PASSWORD, method="scrypt:1024:8:1")


def _people(s: ScopedSession, department: dict[str, Department]) -> dict[str, int]:
    roles = {r.name: r for r in s.scalars(select(FabRole))}
    found = {}
    for username, (name, seat, role) in PEOPLE.items():
        account = Account()
        account.password, account.must_change_password = CHEAP, False
        put(
            s,
            account,
            username=username,
            last_name=name,
            email=f"{username}@example.invalid",
            active=True,
            department_id=department[seat].id if seat else None,
            roles=[roles[role.value].id],
        )
        found[username] = account.id
    return found


def _items(s: ScopedSession, department: dict[str, Department]) -> dict[str, int]:
    basis = put(s, LegalBasis(), title="《公共场所卫生管理条例》", article="第四条")
    found = {}
    for number, (name, seat) in enumerate(
        (
            ("公共场所卫生许可鲤", "东城区卫生健康局"),
            ("护士执业注册鲤", "东城区卫生健康局"),
            ("食品经营许可鹤", "东城区市场监督管理局"),
            ("公共场所卫生许可鹭", "西城区卫生健康局"),
        ),
        start=1,
    ):
        code = f"000123{number:03d}000"
        shared = {"name": name, "item_type": ItemType.Licence, "basic_code": code, "level": ExerciseLevel.County}
        held = {"legal_basis_id": basis.id, "department_id": department["东城区人民政府"].id}
        claimed = put(s, CatalogueItem(), **held, state=CatalogueState.InForce, **shared)
        item = put(
            s,
            Item(),
            department_id=department[seat].id,
            catalogue_item_id=claimed.id,
            legal_basis_id=basis.id,
            local_code=f"LOCAL-{number}",
            statutory_days=20,
            promise_days=5 + number,
            **shared,
        )
        assert not move(s, item, "publish", now=NOW).errors
        found[name] = item.id
    return found


class World:
    """What tests ask of the world, by name."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def scope(self, username: str, now: datetime = NOW) -> Scope:
        """The scope that this person's request would have."""
        with self.database.session(everything("test")) as s:
            return person_scope(s, s.scalars(select(Account.id).where(Account.username == username)).one(), now)

    def id(self, model: type[Any], **values: Any) -> int:
        with self.database.session(everything("test")) as s:
            return int(s.scalars(select(model.id).filter_by(**values)).one())

    def item(self, name: str) -> int:
        return self.id(Item, name=name)

    def case(self, applicant: str) -> int:
        return self.id(Case, applicant=applicant)

    def account(self, username: str) -> int:
        return self.id(Account, username=username)
