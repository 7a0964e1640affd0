"""Taking an existing catalogue over as found: departments and regions are made on the way, gaps are told.

A foreign list names departments by name and odd codes. A department is the one of that region and name; every
code it comes with is kept as an alias, so that the next list finds it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.department import Department, DepartmentKind
from models.item import Item, ItemState, Origin
from models.region import Region, RegionLevel
from models.scope import ScopedSession
from models.write import save
from rules.identifiers import REASONS, check_uscc
from rules.normalise import clean
from rules.words import N_, Problem, Problems, RuleError

LEVELS = {2: RegionLevel.Province, 4: RegionLevel.City, 6: RegionLevel.County, 9: RegionLevel.Township}
TAKEN = ("origin", "state", "source_link")


class Intake:
    """One import of items: remembers what it has seen, so that a row costs few statements.

    places: what a mapping may fill besides fields of the item; also: fields it sets that no form opens; free: those
    of them that a mapping may fill.
    """

    places = frozenset({"department", "department_code", "region_code", "region_name"})
    also = TAKEN
    free = frozenset({"source_link"})

    def __init__(self, session: ScopedSession, now: datetime, *, take_over: bool) -> None:
        self.session, self.now, self.take_over = session, now, take_over
        self.regions: dict[str, Region] = {r.code: r for r in session.scalars(select(Region))}
        found = session.scalars(select(Department)).all()
        self.departments: dict[tuple[int, str], Department] = {(d.region_id, d.name): d for d in found}
        self.governments = {d.region_id: d for d in found if d.kind is DepartmentKind.Government}
        self.made: list[tuple[dict[Any, Any], Any]] = []
        # Departments and regions made on the way, those of refused rows included, which went with their savepoint.
        self.rows: list[Any] = []
        # By what the file says, never by ids: a refused row gives back the ids of what was made for it.
        self.items: dict[tuple[str, str], int] = {}
        self.names: dict[tuple[str, str, str], int] = {}

    def place(self, raw: Mapping[str, str], values: dict[str, Any], line: int) -> tuple[Item, dict[str, Any], Problems]:
        """(the item meant, new or found; its values; what was noticed). Raises RuleError when it cannot be placed."""
        noticed = Problems()
        region = self.region(clean(raw.get("region_code", "")), clean(raw.get("region_name", "")), noticed)
        seat = self.department(region, clean(raw.get("department", "")), clean(raw.get("department_code", "")), noticed)
        code = values.get("local_code")
        if not code:
            raise RuleError.one("local_code", "required", N_("Please fill in this field."))
        if (region.code, code) in self.items:
            raise RuleError.one("local_code", "twice_in_file", N_("This code stands twice in the file."))
        known = select(Item).where(Item.region_id == region.id, Item.local_code == code)
        item = self.session.scalars(known).one_or_none()
        same_name = self.names.setdefault((region.code, seat.name, str(values.get("name"))), line)
        if same_name != line:
            message = N_("Line %(line)d has the same name in the same department.")
            noticed.append(Problem("name", "same_name", message, {"line": same_name}, warning=True))
        if item is None:
            item = Item()
            values["department_id"] = seat.id
            if self.take_over:
                values |= {"origin": Origin.TakenOver, "state": ItemState.InForce}
        elif item.department_id != seat.id:
            message = N_("This item belongs to “%(name)s” here; the department is not changed by an import.")
            theirs = {"name": item.department.name}
            noticed.append(Problem("department_id", "other_department", message, theirs, warning=True))
        self._keep(self.items, (region.code, code), line)
        return item, values, noticed

    def region(self, code: str, name: str, noticed: Problems) -> Region:
        if not code.isascii() or not code.isdigit():
            raise RuleError.one("region_code", "format", N_("A region code has 2, 4, 6, 9 or 12 digits."))
        short = shortened(code)
        found = self.regions.get(short) or self.regions.get(code)
        if found is not None:
            return found
        if not self.take_over or not self.session.scope.may("regions", "add"):
            raise RuleError.one("region_code", "no_region", N_("There is no region %(code)s."), code=short)
        above = [self.regions[short[:n]] for n in (9, 6, 4, 2) if n < len(short) and short[:n] in self.regions]
        values = {
            "code": short,
            "name": name or short,
            "level": LEVELS.get(len(short), RegionLevel.Village),
            "parent_id": above[0].id if above else None,
        }
        region = Region()
        self._make(region, values, "region_code")
        self._keep(self.regions, short, region)
        if not name:
            message = N_("Region %(code)s was not known; please give it its name.")
            noticed.append(Problem("region_code", "region_made", message, {"code": short}, warning=True))
        return region

    def department(self, region: Region, name: str, code: str, noticed: Problems) -> Department:
        if not name:
            raise RuleError.one("department", "required", N_("Please fill in this field."))
        found = self.departments.get((region.id, name))
        verdict = check_uscc(code, strict=False) if code else None
        credit_code = verdict.normalised if verdict is not None and verdict.valid else None
        if verdict is not None and not verdict.valid:
            reason = str(verdict.reason)
            noticed.append(Problem("department_code", f"code_{reason}", REASONS[reason], warning=True))
        if found is None:
            if not self.take_over:
                message = N_("There is no department “%(name)s” in this region.")
                raise RuleError.one("department", "no_department", message, name=name[:60])
            parent = self.governments.get(region.id)  # below which its departments stand
            found = Department()
            values = {
                "name": name,
                "kind": DepartmentKind.Functional,
                "region_id": region.id,
                "parent_id": parent.id if parent else None,
                "credit_code": credit_code,
                "aliases": [code] if code and not credit_code else None,
            }
            self._make(found, values, "department")
            self._keep(self.departments, (region.id, name), found)
            self.session.include(found.id, found.parent_id)
            message = N_("Department “%(name)s” was not known and is made.")
            noticed.append(Problem("department", "department_made", message, {"name": name}, warning=True))
        elif code and self.take_over and found.credit_code not in (code, credit_code or code):
            # A true credit code takes the empty place for one, whichever row brings it; all others are aliases.
            if credit_code and found.credit_code is None:
                self._change(found, {"credit_code": credit_code}, "department_code")
            elif code not in (found.aliases or ()):
                self._change(found, {"aliases": [*(found.aliases or ()), code]}, "department_code")
        return found

    def begin(self) -> None:
        """A new row, in a savepoint of its own."""
        self.made.clear()

    def forget(self) -> None:
        """The row was refused: what was made for it went with its savepoint, so the next row makes it again."""
        for known, key in self.made:
            del known[key]

    def _keep(self, known: dict[Any, Any], key: Any, row: Any) -> None:
        known[key] = row
        self.made.append((known, key))

    def _make(self, row: Any, values: dict[str, Any], blamed: str) -> None:
        problems = save(self.session, row, values, now=self.now, also=("aliases",))
        self.rows.append(row)
        if problems.errors:
            raise RuleError([Problem(blamed, p.code, p.message, p.params) for p in problems.errors])

    def _change(self, row: Department, values: dict[str, Any], blamed: str) -> None:
        problems = save(self.session, row, values, now=self.now, expected_version=row.version, also=("aliases",))
        if problems.errors:
            raise RuleError([Problem(blamed, p.code, p.message, p.params) for p in problems.errors])


def shortened(code: str) -> str:
    """A 12-digit statistical code without the zeros that only fill it up: 511602000000 → 511602."""
    if len(code) != 12:
        return code
    for length in (2, 4, 6, 9):
        if set(code[length:]) == {"0"}:
            return code[:length]
    return code
