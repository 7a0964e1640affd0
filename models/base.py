"""What every table of ours starts from: one metadata with flask-appbuilder's, ids, stamps, a row version.

Our own DeclarativeBase stands on flask-appbuilder's metadata: Alembic sees one schema and foreign keys reach
the user table, while flask-appbuilder's ``Model`` (which silently merges two classes on one table) stays out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, ClassVar, TypeVar, cast

from flask_appbuilder.models.sqla import Model as FabModel
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    TypeDecorator,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, declared_attr, mapped_column

from rules.words import N_

metadata: MetaData = FabModel.metadata
# Before the first table exists, or constraints stay nameless and no migration can ever drop them.
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Identity = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware UTC instant. A naive one is refused: SQLite would drop the zone without a word."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True)
class Info:
    """What a declaration says about one column; see :func:`field`."""

    label: str
    help: str | None = None
    editable: str = "always"  # always | new | never
    personal: bool = False
    lines: int = 1
    minimum: int | None = None
    maximum: int | None = None
    due: tuple[str, ...] = ()
    message: bool = False
    begins: timedelta | None = None
    words: Callable[[], Iterable[tuple[str, str]]] | None = None


def field(
    label: str,
    type_: Any = None,
    *args: Any,
    help: str | None = None,  # noqa: A002 - the word that declarations use
    editable: str = "always",
    personal: bool = False,
    lines: int = 1,
    minimum: int | None = None,
    maximum: int | None = None,
    due: tuple[str, ...] = (),
    message: bool = False,
    begins: timedelta | None = None,
    words: Callable[[], Iterable[tuple[str, str]]] | None = None,
    **kw: Any,
) -> MappedColumn[Any]:
    """Declare a column together with what people see of it.

    label, help: message ids. editable: ``always``, ``new`` (only while the row is made) or ``never`` (set by
    rules alone). personal: shown masked until somebody whose verb is ``reveal`` asks for it. lines: height of the
    input. minimum, maximum: bounds of a number. due: the states in which this date is a running limit, shown as
    working days left. message: the text may be a message id, read in the reader's language. begins: how far from now
    a required instant lies in a new form. words: the text is some of these (value, label), with blanks between.
    Whether it is required
    follows from the annotation: ``Mapped[str]`` is, ``Mapped[str | None]`` is not.
    """
    info = Info(label, help, editable, personal, lines, minimum, maximum, due, message, begins, words)
    first = () if type_ is None else (type_,)
    return mapped_column(*first, *args, info={"field": info}, **kw)


def ref(target: str, label: str, **kw: Any) -> MappedColumn[Any]:
    """A foreign key with an index: ``ref("department.id", N_("Department"))``."""
    ondelete = kw.pop("ondelete", None)
    kw.setdefault("index", True)
    return field(label, None, ForeignKey(target, ondelete=ondelete), **kw)


class Base(DeclarativeBase):
    metadata = metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment(),
        int: Integer(),
        # The value is stored, never the Python name, and a CHECK holds it: renaming a member harms no row.
        enum.Enum: Enum(
            enum.Enum,
            native_enum=False,
            create_constraint=True,
            length=40,
            values_callable=lambda e: [m.value for m in e],
        ),
        # Nothing is NULL, not the JSON word null: constraints and filters ask for NULL.
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class Table(Base):
    """A table of ours with an id that is never given twice (AUTOINCREMENT: Events refer to ids for ever)."""

    __abstract__ = True
    __table_args__: Any = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Identity, primary_key=True, sort_order=-10)

    def __init_subclass__(cls, **kw: Any) -> None:
        own: Sequence[Any] = cls.__dict__.get("__table_args__", ())
        if own and not isinstance(own[-1], dict):
            cls.__table_args__ = (*own, {"sqlite_autoincrement": True})
        if "__tablename__" not in cls.__dict__ and not cls.__dict__.get("__abstract__"):
            name = cls.__name__
            cls.__tablename__ = name[0].lower() + "".join(f"_{c.lower()}" if c.isupper() else c for c in name[1:])
        super().__init_subclass__(**kw)


class Row(Table):
    """A row that people edit: who made and changed it and when, and the version a form must carry back."""

    __abstract__ = True

    created_at: Mapped[datetime] = field(N_("Created at"), Moment(), editable="never", sort_order=90)
    # No foreign keys here: users refer to departments, and departments would refer back to users.
    created_by_id: Mapped[int | None] = field(N_("Created by"), editable="never", sort_order=91)
    changed_at: Mapped[datetime] = field(N_("Changed at"), Moment(), editable="never", sort_order=92)
    changed_by_id: Mapped[int | None] = field(N_("Changed by"), editable="never", sort_order=93)
    version: Mapped[int] = field(N_("Version"), Integer, editable="never", nullable=False, sort_order=94)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy passes the class
        return {"version_id_col": cls.version}


def info_of(column: Any) -> Info | None:
    """The declaration of a column, or None for one that people never see."""
    found: Info | None = column.info.get("field")
    return found


T = TypeVar("T")


def per_model(find: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """What *find* tells of a model is found out once."""
    return cast("Callable[[type[Any]], T]", cache(find))


@per_model
def personal_fields(model: type[Any]) -> tuple[str, ...]:
    """The columns of *model* that are declared personal, in declared order."""
    told = [(prop.key, info_of(prop.columns[0])) for prop in inspect(model).column_attrs]
    return tuple(name for name, info in told if info is not None and info.personal)
