"""The demonstration jurisdiction, from ``demo.toml`` into a database that has roles but nobody in it yet.

Everything passes through the doors that people use (``write.save``, ``workflow.move``), in one transaction:
either the whole demonstration stands, or nothing of it. A case belongs to whoever takes it in, and a scope
holds for the whole life of its session, so each person acts in a session of their own; all of them share the
one connection, and only its transaction commits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Enum, func, inspect, select

from config import Config, write_private
from models import registries
from models.account import Account, new_password, set_password
from models.case import Case
from models.database import Database
from models.item import Item
from models.profile import lookup
from models.scope import ScopedSession, everything
from models.work_day import load_calendar
from models.workflow import move
from models.write import save
from rules.calendar import Calendar
from rules.deadlines import SHANGHAI, local_day
from rules.words import Problems

ACCOUNTS_FILE = "demo-accounts.txt"

DATA = Path(__file__).with_suffix(".toml")

# Registry → the column by which other rows of the data name its rows, in the order in which they are written.
KEYS = {
    "regions": "code",
    "departments": "short",
    "profiles": "region_id",
    "legal-bases": "name",
    "catalogue": "name",
    "items": "local_code",
    "accounts": "username",
}


def load(config: Config) -> None:
    """Load the demonstration; refuses with a sentence where there are accounts already."""
    if fill(config, datetime.now(UTC)):
        print(f"Demonstration loaded; its accounts are in {config.instance / ACCOUNTS_FILE}", flush=True)
    else:
        print("There are accounts in this database already: the demonstration is not loaded.", flush=True)


def fill(config: Config, now: datetime) -> bool:
    """What :func:`load` does, as of *now*; False when there are accounts and so nothing was done."""
    registries()
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    database = Database(config.database)
    try:
        with database.writing.begin() as connection, acting(connection) as s:
            if s.scalar(select(func.count()).select_from(Account)):
                return False
            demo = Demonstration(connection, s, now)
            for registry in KEYS:
                for given in data[registry]:
                    demo.write(registry, given)
            demo.receive(data["cases"])
            # Before the commit: where the file cannot be written, no account is left that nobody can use.
            write_accounts(config, demo.accounts)
        return True
    finally:
        database.dispose()


@contextmanager
def acting(connection: Connection, actor: int | None = None) -> Iterator[ScopedSession]:
    """A session in which *actor* does things; its commit leaves the transaction of *connection* open."""
    scope = everything("demo", actor)
    with ScopedSession(
        connection,
        scope=scope,
        autoflush=False,
        expire_on_commit=False,
        join_transaction_mode="rollback_only",
    ) as session:
        yield session
        session.commit()


@dataclass
class Demonstration:
    """One loading: rows written so far by registry and key, and who may sign in with which password."""

    connection: Connection
    session: ScopedSession
    now: datetime
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    accounts: list[tuple[str, str, str]] = field(default_factory=list)

    def write(self, registry: str, given: Mapping[str, Any]) -> None:
        """Write one row of the data and make the moves it asks for."""
        told = dict(given)
        moves = told.pop("moves", ())
        row = registries()[registry]()
        values = self._person(row, told) if registry == "accounts" else self.typed(registry, told)
        if registry == "items" and "catalogue_item" in told:
            values["national_code"] = self._implementation_code(told)
        demand(save(self.session, row, values, now=self.now), registry, given)
        for name in moves:
            demand(move(self.session, row, name, now=self.now), registry, given)
        self.kept[registry, str(getattr(row, KEYS[registry]))] = row

    def typed(self, registry: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Columns and their values: another row's key becomes its id, a word of a list its member."""
        mapper = inspect(registries()[registry])
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name in mapper.relationships:
                target = mapper.relationships[name].mapper.class_.__admin__.name
                values[f"{name}_id"] = self.kept[target, value].id
            else:
                kind = mapper.columns[name].type
                values[name] = kind.enum_class(value) if isinstance(kind, Enum) and kind.enum_class else value
        return values

    def _implementation_code(self, given: Mapping[str, Any]) -> str:
        """18 characters for the department, one for the level, 12 for the catalogue item (GB/T 39554.1)."""
        seat = self.kept["departments", given["department"]]
        claimed = self.kept["catalogue", given["catalogue_item"]]
        return f"{seat.credit_code}{given['level']}{claimed.basic_code}"

    def _person(self, account: Account, given: dict[str, Any]) -> dict[str, Any]:
        """An account with a generated password, which is kept for the file alone and need not be changed."""
        role, post = given.pop("role"), given.pop("post")
        # flask-appbuilder's role, reached through the relation: its models stay out of this room.
        kind = inspect(Account).relationships["roles"].mapper.class_
        found = self.session.scalars(select(kind).where(kind.name == role)).one_or_none()
        if found is None:
            raise RuntimeError(f"there is no role {role!r} yet: run 'python run.py sync' first")
        password = new_password()
        set_password(account, password, change=False)
        seat = self.kept["departments", given["department"]].name if "department" in given else ""
        self.accounts.append((given["username"], password, f"{seat}{post} {given['last_name']}"))
        return {**self.typed("accounts", given), "roles": [found.id], "active": True}

    def receive(self, cases: list[dict[str, Any]]) -> None:
        """Take the cases in, the earliest first, so that their numbers follow the order of receipt."""
        calendar = load_calendar(self.session, local_day(self.now))
        timed = [(self._received_at(given, calendar), given) for given in cases]
        for received_at, given in sorted(timed, key=lambda pair: pair[0]):
            told = {k: v for k, v in given.items() if k not in ("by", "left", "at", "decision")}
            values = {**self.typed("cases", told), "received_at": received_at}
            case = Case()
            with acting(self.connection, self._id(given["by"])) as clerk:
                demand(save(clerk, case, values, now=self.now), "cases", given)
            if "decision" in given:
                self._decide(case.id, given)

    def _decide(self, case_id: int, given: Mapping[str, Any]) -> None:
        answers = dict(given["decision"])
        action, by = answers.pop("move"), answers.pop("by")
        with acting(self.connection, self._id(by)) as approver:
            case = approver.get_one(Case, case_id)
            demand(move(approver, case, action, now=self.now, given=answers), "cases", given)

    def _received_at(self, given: Mapping[str, Any], calendar: Calendar) -> datetime:
        """The moment of receipt that leaves ``left`` working days from now to the limit.

        On a day of rest it is reckoned from the next working day. Somebody who would come only later today
        came on the working day before.
        """
        item: Item = self.kept["items", given["item"]]
        days, _where = lookup(self.session, item.region, "notice_days")
        first = calendar.next_workday(local_day(self.now) - timedelta(days=1))
        day = calendar.add_workdays(first, given["left"] - days)
        moment = datetime.combine(day, given["at"], SHANGHAI)
        if moment <= self.now:
            return moment
        return datetime.combine(calendar.previous_workday(day), given["at"], SHANGHAI)

    def _id(self, username: str) -> int:
        found: int = self.kept["accounts", username].id
        return found


def demand(problems: Problems, registry: str, given: Mapping[str, Any]) -> None:
    """Raise, naming the row, when anything but a warning was found: our own data must pass every rule."""
    if problems.errors:
        found = "; ".join(f"{p.field or '-'}: {p.code}" for p in problems.errors)
        raise RuntimeError(f"demonstration, {registry} {dict(given)}: {found}")


def write_accounts(config: Config, accounts: list[tuple[str, str, str]]) -> None:
    """The demonstration accounts (user name, password, who it is), readable by their owner alone."""
    width = max(len(username) for username, _, _ in accounts)
    lines = [f"{username:<{width}}  {password}  {who}" for username, password, who in accounts]
    write_private(config.instance / ACCOUNTS_FILE, "\n".join(lines) + "\n")
