"""A chunk of rows of a file → what the doors are to do with them, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import selectinload

from forms.cells import Called, listed, same, understood
from forms.convert import MOST_CHOSEN, BadValue, Spec, specs
from forms.masks import half_masked
from forms.outcomes import Outcome, OutcomeKind, masked_changes
from forms.references import References, called, label_name
from forms.tables import SURPLUS
from forms.taking_over import surplus
from models.change import propose
from models.columns import many
from models.declare import Admin
from models.event import plain
from models.many import FORBIDDEN, Change, save_many
from models.scope import Forbidden, ScopedSession
from models.write import parted
from rules.normalise import without_pinyin
from rules.words import N_, Problem, Problems, RuleError

# What is looked up once for each chunk is a good part of the work; cancelling waits for one.
SIZE = 1_000
Key = tuple[Any, ...]
Line = tuple[int, Mapping[str, str]]


@dataclass
class Draft:
    """One row on its way. said: field → cell. noticed: what was left out of the cells. key: the values of the natural
    key that the file gives."""

    line: int
    said: dict[str, str]
    problems: Problems = field(default_factory=Problems)
    noticed: list[Problem] = field(default_factory=list)
    read: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, Problem] = field(default_factory=dict)
    key: dict[str, Any] = field(default_factory=dict)
    row: Any = None
    change: Change | None = None
    kept: dict[str, Any] = field(default_factory=dict)


class Rows:
    """Reads and saves the rows of one file, chunk by chunk. size: how many lines make a chunk."""

    def __init__(
        self,
        session: ScopedSession,
        model: type[Any],
        header: Sequence[str],
        fields: Mapping[str, str],
        now: datetime,
        *,
        clears: bool = False,
        values: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.session, self.model, self.now, self.clears = session, model, now, clears
        self.admin: Admin = model.__admin__
        self.specs = specs(model)
        self.values = values or {}
        self.fields = {heading: name for heading, name in fields.items() if heading in header and name in self.specs}
        self.references = References(session)
        self.seen: dict[Key, int] = {}
        led = {n: self.specs[n] for n in self.fields.values() if self.specs[n].kind in ("reference", "many")}
        self.leading: dict[str, Spec] = {n: spec for n, spec in led.items() if spec.target is not None}
        # Rows that lead to rows of the same file are made one after the other.
        self.size = 1 if any(spec.target is model for spec in self.leading.values()) else SIZE

    def save(self, chunk: Sequence[Line]) -> list[Outcome]:
        """What became of these rows, in the caller's transaction."""
        drafts = [self._draft(line, cells) for line, cells in chunk]
        for name, spec in self.leading.items():
            self.references.learn(spec.target, self._texts(drafts, name, spec))  # type: ignore[arg-type]
        for draft in drafts:
            self._read(draft)
        self._find(drafts)
        for draft in drafts:
            self._decide(draft)
        self._hold(drafts)
        self._send(drafts)
        self._propose(drafts)
        outcomes = [self._outcome(draft) for draft in drafts]
        self.references.let_go()
        return outcomes

    def _send(self, drafts: Iterable[Draft]) -> None:
        if waiting := [draft.change for draft in drafts if draft.change is not None]:
            save_many(self.session, self.model, waiting, now=self.now)

    def _propose(self, drafts: Iterable[Draft]) -> None:
        """Where nothing speaks against a change but that somebody must approve it, it is proposed, and the rest of
        the row saved."""
        for draft in drafts:
            if draft.change is not None and draft.change.controlled:
                self._offer(draft, draft.change)

    def _offer(self, draft: Draft, change: Change) -> None:
        """Both together or neither: what is to be approved, and the rest of the row."""
        held, rest = parted(change.found, change.values)
        draft.change = again = Change(rest, draft.row, getattr(draft.row, "version", None))
        try:
            with self.session.begin_nested():
                propose(self.session, draft.row, held, now=self.now)
                self._send([draft])
                if again.found.errors:
                    raise RuleError(again.found)
        except RuleError as error:
            again.found = error.problems
        except Forbidden:
            again.found = Problems([FORBIDDEN])
        else:
            draft.kept = held

    # --- reading -------------------------------------------------------------------------------------------------

    def _draft(self, line: int, cells: Mapping[str, str]) -> Draft:
        said, noticed = {}, []
        for heading, name in self.fields.items():
            text, readings = without_pinyin(cells.get(heading) or "")
            if readings:
                message = N_("Readings in brackets are left out: %(readings)s")
                noticed.append(Problem(name, "readings", message, {"readings": "".join(readings)[:60]}, warning=True))
            if name in self.values:
                text = self.values[name].get(text.strip(), text)
            if text.strip() or self.clears:
                said[name] = text
        draft = Draft(line, said, noticed=noticed)
        if SURPLUS in cells:
            draft.problems.append(surplus())
        return draft

    @staticmethod
    def _texts(drafts: Iterable[Draft], name: str, spec: Spec) -> Iterator[str]:
        for draft in drafts:
            if text := draft.said.get(name):
                yield from listed(text) if spec.kind == "many" else (text,)

    def _read(self, draft: Draft) -> None:
        for name, text in draft.said.items():
            spec = self.specs[name]
            try:
                draft.read[name] = self._value(spec, text)
            except BadValue as error:
                draft.unread[name] = error.problem

    def _value(self, spec: Spec, text: str) -> Any:
        if spec.kind == "reference" and spec.target is not None:
            return self.references.find(spec, text)
        if spec.kind == "many":
            found = [self.references.find(spec, part) for part in listed(text)]
            if len(found) > MOST_CHOSEN:
                raise spec.refuse("too_many", N_("At most %(most)d may be chosen here."), most=MOST_CHOSEN)
            return [one for one in dict.fromkeys(found) if one is not None]
        if spec.kind == "json":
            raise spec.refuse("read_only", N_("This field cannot be changed."))
        return understood(spec, text)

    # --- which row is meant --------------------------------------------------------------------------------------

    def _find(self, drafts: Iterable[Draft]) -> None:
        """The stored rows that the natural keys name: one statement for all rows that give the same parts of it."""
        groups: dict[tuple[str, ...], list[Draft]] = {}
        for draft in drafts:
            names = tuple(n for n in self.admin.natural_key if draft.read.get(n) is not None)
            lacking = [n for n in self.admin.natural_key if n in draft.unread]
            draft.problems.extend(draft.unread[n] for n in lacking)
            draft.key = {n: draft.read[n] for n in names}
            if names and not draft.problems:
                groups.setdefault(names, []).append(draft)
        for names, group in groups.items():
            self._find_by(names, group)

    def _find_by(self, names: tuple[str, ...], group: Sequence[Draft]) -> None:
        columns = [getattr(self.model, n) for n in names]
        keys = list({tuple(draft.key.values()) for draft in group})
        which = columns[0].in_([key[0] for key in keys]) if len(names) == 1 else tuple_(*columns).in_(keys)
        loaded = [selectinload(getattr(self.model, n)) for n in many(self.model)]
        statement = self.references.shown(self.model, select(self.model).where(which).options(*loaded))
        found: dict[Key, list[Any]] = {}
        for row in self.session.scalars(statement).unique():
            found.setdefault(tuple(getattr(row, n) for n in names), []).append(row)
        for draft in group:
            key = tuple(draft.key.values())
            candidates = found.get(key, [])
            if len(names) < len(self.admin.natural_key):
                candidates = [row for row in candidates if self._fits(draft, row)]
            if len(candidates) > 1:
                lacking = [n for n in self.admin.natural_key if n not in names]
                message = N_("Several rows fit; the column “%(column)s” would tell them apart.")
                params = {"column": self.specs[lacking[0]].label}
                draft.problems.append(Problem(lacking[0], "ambiguous", message, params))
                continue
            draft.row = candidates[0] if candidates else None
            fixed = tuple(sorted((n, v) for n, v in draft.read.items() if n not in names and self._settled(n)))
            told = (*names, *key, *(fixed if len(names) < len(self.admin.natural_key) else ()))
            if self.seen.setdefault(told, draft.line) != draft.line:
                message = N_("This row stands in the file already, in line %(line)d.")
                draft.problems.append(Problem(names[-1], "twice_in_file", message, {"line": self.seen[told]}))

    def _settled(self, name: str) -> bool:
        """Is it a reference that never changes once the row is made, and so tells rows apart?"""
        return self.specs[name].info.editable != "always" and self.specs[name].kind == "reference"

    def _fits(self, draft: Draft, row: Any) -> bool:
        return all(getattr(row, n) == v for n, v in draft.read.items() if self._settled(n))

    # --- what is to be done --------------------------------------------------------------------------------------

    def _decide(self, draft: Draft) -> None:
        """Of a stored row what differs is to be written; of a new one everything."""
        if draft.problems.errors:
            return
        draft.problems.extend(p for n, p in draft.unread.items() if draft.row is None and not self._asserted(n, None))
        values: dict[str, Any] = {}
        further: dict[str, str] = {}
        for name, text in draft.said.items():
            if self._asserted(name, draft.row):
                if draft.row is None or not self._says_same(draft, name, text):
                    further[name] = text
            elif draft.row is None:
                if name in draft.read:
                    values[name] = draft.read[name]
                    if (masked := self._masked(name, text)) is not None:
                        draft.problems.append(masked)
            elif not self._says_same(draft, name, text):
                if problem := draft.unread.get(name) or half_masked(self.specs[name], self._now(draft, name), text):
                    draft.problems.append(problem)
                else:
                    values[name] = draft.read[name]
        if draft.row is not None and not values and not further and not draft.problems:
            return
        values = {n: v for n, v in values.items() if not draft.problems.for_field(n)}
        draft.change = Change(
            values,
            draft.row,
            getattr(draft.row, "version", None),
            noticed=Problems(draft.problems),
            further=(lambda row, before: self._unlike(draft, further, row, before)) if further else None,
        )

    def _asserted(self, name: str, row: Any) -> bool:
        """A field that people do not fill in: the file may repeat what it holds, and nothing else."""
        editable = self.specs[name].info.editable
        return editable == "never" or (editable == "new" and row is not None)

    def _masked(self, name: str, text: str) -> Problem | None:
        if not self.specs[name].info.personal or "**" not in text:
            return None
        message = N_("Part of this is still hidden. Type the whole of it, or leave it as it stood.")
        return Problem(name, "half_masked", message)

    def _now(self, draft: Draft, name: str) -> Any:
        return getattr(draft.row, name)

    def _says_same(self, draft: Draft, name: str, text: str) -> bool:
        """Does the cell say what the row holds, be it masked, shortened, translated or by a name that others share?"""
        return self._alike(name, getattr(draft.row, name), draft.read.get(name), text, read=name in draft.read)

    def _alike(self, name: str, value: Any, given: Any, text: str, *, read: bool) -> bool:
        spec = self.specs[name]
        stored = sorted(one.id for one in value) if spec.kind == "many" else value
        if read and (sorted(given) if spec.kind == "many" else given) == stored:
            return True
        if spec.kind in ("reference", "many") and spec.target is not None:
            self.references.name(spec.target, stored if isinstance(stored, list) else [stored])
            # A name that others share means the row that stands there already.
            return not read and same(self.model, spec, stored, text, self._called())
        return same(self.model, spec, stored, text, {})

    def _called(self) -> Called:
        return self.references.called

    def _unlike(self, draft: Draft, said: Mapping[str, str], row: Any, before: Mapping[str, Any]) -> Iterator[Problem]:
        """What the file says of fields that rules fill in, and did not hold before, must be what they hold now."""
        for name, text in said.items():
            read = name in draft.read
            if not self._alike(name, getattr(row, name), draft.read.get(name), text, read=read):
                yield Problem(name, "read_only", N_("This field cannot be changed."))

    def _hold(self, drafts: Iterable[Draft]) -> None:
        """Load what the new values lead to: the rules look at each of these rows."""
        changes = [draft.change for draft in drafts if draft.change is not None]
        for name, spec in self.leading.items():
            ids = [v for c in changes if isinstance(v := c.values.get(name), int)]
            if spec.target is not None and ids:
                self.references.hold(spec.target, ids)

    # --- what came of it -----------------------------------------------------------------------------------------

    def _outcome(self, draft: Draft) -> Outcome:
        change = draft.change
        outcome = Outcome(draft.line, OutcomeKind.Unchanged, self._key_text(draft), self._name(draft))
        problems = draft.problems if change is None else change.found
        outcome.problems[:] = [*draft.noticed, *problems]
        if problems.errors:
            outcome.kind = OutcomeKind.Refused
            return outcome
        row = change.row if change is not None else draft.row
        if row is not None and change is not None and (change.new or change.changes):
            outcome.kind = OutcomeKind.New if change.new else OutcomeKind.Changed
            outcome.pk, outcome.version = row.id, getattr(row, "version", None)
            if not change.new:
                outcome.changes = masked_changes(self.model, change.changes)
                outcome.before = {n: plain(pair[0]) for n, pair in change.changes.items()}
        if draft.kept:
            outcome.kind = OutcomeKind.Proposed
            told = {n: (self._plain(draft, n), plain(v)) for n, v in draft.kept.items()}
            outcome.changes = {**outcome.changes, **masked_changes(self.model, told)}
        return outcome

    def _plain(self, draft: Draft, name: str) -> Any:
        value = getattr(draft.row, name)
        return sorted(one.id for one in value) if self.specs[name].kind == "many" else plain(value)

    def _key_text(self, draft: Draft) -> str:
        texts = (draft.said.get(n, "").strip() for n in self.admin.natural_key)
        return " / ".join(text for text in texts if text)[:120]

    def _name(self, draft: Draft) -> str:
        label = label_name(self.model)
        if label in draft.said:
            return draft.said[label].strip()[:300]
        stored = draft.row is not None and inspect(draft.row).persistent and not inspect(draft.row).expired
        return called(draft.row)[:300] if stored else ""
