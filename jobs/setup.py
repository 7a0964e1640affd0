"""From an empty folder to a database that can be worked with: schema, roles, calendar, demonstration."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from babel.support import Translations
from sqlalchemy import func, select

from config import LOCALES, ROOT, Config
from jobs.demo import load
from models import registries
from models.access import sync
from models.account import Account, FabRole, new_password, set_password
from models.database import Database
from models.declare import Role
from models.role import SEPARATOR
from models.scope import everything
from models.work_day import seed_calendar
from models.write import save


def alembic(database: Database) -> AlembicConfig:
    found = AlembicConfig()
    found.set_main_option("script_location", str(ROOT / "migrations"))
    found.set_main_option("path_separator", "os")
    found.attributes["database"] = database
    return found


def revisions(database: Database) -> tuple[str | None, str | None]:
    """(the schema's revision, the newest one)."""
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(alembic(database)).get_current_head()


def has_schema(config: Config) -> bool:
    """Is the database there, and as new as this program?"""
    if not config.database_url and not (config.instance / "yizhan.db").exists():
        return False
    database = Database(config.database)
    current, newest = revisions(database)
    database.dispose()
    return current == newest


def migrate(config: Config) -> None:
    """Bring the database to the newest schema; nothing is opened for writing when it is there already."""
    config.instance.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database)
    current, newest = revisions(database)
    if current != newest:
        command.upgrade(alembic(database), "head")
    database.dispose()


def is_empty(database: Database) -> bool:
    with database.session(everything("set-up")) as s:
        return not s.scalar(select(func.count()).select_from(Account))


def create_admin(config: Config, username: str, name: str, email: str | None) -> int:
    """Make an administrator with a generated password, which must be replaced at the first sign-in."""
    registries()
    database = Database(config.database)
    with database.session(everything("create-admin"), write=True) as s:
        role = s.scalars(select(FabRole).where(FabRole.name == Role.Administrator.value)).one_or_none()
        if role is None:
            print("run.py: no roles yet; run 'python run.py sync' first", file=sys.stderr)
            return 1
        account = Account()
        password = new_password()
        set_password(account, password, change=True)
        values = {"username": username, "last_name": name, "email": email or f"{username}@localhost", "active": True}
        problems = save(s, account, {**values, "roles": [role.id]}, now=datetime.now(UTC))
        if problems.errors:
            print(f"run.py: {', '.join(f'{p.field}: {p.code}' for p in problems.errors)}", file=sys.stderr)
            return 1
    print(f"{username}  {password}")
    return 0


def prepare(config: Config) -> None:
    """Schema, roles, calendar; the demonstration where nothing is there yet."""
    migrate(config)
    registries()
    database = Database(config.database)
    write_declared(database)
    fresh = is_empty(database)
    database.dispose()
    if fresh and config.demo:
        load(config)


def write_declared(database: Database) -> dict[str, int]:
    """Roles and permissions as declared, and the published calendar; counts of what changed."""
    now = datetime.now(UTC)
    with database.session(everything("sync"), write=True) as s:
        return {**sync(s, now, role_words()), "days": seed_calendar(s, now)}


def role_words() -> dict[str, str]:
    """Role → what it is called in every language of the pages, for whoever searches for it."""
    told = [Translations.load(str(ROOT / "translations"), [locale]) for locale in LOCALES]
    return {role.value: SEPARATOR.join(dict.fromkeys(t.gettext(role.label) for t in told)) for role in Role}
