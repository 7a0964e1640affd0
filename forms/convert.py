"""Between text and column types, once, for pages, REST and spreadsheets.

A :class:`Spec` is what a column's declaration says, seen from the outside. ``parse`` takes text from a form or a
cell, ``from_json`` what REST got; both give a typed value or raise :class:`BadValue` with a Problem. Whether a
value is *right* is no business of this file: the rules run in the doors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Boolean, Date, DateTime, Integer, String, inspect
from sqlalchemy import Enum as SaEnum

from models.base import Info, Moment, per_model
from models.columns import columns, many, target_of
from rules.deadlines import SHANGHAI
from rules.normalise import clean
from rules.words import N_, LabelEnum, Problem

LARGEST = 2**31 - 1
LARGEST_ID = 2**63 - 1
MOST_CHOSEN = 500
# PostgreSQL stores no NUL, and half of a pair is no text; both come in through JSON and percent signs.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
FIRST_YEAR, LAST_YEAR = 1900, 2999
TRUE = frozenset({"1", "true", "yes", "on", "y", "是"})
FALSE = frozenset({"0", "false", "no", "off", "n", "否"})


class BadValue(ValueError):
    """The text cannot be this type; says so with a Problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.code)


class UnknownType(TypeError):
    """A column of a type that no field exists for: a mistake in a declaration, told at start."""


@dataclass(frozen=True)
class Spec:
    """kind: text, words, long, integer, boolean, date, moment, choice, reference, many or json."""

    name: str
    kind: str
    info: Info
    required: bool
    longest: int | None = None
    choices: type[LabelEnum] | None = None
    target: type[Any] | None = None
    default: Any = None

    @property
    def label(self) -> str:
        return self.info.label

    def refuse(self, code: str, message: str, **params: Any) -> BadValue:
        return BadValue(Problem(self.name, code, message, params))


@per_model
def specs(model: type[Any]) -> Mapping[str, Spec]:
    """Name → Spec of every declared column and many-to-many relation of *model*; made once."""
    found: dict[str, Spec] = {}
    for name, (column, info) in columns(model).items():
        default = (
            getattr(column.default, "arg", None) if column.default is not None and column.default.is_scalar else None
        )
        required = not column.nullable and default is None and column.server_default is None
        found[name] = Spec(
            name,
            kind_of(model, name, column, info),
            info,
            required,
            longest=column.type.length if isinstance(column.type, String) else None,
            choices=cast("type[LabelEnum] | None", getattr(column.type, "enum_class", None)),
            target=target_of(model, name) if column.foreign_keys else None,
            default=default,
        )
    for name, relation in many(model).items():
        found[name] = Spec(name, "many", relation.info["field"], False, target=relation.mapper.class_)
    return found


def kind_of(model: type[Any], name: str, column: Any, info: Info) -> str:
    if column.foreign_keys:
        return "reference"
    for types, kind in (
        ((SaEnum,), "choice"),
        ((Moment, DateTime), "moment"),
        ((Date,), "date"),
        ((Boolean,), "boolean"),
        ((BigInteger, Integer), "integer"),
        ((JSON,), "json"),
    ):
        if isinstance(column.type, types):
            return kind
    if isinstance(column.type, String):
        if info.words is not None:
            return "words"
        return "long" if info.lines > 1 or not column.type.length else "text"
    raise UnknownType(f"{model.__name__}.{name}: no field for {column.type!r}")


def parse(spec: Spec, text: str) -> Any:
    """The value that *text* stands for; empty text is None (False for yes/no). Raises BadValue."""
    if UNSTORABLE.search(text):
        raise spec.refuse("characters", N_("This text holds a character that cannot be stored."))
    if spec.kind == "long":
        return text.strip().replace("\r\n", "\n") or None
    text = clean(text)
    if text == "":
        return False if spec.kind == "boolean" else None
    return _PARSERS[spec.kind](spec, text)


def _text(spec: Spec, text: str) -> str:
    return text


def _integer(spec: Spec, text: str) -> int:
    try:
        value = int(text.replace("_", "x"))  # 1_000 is a number to Python alone
    except ValueError:
        raise spec.refuse("not_a_number", N_("This is not a whole number.")) from None
    if not -LARGEST <= value <= LARGEST:
        raise spec.refuse("not_a_number", N_("This number is too large."))
    return value


def _boolean(spec: Spec, text: str) -> bool:
    folded = text.casefold()
    if folded not in TRUE | FALSE:
        raise spec.refuse("not_yes_no", N_("Answer yes or no."))
    return folded in TRUE


def _date(spec: Spec, text: str) -> date:
    for pattern in ("%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日", "%Y.%m.%d"):
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a legal day has no zone
        except ValueError:
            continue
    raise spec.refuse("not_a_date", N_("This is not a date; write it as 2026-03-02."))


def iso_day(text: str) -> date:
    """The day that an address says as 2026-03-02. Raises ValueError, also at the edges of the calendar, where a day
    leaves what a moment can be."""
    found = date.fromisoformat(text)
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(text)
    return found


def _moment(spec: Spec, text: str) -> datetime:
    """Local time of China, as a form's date-time input sends it."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise spec.refuse("not_a_moment", N_("This is not a time; write it as 2026-03-02 09:30.")) from None
    # Years at the edge of the calendar leave it in another zone, and PostgreSQL would hand them back as an error.
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise spec.refuse("not_a_moment", N_("This is not a time; write it as 2026-03-02 09:30."))
    return (value if value.tzinfo else value.replace(tzinfo=SHANGHAI)).astimezone(UTC)


def _choice(spec: Spec, text: str) -> LabelEnum:
    assert spec.choices is not None
    for member in spec.choices:
        if text in (member.value, member.name, member.label):
            return member
    raise spec.refuse("not_in_list", N_("“%(value)s” is not in the list."), value=text[:60])


def _reference(spec: Spec, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not 0 < int(text) <= largest_id(spec.target):
        raise spec.refuse("not_found", N_("Please choose one of the suggestions."))
    return int(text)


def largest_id(model: type[Any] | None) -> int:
    """The largest id that the table of *model* can hold: flask-appbuilder's are narrower than ours."""
    ours = model is None or isinstance(inspect(model).local_table.c.id.type, BigInteger)
    return LARGEST_ID if ours else LARGEST


_PARSERS = {
    "text": _text,
    "words": _text,
    "integer": _integer,
    "boolean": _boolean,
    "date": _date,
    "moment": _moment,
    "choice": _choice,
    "reference": _reference,
}


def parse_many(spec: Spec, texts: Iterable[str]) -> list[int]:
    found = list(dict.fromkeys(texts))
    if len(found) > MOST_CHOSEN:
        raise spec.refuse("too_many", N_("At most %(most)d may be chosen here."), most=MOST_CHOSEN)
    return [_reference(spec, text) for text in found]


def to_input(spec: Spec, value: Any) -> str:
    """The text an input holds for *value*."""
    if value is None:
        return ""
    if spec.kind == "moment":
        return str(value.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M"))
    if spec.kind == "choice":
        return str(value.value)
    if spec.kind == "boolean":
        return "1" if value else ""
    return str(value)


def from_json(spec: Spec, value: Any) -> Any:
    """The typed value of what REST got. Moments must carry a zone there. Raises BadValue."""
    if value is None:
        return [] if spec.kind == "many" else False if spec.kind == "boolean" and spec.required else None
    if spec.kind == "many":
        if not isinstance(value, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
            raise spec.refuse("type", N_("A list of ids is expected here."))
        return parse_many(spec, map(str, value))
    if spec.kind == "boolean" and isinstance(value, bool):
        return value
    if spec.kind in ("integer", "reference") and isinstance(value, int) and not isinstance(value, bool):
        return parse(spec, str(value)) if abs(value) <= LARGEST_ID else _integer(spec, "x")
    if not isinstance(value, str) or spec.kind in ("boolean", "integer", "reference", "json"):
        raise spec.refuse("type", N_("This value has the wrong type."))
    if spec.kind == "moment":
        try:
            if datetime.fromisoformat(value).tzinfo is None:
                raise spec.refuse("zone", N_("A time needs its zone, as in 2026-03-02T09:30:00+08:00."))
        except ValueError as error:
            if isinstance(error, BadValue):
                raise
    return parse(spec, value)


def stored(spec: Spec, value: Any) -> Any:
    """The value of a column from how an Event or a batch keeps it (``models.event.plain``); None for a member that its
    list no longer has."""
    if value is None:
        return None
    if spec.choices is not None:
        return next((m for m in spec.choices if m.value == value), None)
    if spec.kind == "moment":
        return datetime.fromisoformat(value)
    if spec.kind == "date":
        return date.fromisoformat(value)
    return value


def to_json(spec: Spec, value: Any) -> Any:
    if isinstance(value, LabelEnum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if spec.kind == "many":
        return sorted(o.id for o in value)
    return value


def json_schema(spec: Spec) -> dict[str, Any]:
    """The OpenAPI schema of one value."""
    kinds: dict[str, dict[str, Any]] = {
        "integer": {"type": "integer", "minimum": spec.info.minimum, "maximum": spec.info.maximum},
        "boolean": {"type": "boolean"},
        "date": {"type": "string", "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "reference": {"type": "integer", "format": "int64"},
        "many": {"type": "array", "items": {"type": "integer"}},
        "json": {},
    }
    schema = kinds.get(spec.kind, {"type": "string", "maxLength": spec.longest})
    if spec.choices is not None:
        schema = {"type": "string", "enum": [m.value for m in spec.choices]}
    schema = {k: v for k, v in schema.items() if v is not None}
    if not spec.required:
        schema["nullable"] = True
    return schema | {"description": spec.info.label}
