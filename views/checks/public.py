"""Does what is open to everybody show what it may, and nothing besides?"""

from __future__ import annotations

from collections.abc import Iterator

from views.blocks import flat
from views.checks.base import Declared, Mistake, repeated


def named(d: Declared) -> Iterator[Mistake]:
    """Fields that the model does not have, and those by which closed ones could be found out."""
    if d.admin.public is None:
        return
    admin = d.admin.outside
    shown = {*admin.field_names}
    own = {"search": d.admin.search_columns, "filters": d.admin.filter_names}
    for name in dict.fromkeys(admin.field_names):
        if name not in d.specs:
            yield d.wrong("D002", "public.groups", f"{name!r} is named, which the model does not declare")
        elif d.specs[name].info.personal:
            yield d.wrong("D090", "public.groups", f"{name!r} is personal, and everybody would read it")
    for attribute, names in (
        ("cells", flat(admin.list_cells)),
        ("search", admin.search_columns),
        ("filters", admin.filter_names),
        ("order", [admin.order.removeprefix("-")]),
    ):
        for name in dict.fromkeys(names):
            if name not in shown and name != "id":
                yield d.wrong("D091", f"public.{attribute}", f"{name!r} is named, which no open page shows")
            elif name not in own.get(attribute, shown | {"id"}):
                yield d.wrong(
                    "D093", f"public.{attribute}", f"{name!r} is named, but not in the {attribute} of the registry"
                )
    if d.kind(admin.order.removeprefix("-")) in ("json", "many", "long"):
        yield d.wrong("D024", "public.order", f"{admin.order!r} is named, in whose order rows cannot be put")
    for attribute, several in (("groups", admin.field_names), ("cells", flat(admin.list_cells))):
        for name in repeated(several):
            yield d.wrong("D009", f"public.{attribute}", f"{name!r} stands there twice")


def kept_back(d: Declared) -> Iterator[Mistake]:
    if d.admin.public is not None and not d.admin.departments:
        sentence = "its rows belong to no department, so that every session reads all of them, those of open pages too"
        yield d.wrong("D092", "public", sentence)


CHECKS = (named, kept_back)
