"""The notices there are, found by looking: a folder with ``__init__.py`` and ``body.html`` is a notice. Nothing else
has to name it: a life cycle tells it by the folder's name, and rows of letters keep that name.

A folder's ``__init__.py`` says ``TITLE`` (message id, for menus), ``CODE`` (the characters that stand for
this kind in the document number, 受 or 不受) and ``context(data)``, which turns what the caller knows into
plain values for the template. It decides nothing about the page and reads nothing but *data*.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rules.words import N_, Problem

HERE = Path(__file__).resolve().parent


class NoticeError(Exception):
    """A letter that must not leave the house; ``problem`` says why, in the words every room speaks.

    problem.field names the piece of data to blame, where there is one.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None, **params: Any) -> None:
        self.problem = Problem(field, code, message, MappingProxyType(params))
        super().__init__(f"{code}: {message % params if params else message}")

    @property
    def code(self) -> str:
        return self.problem.code


class Skip(Exception):
    """Raised by a notice's ``context`` when this letter is not due; ``reason`` is kept with the case."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Given(Mapping[str, Any]):
    """What the caller handed in; a key that is not there is refused by name instead of printed as nothing."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        if key not in self._data:
            raise NoticeError("missing", N_("The letter needs “%(key)s”, which was not given"), field=key, key=key)
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


@dataclass(frozen=True)
class Kind:
    """One kind of letter. ``name`` is its folder's name and stays the same for good: rows refer to it."""

    name: str
    title: str
    code: str
    folder: Path
    context: Callable[[Mapping[str, Any]], dict[str, Any]]

    @property
    def body(self) -> str:
        """The source of this kind's template; it fills blocks of ``base.html`` and nothing else."""
        return (self.folder / "body.html").read_text(encoding="utf-8")

    def values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The values for the template. Raises NoticeError (a key is missing) or Skip (not due)."""
        return self.context(Given(data))


def _load(folder: Path) -> Kind:
    """Import one folder. Raises NoticeError naming what its ``__init__.py`` does not say."""
    module = importlib.import_module(f"{__package__}.{folder.name}")
    lacking = [name for name in ("TITLE", "CODE", "context") if not hasattr(module, name)]
    if lacking:
        raise NoticeError(
            "kind", N_("notices/%(name)s does not say %(lacking)s"), name=folder.name, lacking=", ".join(lacking)
        )
    return Kind(folder.name, module.TITLE, module.CODE, folder, module.context)


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of letter by name, in order of name. Raises NoticeError for two kinds with one CODE."""
    found: dict[str, Kind] = {}
    codes: dict[str, str] = {}
    for body in sorted(HERE.glob("*/body.html")):
        if not (body.parent / "__init__.py").is_file():
            continue
        kind = _load(body.parent)
        if kind.code in codes:  # two kinds would number their letters in one series
            raise NoticeError(
                "kind",
                N_("notices/%(name)s and notices/%(other)s share the code %(mark)s"),
                name=kind.name,
                other=codes[kind.code],
                mark=kind.code,
            )
        codes[kind.code] = kind.name
        found[kind.name] = kind
    return MappingProxyType(found)


def kind(name: str) -> Kind:
    """The kind called *name*. Raises NoticeError when there is none."""
    try:
        return kinds()[name]
    except KeyError:
        raise NoticeError("kind", N_("There is no notice called “%(name)s”"), name=name) from None
