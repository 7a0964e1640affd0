"""Proof that the proofs see: the product is broken on purpose, in one place each time, and must be found out.

Every proof finds nothing before the break and something while it lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, g, request
from sqlalchemy import event, func, select, true

from forms import cells
from models import draft, registries
from models.case import Case
from models.item import Item
from models.saved_view import SavedView
from models.scope import Scope, ScopedSession, _apply_scope, everything, outside
from tests import ledger
from tests.conftest import ENGINES, Templates
from tests.views import proofs
from tests.views.house import House, opened
from tests.views.proofs import Findings
from views import api, blocks, exporting, filters, history, listing, reading, registry, security, workbench, writing

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module", params=ENGINES)
def home(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path
) -> Iterator[tuple[House, Callable[[], None]]]:
    """A house, and what puts it back as it was furnished."""
    folder = tmp_path_factory.mktemp("broken")
    url = templates.copy(request.param, folder)
    with opened(url, folder, fonts) as found:
        leave(found)
        yield found, templates.keep(url)


@pytest.fixture
def house(home: tuple[House, Callable[[], None]]) -> House:
    return home[0]


def leave(house: House) -> None:
    house.app.appbuilder.session.remove()  # type: ignore[attr-defined]
    house.database.dispose()


@dataclass(frozen=True)
class Break:
    """apply: what goes wrong. proof: who is to notice."""

    name: str
    apply: Callable[[Patch, ExitStack], None]
    proof: Callable[[House], Findings]


# --- how things go wrong ---------------------------------------------------------------------------------------------


def past_the_scope(module: Any, *endpoints: str) -> Callable[[Patch, ExitStack], None]:
    """On these endpoints (none said: on all) *module* asks a session that sees everything."""

    def apply(patch: Patch, _: ExitStack) -> None:
        scoped = module.db

        def db() -> ScopedSession:
            if endpoints and request.endpoint not in endpoints:
                return scoped()
            if "lifted" not in g:
                # For the rest of the request, as the product's own would be: two that write would wait for each other.
                security.close_session()
                changing = request.method in security.MUTATING
                g.db = g.lifted = security.database().open(everything("a break"), write=changing)
            lifted: ScopedSession = g.lifted
            return lifted

        patch.setattr(module, "db", db)

    return apply


def at_the_end(patch: Patch, change: Callable[[Any], Any]) -> None:
    """Every answer passes Flask's own last step: what *change* does to it there comes after everything of ours."""
    done = Flask.process_response

    def process(self: Any, answer: Any) -> Any:
        answer = done(self, answer)
        change(answer)
        return answer

    patch.setattr(Flask, "process_response", process)


def replaced(owner: Any, name: str, value: Any) -> Callable[[Patch, ExitStack], None]:
    return lambda patch, _: patch.setattr(owner, name, value)


def no_listener(_: Patch, undo: ExitStack) -> None:
    event.remove(ScopedSession, "do_orm_execute", _apply_scope)
    undo.callback(event.listen, ScopedSession, "do_orm_execute", _apply_scope)


def seen_by_all(model: type[Any]) -> Callable[[Patch, ExitStack], None]:
    criteria = Scope.criteria
    return replaced(Scope, "criteria", lambda self, m, reach: true() if m is model else criteria(self, m, reach))


def open_to_everybody(patch: Patch, undo: ExitStack) -> None:
    """The one scope of open pages keeps nothing of the items back."""
    seen_by_all(Item)(patch, undo)
    outside.cache_clear()
    undo.callback(outside.cache_clear)


def whose_draft_ever(patch: Patch, undo: ExitStack) -> None:
    seen_by_all(draft.Draft)(patch, undo)
    patch.setattr(draft, "_own", lambda session, name: draft.Draft.subject_type == name)


def core_in_the_list(patch: Patch, _: ExitStack) -> None:
    """Bare tables through the connection: past the ORM, so past the scope."""

    def page_of_ids(s: ScopedSession, model: type[Any], asked: listing.Listing, conditions: Any) -> list[int]:
        table = model.__table__
        ids = [*s.connection().scalars(select(table.c.id).order_by(table.c.id.desc()).limit(asked.size))]
        asked.total = len(ids)
        return ids

    patch.setattr(listing, "page_of_ids", page_of_ids)


def core_in_the_count(patch: Patch, _: ExitStack) -> None:
    found = listing.page_of_ids

    def page_of_ids(s: ScopedSession, model: type[Any], asked: listing.Listing, conditions: Any) -> list[int]:
        ids = found(s, model, asked, conditions)
        asked.total = s.connection().scalar(select(func.count()).select_from(model.__table__)) or 0
        return ids

    patch.setattr(listing, "page_of_ids", page_of_ids)


def absent_or_foreign(act: Callable[[], Any]) -> Callable[[Patch, ExitStack], None]:
    """Where a row is not to be seen but exists, *act* comes before the answer."""

    def apply(patch: Patch, _: ExitStack) -> None:
        found = registry.Registry.row

        def row(self: Any, pk: int, fields: Any = ()) -> Any:
            with security.database().session(everything("a break")) as s:
                exists = s.get(self.model, pk) is not None
            if exists and security.db().get(self.model, pk) is None:
                act()
            return found(self, pk, fields)

        patch.setattr(registry.Registry, "row", row)

    return apply


def another_header(patch: Patch, undo: ExitStack) -> None:
    """A 404 that says in a header that there is something after all."""
    absent_or_foreign(lambda: g.setdefault("known", True))(patch, undo)
    at_the_end(patch, lambda answer: answer.headers.add("X-Row", "1") if "known" in g else None)


def one_blank_more(patch: Patch, undo: ExitStack) -> None:
    absent_or_foreign(lambda: g.setdefault("known", True))(patch, undo)
    at_the_end(patch, lambda answer: answer.set_data(answer.get_data() + b" ") if "known" in g else None)


def export_past_the_scope(patch: Patch, _: ExitStack) -> None:
    """The session of an export sees everything, and nothing else narrows it."""
    patch.setattr(exporting, "own_session", lambda: security.database().open(everything("a break")))
    patch.setattr(exporting, "as_far_as_granted", lambda model: true())


def any_item_will_do(patch: Patch, _: ExitStack) -> None:
    """A reference is looked up past the scope when a row is written."""
    get = ScopedSession.get

    def unscoped(self: Any, entity: Any, ident: Any, **kw: Any) -> Any:
        if entity is not Item or self.scope.everything:
            return get(self, entity, ident, **kw)
        with security.database().session(everything("a break")) as s:
            return s.get(entity, ident, **kw)

    patch.setattr(ScopedSession, "get", unscoped)


def named_by_anybody(self: Any, s: ScopedSession, text: str) -> str:
    with security.database().session(everything("a break")) as lifted:
        row = lifted.get(self.spec.target, int(text)) if self.spec.target is not None and text.isdigit() else None
        return str(getattr(row, "name", getattr(row, "username", text)))


# --- who notices -----------------------------------------------------------------------------------------------------


def on(*endpoints: str, person: str = "outsider") -> Callable[[House], Findings]:
    return lambda house: proofs.routes(house, person, endpoints=lambda endpoint: endpoint in endpoints)


def once(proof: Callable[..., Findings], person: str = "outsider", **options: Any) -> Callable[[House], Findings]:
    return lambda house: proof(house, person, **options)


def in_bulk(sure: dict[str, str]) -> Callable[[House], Findings]:
    return lambda house: proofs.bulk(house, "outsider", sure, ("cases",))[0]


def badge_of(house: House) -> Findings:
    found = proofs.badges(house.browsers["outsider"].text("/cases/"))
    return [] if found == {"messages": 1, "cases": 1} else [f"badges: {found}"]


def drafts_of(house: House) -> Findings:
    page = house.browsers["colleague"].text(f"/cases/{house.rows['cases'][0]}/edit")
    return ["a draft of somebody else's is offered"] if "/drafts/" in page.partition("<main")[2] else []


OPEN = {"public-items.list": [("GET", "/public/items/", None, {200}, {200})]}


def open_pages(house: House) -> Findings:
    return proofs.routes(house, "anonymous", OPEN, endpoints=lambda endpoint: endpoint in OPEN)


BREAKS = (
    Break("the listener of the scope is off", no_listener, on("cases.show", "cases.list", "letters_api.get")),
    Break("the scope has no criteria", replaced(Scope, "options", ()), once(proofs.counts)),
    Break("one registry is seen by all", seen_by_all(Case), on("cases.list", "cases.show", "cases_api.get_list")),
    Break("a bare table in a list", core_in_the_list, once(proofs.counts)),
    Break("a bare table in a count", core_in_the_count, once(proofs.counts)),
    Break("a list past the scope", past_the_scope(reading, "items.list"), on("items.list")),
    Break("a list of REST past the scope", past_the_scope(api, "items_api.get_list"), on("items_api.get_list")),
    Break("a page past the scope", past_the_scope(registry, "items.show"), on("items.show", person="stranger")),
    Break("a row of REST past the scope", past_the_scope(api, "cases_api.get"), on("cases_api.get")),
    Break("a picker past the scope", past_the_scope(reading, "cases.pick"), once(proofs.pickers, names=("cases",))),
    Break("a picker past the scope, by its route", past_the_scope(reading, "cases.pick"), on("cases.pick")),
    Break("a search past the scope", past_the_scope(workbench, "Find.page"), once(proofs.search)),
    Break("figures past the scope", past_the_scope(workbench, "Workbench.index"), once(proofs.counts)),
    Break("badges past the scope", past_the_scope(workbench, "cases.list"), badge_of),
    Break("a file past the scope", past_the_scope(reading, "letters.file"), once(proofs.files)),
    Break("related rows past the scope", past_the_scope(blocks, "departments.show"), once(proofs.related)),
    Break("a filter that names anybody", replaced(filters.Filter, "called", named_by_anybody), once(
        proofs.ids_in_filters, names=("cases",))),
    Break("no demand before an edit", replaced(registry.Registry, "row_for", lambda self, verb, pk, fields=(): self.row(
        pk, fields)), once(proofs.shared_views)),
    Break("covers says yes", replaced(Scope, "covers", lambda *_, **__: True), once(proofs.shared_views)),
    Break("the past of whatever is seen", replaced(history, "tells_past", lambda row: True), once(proofs.shared_views)),
    Break("events past the scope", seen_by_all(registries()["events"]), once(proofs.events)),
    Break("a copy past the scope", past_the_scope(registry, "cases.add"), on("cases.add")),
    Break("many rows past the scope", past_the_scope(writing, "cases.do_many"), in_bulk({})),
    Break("many rows past the scope, for good", past_the_scope(writing, "cases.do_many"), in_bulk({"sure": "1"})),
    Break("views of others", seen_by_all(SavedView), once(proofs.kept_to_oneself, "manager")),
    Break("drafts of others", whose_draft_ever, drafts_of),
    Break("a case of a foreign item", any_item_will_do, once(proofs.references)),
    Break("403 for foreign, 404 for absent", absent_or_foreign(lambda: abort(403)), on("cases.show")),
    Break("another header for foreign", another_header, on("cases.show")),
    Break("one blank more for foreign", one_blank_more, on("cases.show")),
    Break("a token is as wide as its owner", replaced(security, "scope_for", lambda token, owner: owner), on(
        "cases_api.put", "saved-views_api.put", "tokens_api.get_list", person="clerk")),
    Break("an export past the scope", export_past_the_scope, on("items.export", "cases.export")),
    Break("an export without masking", replaced(cells, "mask_identifier", str), once(
        proofs.exports_are_masked, "clerk")),
    Break("open pages show what is closed", open_to_everybody, open_pages),
    Break("whoever may list may do anything", replaced(Scope, "may", lambda *_: True), on(
        "cases.delete", "items.add", "accounts.add")),
)  # fmt: skip


@pytest.fixture
def stored(home: tuple[House, Callable[[], None]]) -> Iterator[None]:
    """What a break let through is taken back."""
    house, put_back = home
    before = house.dump()
    yield
    if house.dump() != before:
        leave(house)
        put_back()
    assert house.dump() == before


@pytest.mark.parametrize("broken", BREAKS, ids=lambda b: b.name)
@pytest.mark.usefixtures("stored")
def test_a_break_is_found_out(house: House, broken: Break, monkeypatch: Patch) -> None:
    assert broken.proof(house) == []
    with monkeypatch.context() as patch, ExitStack() as undo:
        broken.apply(patch, undo)
        found = broken.proof(house)
    assert found, "nobody noticed"
    ledger.note("deliberate breaks", found=1)


def test_there_are_enough_breaks() -> None:
    assert len({b.name for b in BREAKS}) == len(BREAKS) >= 10
