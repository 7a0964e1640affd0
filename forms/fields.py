"""WTForms forms made from a model's declaration. They convert and keep what was typed; they judge nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wtforms import Field, Form

from forms.convert import BadValue, Spec, parse, parse_many, specs, to_input
from rules.words import Problem, Problems


class ConvertedField(Field):
    """One input over a Spec. ``raw`` is what was typed, shown again as it was when anything is refused."""

    def __init__(self, spec: Spec, **kw: Any) -> None:
        super().__init__(label=spec.label, description=spec.info.help or "", **kw)
        self.spec = spec
        self.raw: list[str] = []
        self.problem: Problem | None = None

    def process_data(self, value: Any) -> None:
        self.data = value
        if self.spec.kind == "many":
            self.raw = [str(o if isinstance(o, int) else o.id) for o in value or ()]
        elif self.spec.kind == "words":
            self.raw = str(value or "").split()
        else:
            self.raw = [to_input(self.spec, value)]

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.raw = [str(v) for v in valuelist]
        try:
            if self.spec.kind == "many":
                self.data = parse_many(self.spec, self.raw)
            elif self.spec.kind == "words":
                self.data = parse(self.spec, " ".join(self.raw))
            else:
                self.data = parse(self.spec, self.raw[-1] if self.raw else "")
        except BadValue as error:
            self.data, self.problem = None, error.problem

    @property
    def text(self) -> str:
        return self.raw[-1] if self.raw else ""


class RowForm(Form):
    """Base of all generated forms. stored: the fields that hold what is stored and not what somebody typed."""

    def __init__(self, formdata: Any = None, **kw: Any) -> None:
        super().__init__(formdata, **kw)
        self.stored: set[str] = set() if formdata is not None else {*self._fields}

    def values(self) -> dict[str, Any]:
        """Name → typed value of every field that could be converted."""
        return {name: field.data for name, field in self._fields.items() if field.problem is None}

    def conversion_problems(self) -> Problems:
        return Problems(f.problem for f in self._fields.values() if f.problem is not None)


def row_form(model: type[Any], names: Iterable[str]) -> type[RowForm]:
    """A form class with one field for each of *names*, in that order."""
    known = specs(model)
    return type(f"{model.__name__}Form", (RowForm,), {name: ConvertedField(known[name]) for name in names})


def editable(model: type[Any], names: Iterable[str], *, new: bool) -> list[str]:
    """Those of *names* that people may fill in."""
    allowed = ("always", "new") if new else ("always",)
    return [n for n in names if n in specs(model) and specs(model)[n].info.editable in allowed]


def defaults(model: type[Any], names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values a new form starts with: the columns' defaults, and what the address carried."""
    found: dict[str, Any] = {}
    for name in names:
        spec = specs(model)[name]
        if spec.default is not None:
            found[name] = spec.default
        if given.get(name) and spec.kind not in ("many", "json"):
            try:
                found[name] = parse(spec, str(given[name]))
            except BadValue:
                continue  # an address may be mistyped; the field then starts empty
    return found
