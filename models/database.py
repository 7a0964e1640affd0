"""Engines and sessions. Two views of one pool: reading, and writing (on SQLite: BEGIN IMMEDIATE)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, Table, create_engine, event, insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models.scope import Scope, ScopedSession

# A second writer on SQLite waits this long for the first one before it fails.
BUSY_MILLISECONDS = 15_000
# … and this long where what it has to write may as well be left undone.
HURRIED_MILLISECONDS = 100


class Database:
    """One database: ``with db.session(scope, write=True) as s: …`` commits at the end, rolls back on error."""

    def __init__(self, url: str | URL, **options: Any) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() == "postgresql" and self.url.get_driver_name() != "psycopg":
            self.url = self.url.set(drivername="postgresql+psycopg")
        # What stands in rows must not get into logs by way of an error: parameters hidden here, details below.
        options = {"hide_parameters": True, "pool_pre_ping": not self.is_sqlite, **options}
        self.engine: Engine = create_engine(self.url, **options)
        event.listen(self.engine, "handle_error", _without_details)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _on_connect)
            event.listen(self.engine, "begin", _on_begin)
        self.writing: Engine = self.engine.execution_options(sqlite_begin="IMMEDIATE")

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def open(self, scope: Scope, *, write: bool = False) -> ScopedSession:
        """A session that the caller closes; it never commits by itself."""
        bind = self.writing if write else self.engine
        return ScopedSession(bind, scope=scope, autoflush=False, expire_on_commit=False)

    @contextmanager
    def session(self, scope: Scope, *, write: bool = False) -> Iterator[ScopedSession]:
        session = self.open(scope, write=write)
        try:
            yield session
            if write:
                session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()

    @contextmanager
    def hurried(self, scope: Scope) -> Iterator[ScopedSession]:
        """A writing session for what may be left undone: where somebody else is writing, SQLite raises (``is_busy``)
        after a moment instead of waiting."""
        with self.writing.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            if self.is_sqlite:
                driver.execute(f"PRAGMA busy_timeout={HURRIED_MILLISECONDS}")
            try:
                with ScopedSession(connection, scope=scope, autoflush=False, expire_on_commit=False) as session:
                    yield session
                    session.commit()
            finally:
                if self.is_sqlite:
                    driver.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")

    def dispose(self) -> None:
        self.engine.dispose()


def next_ids(session: Session, table: Table, count: int) -> list[int]:
    """Ids for *count* rows that are to be inserted into *table* in this transaction.

    With ids that are known beforehand rows go to the driver all at once; else SQLite would be asked for each of them.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        # Whoever writes here is alone, and inserted ids move the sequence along.
        told = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
        first = int(told or 0) + 1
        return [*range(first, first + count)]
    sequence = "SELECT nextval(pg_get_serial_sequence(%(table)s, 'id')) FROM generate_series(1, %(count)s)"
    return [*connection.exec_driver_sql(sequence, {"table": f'"{table.name}"', "count": count}).scalars()]


def insert_many(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert *rows*, each with its id, past the unit of work; for records that nobody holds as objects."""
    if rows:
        session.connection().execute(insert(table), rows)


def is_busy(error: OperationalError) -> bool:
    """Another writer held the database too long (SQLite), or the two got in each other's way (PostgreSQL)."""
    state = getattr(error.orig, "sqlstate", None)
    return "database is locked" in str(error.orig) or state in {"40001", "40P01"}


def _without_details(context: ExceptionContext) -> None:
    """PostgreSQL's details repeat the whole row ("Failing row contains …"); which rule broke is said before them."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    first = getattr(getattr(error, "diag", None), "message_primary", None)
    if first is None:
        return
    whole, error.args = str(error), (first,)
    if wrapped is not None and wrapped.args:
        wrapped.args = (str(wrapped.args[0]).replace(whole, first), *wrapped.args[1:])


def _on_connect(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself, or BEGIN IMMEDIATE could never be sent.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A read that turns into a write fails at once in WAL when somebody else wrote meanwhile; writers say so first.
    mode = connection.get_execution_options().get("sqlite_begin", "")
    connection.exec_driver_sql(f"BEGIN {mode}".strip())
