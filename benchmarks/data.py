"""The rows of the benchmark, written once into our tables and copied by SQL into those of the other sides.

Every side has the same columns, the same references and the same indexes over them (docs/benchmarks.md).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from benchmarks import stock
from models import registries
from models.access import sync
from models.account import Account, FabRole, set_password
from models.base import metadata
from models.catalogue_item import CatalogueItem, CatalogueState, ExerciseLevel, ItemType
from models.database import Database
from models.declare import Role
from models.department import Department, DepartmentKind
from models.item import Item, ItemState
from models.legal_basis import BasisState, LegalBasis
from models.region import Region, RegionLevel
from models.scope import everything
from models.work_day import seed_calendar
from models.write import save

ITEMS, REFERENCED = 100_000, 3_000
PASSWORD = "benchmark-password"
NOW = datetime(2026, 6, 17, 2, 0, tzinfo=UTC)
WORD = "事项0421"  # stands in a hundred of the names
SHOWN, SAVED = 5_002, 5_005  # two items in force

# What the tables of the other sides are called besides their prefix, and which of our columns they have.
COPIES = {
    "department": ("id", "name"),
    "legalbasis": ("id", "title", "article"),
    "catalogueitem": ("id", "name", "basic_code"),
    "item": (
        "id", "name", "department_id", "catalogue_item_id", "legal_basis_id", "item_type", "level", "basic_code",
        "national_code", "local_code", "statutory_days", "promise_days", "phone", "address", "state", "gap_count",
    ),
}  # fmt: skip
OURS = {"legalbasis": "legal_basis", "catalogueitem": "catalogue_item"}


def people(database: Database) -> int:
    """One administrator, the calendar and one region; returns the region's id."""
    registries()
    with database.session(everything("benchmark"), write=True) as s:
        sync(s, NOW)
        s.add_all(FabRole(name=role) for role in stock.ROLES)
        seed_calendar(s, NOW)
        region = Region()
        save(s, region, {"code": "99", "name": "示例省", "level": RegionLevel.Province}, now=NOW)
        role = s.scalars(select(FabRole.id).where(FabRole.name == Role.Administrator.value)).one()
        account = Account()
        set_password(account, PASSWORD, change=False)
        values = {"username": "bench", "last_name": "测", "email": "bench@example.invalid", "active": True}
        if problems := save(s, account, {**values, "roles": [role]}, now=NOW).errors:
            raise RuntimeError(f"{problems}")
        return region.id


def rows(place: int) -> dict[Any, list[dict[str, Any]]]:
    stamps = {"created_at": NOW, "changed_at": NOW, "version": 1}
    types, states, numbers = [*ItemType], [*ItemState], range(1, REFERENCED + 1)
    departments: list[dict[str, Any]] = [
        {"id": i, "name": f"示例市第{i}局", "region_id": place, "kind": DepartmentKind.Functional, "path": f"/{i}/"}
        for i in numbers
    ]
    bases: list[dict[str, Any]] = [
        {"id": i, "title": f"《示例市第{i}号办法》", "article": f"第{i % 90 + 1}条", "state": BasisState.InForce}
        for i in numbers
    ]
    catalogue: list[dict[str, Any]] = [
        {
            "id": i,
            "name": f"示例目录事项{i:04d}",
            "item_type": types[i % len(types)],
            "basic_code": code(i),
            "legal_basis_id": i,
            "level": ExerciseLevel.City,
            "state": CatalogueState.InForce,
        }
        for i in numbers
    ]
    items: list[dict[str, Any]] = []
    for i in range(1, ITEMS + 1):
        claimed = catalogue[i * 7 % REFERENCED]
        items.append(
            {
                "id": i,
                "name": f"示例事项{i * 7919 % ITEMS:06d}号许可（新办）",
                "department_id": i % REFERENCED + 1,
                "region_id": place,
                "catalogue_item_id": claimed["id"],
                "legal_basis_id": claimed["legal_basis_id"],
                "item_type": claimed["item_type"],
                "level": claimed["level"],
                "basic_code": claimed["basic_code"],
                "local_code": f"LOCAL-{i:06d}",
                "statutory_days": 20,
                "promise_days": i % 20,
                "phone": "0531-00000000",
                "address": "示例市政务路1号",
                "origin": "taken_over",
                "state": states[i % len(states)],
                "gaps": ["national_code"],
                "gap_count": 1,
            }
        )
    tables = {Department: departments, LegalBasis: bases, CatalogueItem: catalogue, Item: items}
    return {model: [row | stamps for row in found] for model, found in tables.items()}


def code(i: int) -> str:
    """A basic code that our rules accept: national, the type, then a number."""
    return f"00{[*ItemType][i % len(ItemType)].value}{i:08d}"


def fill(database: Database) -> None:
    """Past all rules, for speed; a save of each of these rows passes them."""
    made = rows(people(database))
    with database.writing.begin() as connection:
        metadata.create_all(connection, tables=[model.__table__ for model in stock.MODELS])
        for model, found in made.items():
            for start in range(0, len(found), 20_000):
                connection.execute(insert(model.__table__), found[start : start + 20_000])
        copy(connection, "stock_")


def copy(connection: Connection, prefix: str) -> None:
    for name, columns in COPIES.items():
        told = ", ".join(columns)
        source = OURS.get(name, name)
        connection.exec_driver_sql(f"INSERT INTO {prefix}{name} ({told}) SELECT {told} FROM {source}")
