"""The rows that cells of a file mean: by label, code or natural key, within what the session may see.

Looked up for a whole chunk of rows at once: one statement for each column and way of naming, not one for each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, cast

from sqlalchemy import String, inspect, not_, select

from forms.cells import understood
from forms.convert import BadValue, Spec, specs
from models.columns import columns
from models.constraints import uniques
from models.declare import Admin
from models.scope import ScopedSession
from rules.normalise import clean
from rules.words import N_, Told
from translations.catalog import LOCALES
from translations.speech import say

# Between the parts of a natural key of several columns.
PARTS = " / "
# Rows whose label no column holds are all read to be found by it; of a larger registry the natural key is to be used.
MOST_LABELLED = 20_000
MOST_SUGGESTED = 3
# How many rows a drop-down list offers.
MOST_OFFERED = 500
# Texts asked for in one statement.
AT_ONCE = 500


def label_column(model: type[Any]) -> Any | None:
    """The column that holds what a row is called; None where a property says it."""
    name = label_name(model)
    return getattr(model, name) if name in inspect(model).column_attrs else None


def label_name(model: type[Any]) -> str:
    admin: Admin | None = getattr(model, "__admin__", None)
    return admin.label if admin is not None else "name"


def codes(model: type[Any]) -> tuple[str, ...]:
    """The columns of text by which a row may be named besides its label: what is unique, and what the search knows."""
    admin: Admin | None = getattr(model, "__admin__", None)
    known = columns(model)
    single = [next(iter(one.columns)).name for one in uniques(model) if len(one.columns) == 1]
    wanted = [*(admin.search_columns if admin is not None else ()), *single]
    label = label_name(model)
    return tuple(
        name
        for name in dict.fromkeys(wanted)
        if name in known and name != label and isinstance(known[name][0].type, String) and not known[name][1].personal
    )


def called(row: Any, locale: str = LOCALES[0]) -> str:
    """What *row* is called, in one line."""
    found = getattr(row, label_name(type(row)))
    return say(locale, found.message, found.params) if isinstance(found, Told) else str(found or row.id)


class References:
    """What texts of cells mean, learnt chunk by chunk. Of a text that fits several rows all are kept."""

    def __init__(self, session: ScopedSession) -> None:
        self.session = session
        self.ids: dict[tuple[type[Any], str], frozenset[int]] = {}
        self.called: dict[tuple[type[Any], int], str] = {}
        self._held: list[Any] = []
        self._whole: set[type[Any]] = set()
        self._apart: dict[type[Any], set[int]] = {}

    def learn(self, target: type[Any], texts: Iterable[str]) -> None:
        """Find out which rows of *target* the texts mean; what is known already is not asked again."""
        wanted = [t for t in dict.fromkeys(map(clean, texts)) if t and (target, t) not in self.ids]
        if not wanted or not self.visible(target):
            return
        found: dict[str, set[int]] = {text: set() for text in wanted}
        column = label_column(target)
        if column is None:
            self._learn_labels(target)
        for one in (*([column] if column is not None else []), *(getattr(target, name) for name in codes(target))):
            for start in range(0, len(wanted), AT_ONCE):
                part = wanted[start : start + AT_ONCE]
                for text, row_id in self.session.execute(
                    self.shown(target, select(one, target.id)).where(one.in_(part))
                ):
                    found[text].add(row_id)
        for text, ids in found.items():
            known = self.ids.get((target, text), frozenset())
            self.ids[target, text] = frozenset(ids) | known or self._by_key(target, text)

    def visible(self, target: type[Any]) -> bool:
        admin: Admin | None = getattr(target, "__admin__", None)
        return admin is None or self.session.scope.reading(admin.name) is not None

    @staticmethod
    def shown(target: type[Any], statement: Any) -> Any:
        admin: Admin | None = getattr(target, "__admin__", None)
        return statement if admin is None or admin.hides is None else statement.where(not_(admin.hides(target)))

    def _learn_labels(self, target: type[Any]) -> None:
        """Labels that no column holds: of all rows, once."""
        if target in self._whole:
            return
        self._whole.add(target)
        for row in self.session.scalars(self.shown(target, select(target)).limit(MOST_LABELLED)).unique():
            name = getattr(row, label_name(target))
            said = [str(name or "")]
            if isinstance(name, Told):
                said = [say(locale, name.message, name.params) for locale in LOCALES]
            for text in map(clean, said):
                self.ids[target, text] = self.ids.get((target, text), frozenset()) | {row.id}

    def _by_key(self, target: type[Any], text: str) -> frozenset[int]:
        """The row whose natural key *text* is: its columns in order, with a slash between them."""
        admin: Admin | None = getattr(target, "__admin__", None)
        key = admin.natural_key if admin is not None else ()
        parts = [clean(part) for part in text.split(PARTS.strip())]
        if len(key) < 2 or len(parts) != len(key):
            return frozenset()
        conditions = []
        for name, part in zip(key, parts, strict=True):
            spec = specs(target)[name]
            if spec.kind == "reference" and spec.target is not None and spec.target is not target:
                self.learn(spec.target, [part])
                conditions.append(getattr(target, name).in_(self.ids.get((spec.target, part), ())))
                continue
            try:
                conditions.append(getattr(target, name) == understood(spec, part))
            except BadValue:
                return frozenset()
        return frozenset(self.session.scalars(self.shown(target, select(target.id)).where(*conditions).limit(9)))

    def find(self, spec: Spec, text: str) -> int | None:
        """The id that the cell means, None for an empty one. Raises BadValue where it is none or several."""
        said, target = clean(text), cast("type[Any]", spec.target)
        if not said:
            return None
        found = self.ids.get((target, said), frozenset())
        if len(found) == 1:
            return next(iter(found))
        if not found:
            message = N_("There is no “%(value)s”, or you may not see it.")
            raise spec.refuse("not_found", message, value=said[:60])
        message = N_("“%(value)s” is the name of several; write one of these: %(choices)s")
        raise spec.refuse("ambiguous", message, value=said[:60], choices=self.suggestions(target, found))

    def suggestions(self, target: type[Any], ids: Collection[int]) -> str:
        rows = self.session.scalars(select(target).where(target.id.in_(sorted(ids)[:MOST_SUGGESTED])))
        more = " …" if len(ids) > MOST_SUGGESTED else ""
        return "; ".join(self.key_of(row) for row in rows) + more

    def key_of(self, row: Any) -> str:
        """What names *row* and no other."""
        admin: Admin | None = getattr(type(row), "__admin__", None)
        parts = []
        for name in admin.natural_key if admin is not None else ():
            spec, value = specs(type(row))[name], getattr(row, name)
            if spec.kind == "reference" and spec.target is not None:
                self.name(spec.target, [value])
                value = self.called.get((spec.target, value), value)
            parts.append(str(value))
        return (
            PARTS.join(parts)
            if parts
            else next((str(v) for n in codes(type(row)) if (v := getattr(row, n))), called(row))
        )

    def name(self, target: type[Any], ids: Iterable[int | None], locale: str = LOCALES[0]) -> None:
        """Learn what these rows are called."""
        wanted = sorted({i for i in ids if i is not None and (target, i) not in self.called})
        column = label_column(target)
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            if column is not None:
                found = self.session.execute(select(target.id, column).where(target.id.in_(part)))
                self.called.update({(target, row_id): str(said or row_id) for row_id, said in found})
            else:
                rows = self.session.scalars(select(target).where(target.id.in_(part)))
                self.called.update({(target, row.id): called(row, locale) for row in rows})

    def tell_apart(self, target: type[Any], ids: Iterable[int | None]) -> None:
        """Call these rows by their key where others are called alike."""
        wanted = {i for i in ids if i is not None and i not in self._apart.get(target, ())}
        self._apart.setdefault(target, set()).update(wanted)
        names = {i: self.called[target, i] for i in wanted if (target, i) in self.called}
        self.learn(target, names.values())
        doubled = [i for i, name in names.items() if len(self.ids.get((target, clean(name)), ())) > 1]
        for start in range(0, len(doubled), AT_ONCE):
            for row in self.session.scalars(select(target).where(target.id.in_(doubled[start : start + AT_ONCE]))):
                self.called[target, row.id] = self.key_of(row)

    def hold(self, target: type[Any], ids: Iterable[int]) -> None:
        """Load these rows and keep them until :meth:`let_go`, so that rules that look at them ask for none."""
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), AT_ONCE):
            self._held += self.session.scalars(select(target).where(target.id.in_(wanted[start : start + AT_ONCE])))

    def let_go(self) -> None:
        self._held.clear()

    def offered(self, target: type[Any], locale: str) -> list[str]:
        """What the first rows of *target* are called, for a list to choose from; names of several by their key."""
        if not self.visible(target):
            return []
        statement = self.shown(target, select(target)).order_by(target.id).limit(MOST_OFFERED)
        rows = [*self.session.scalars(statement).unique()]
        names = [called(row, locale) for row in rows]
        doubled = {name for name, count in Counter(names).items() if count > 1}
        return [self.key_of(row) if name in doubled else name for row, name in zip(rows, names, strict=True)]
