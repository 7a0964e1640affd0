"""Values → words in the reader's language, for every page the generator makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import current_app, g, has_request_context, url_for
from flask_babel import format_date, format_datetime, get_translations

import notices
from forms.convert import BadValue, Spec, parse, parse_many, specs, to_json
from models import registries
from models.base import personal_fields
from models.batch import IMPORTS
from models.declare import REACHES, VERBS, Admin, Reach, Role
from models.draft import Draft
from models.event import REVEAL, masked
from models.letter import Letter
from models.limits import LIMITS, RECKON, RECKONED
from models.outbox import Outbox
from models.role import AccessRole
from models.search import also
from models.work_day import load_calendar
from rules.calendar import Calendar
from rules.deadlines import local_day, standing
from rules.identifiers import mask_identifier
from rules.lifecycle import Lifecycle
from rules.words import N_, LabelEnum, Problem, Problems, Told
from views.security import db, now

FILE_COLUMNS = {
    "department": N_("Department"),
    "department_code": N_("Department code"),
    "region_code": N_("Region code"),
}
# What Events name that is neither a move nor a declared action.
OTHER_ACTIONS = {
    REVEAL: N_("Looked at the personal data in full"),
    RECKON: RECKONED,
    "change_password": N_("Change password"),
    "second_factor_on": N_("Set up a second factor"),
    "second_factor_off": N_("Switch the second factor off"),
    "recovery_codes": N_("Make new recovery codes"),
}
MOST_NEW_GRANTS = 20
PLACE = re.compile(r"%\(\w+\)[ds]")
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class NoContext(RuntimeError):
    """Rendering outside a request would silently be English."""


@dataclass(frozen=True)
class Cell:
    """One value on a page: its words, where it leads, how it is coloured (with a word, never alone)."""

    text: str
    href: str | None = None
    tone: str = ""
    tag: bool = False
    note: str = ""
    lines: tuple[str, ...] = ()
    pairs: tuple[Any, ...] = ()  # of differences, field by field, where there is room for a table


def tr(message: str, params: Mapping[str, Any] | None = None) -> str:
    """*message* in the reader's language, filled; parameters that are message ids or days are said as well."""
    if not message:
        return ""
    text: str = catalogue().ugettext(message)
    return text % {k: say(v) for k, v in params.items()} if params else text


def catalogue() -> Any:
    """The reader's translations, looked up once for each request: a list says a hundred things."""
    if not has_request_context():
        raise NoContext
    if "catalogue" not in g:
        g.catalogue = get_translations()
    return g.catalogue


def gettext(message: str, **params: Any) -> str:
    """For templates and views alike; flask-babel's own looks the locale up anew for each word."""
    text: str = catalogue().ugettext(message)
    return text % params if params else text


def ngettext(one: str, many: str, num: int, **params: Any) -> str:
    text: str = catalogue().ungettext(one, many, num)
    return text % {"num": num, **params}


def say(value: Any) -> Any:
    if isinstance(value, LabelEnum):
        return tr(value.label)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, str) and ISO_DAY.fullmatch(value):
        with suppress(ValueError):  # what somebody typed may only look like a day: 2026-02-30
            return day(date.fromisoformat(value))
    return tr(value) if isinstance(value, str) and value else value


def day(value: date) -> str:
    """A date as it is said: 3月2日 this year, 2027年3月2日 otherwise."""
    same_year = value.year == local_day(now()).year
    return str(format_date(value, gettext("MMM d") if same_year else gettext("MMM d, y")))


def weekday_day(value: date, year: int | None = None) -> str:
    """With its weekday: 2月14日周六. year: the one that the page is about, which is not said."""
    told = day(value) if value.year != year else format_date(value, gettext("MMM d"))
    return gettext("%(day)s %(weekday)s", day=told, weekday=format_date(value, "EEE"))


def days_from_to(first: date, last: date) -> str:
    """A run of days, said short; of the year that the page is about."""
    one = str(format_date(first, gettext("MMM d")))
    if first == last:
        return one
    return gettext("%(first)s to %(last)s", first=one, last=format_date(last, gettext("MMM d")))


def week_days() -> list[str]:
    """Monday to Sunday, as short as the language has them."""
    return [str(format_date(date(2024, 1, 1 + i), "EEEEE")) for i in range(7)]


def moment(value: datetime) -> str:
    same_year = local_day(value).year == local_day(now()).year
    return str(format_datetime(value, gettext("MMM d HH:mm") if same_year else gettext("MMM d, y HH:mm")))


def told(answer: Told | str | None) -> str:
    """What an action answered, in words."""
    return tr(answer.message, answer.params) if isinstance(answer, Told) else answer or ""


def problem_text(problem: Problem) -> str:
    return tr(problem.message, problem.params)


def cause_text(problem: Problem, model: type[Any]) -> str:
    """A problem as the heading of all rows that have it: its field, and its sentence without this row's values."""
    text = PLACE.sub("…", tr(problem.message)) if problem.params else tr(problem.message)
    label = field_label(model, problem.field)
    return labelled(label, text) if label else text


def field_label(model: type[Any], name: str | None) -> str:
    """What people call the field; also for columns of a file that are no fields of the row."""
    spec = specs(model).get(name or "")
    return tr(spec.label) if spec else tr(FILE_COLUMNS.get(name or "", ""))


def problem_lines(problems: Problems, model: type[Any]) -> list[tuple[str, bool]]:
    """(sentence, is a warning) of each different problem; those that say the same are told once, with all fields."""
    fields: dict[tuple[str, bool], list[str]] = {}
    for problem in problems:
        named = fields.setdefault((problem_text(problem), problem.warning), [])
        if label := field_label(model, problem.field):
            named.append(label)
    lines = []
    for (text, warning), labels in fields.items():
        lines.append((labelled(gettext(", ").join(labels), text) if labels else text, warning))
    return lines


def problem_json(problem: Problem) -> dict[str, Any]:
    return {"field": problem.field, "code": problem.code, "message": problem_text(problem)}


def also_looked_for(text: str) -> str:
    """What a search for *text* looked for besides, as it is said below the box; nothing where there is nothing."""
    words = also(text)
    return gettext("Also looked for: %(words)s", words=gettext(", ").join(words)) if words else ""


def also_looked_for_json(text: str) -> dict[str, str]:
    """The same for a script, only where there is something."""
    words = also_looked_for(text)
    return {"also": words} if words else {}


def label_of(row: Any) -> str:
    """What a row is called: its declared label, or for tables of the framework its name."""
    if row is None:
        return ""
    admin: Admin | None = getattr(type(row), "__admin__", None)
    value = getattr(row, admin.label) if admin else getattr(row, "name", row.id)
    if admin is None:
        return role_label(str(value))
    return tr(value.message, value.params) if isinstance(value, Told) else str(value or row.id)


def noted(admin: Admin) -> tuple[str, ...]:
    """By what people know a row besides its label: what stands with it in the first two columns of the list."""
    first, *others = admin.list_cells
    return (*first, *(others[0][:1] if others else ()))


def note_of(row: Any) -> str:
    """These facts in words."""
    admin: Admin = type(row).__admin__
    texts = [cell(row, name).text for name in noted(admin) if name != admin.label]
    return " · ".join(dict.fromkeys(text for text in texts if text and text != label_of(row)))


def role_label(name: str) -> str:
    found = next((r for r in Role if r.value == name), None)
    return tr(found.label) if found else name


def calendar() -> Calendar:
    """The working-day calendar, read once and kept by this process until any of its days changes."""
    key = (g.person.calendar if g.person is not None else None, local_day(now()))
    kept = current_app.extensions.get("yizhan_calendar")
    if kept is None or kept[0] != key or key[0] is None:
        kept = current_app.extensions["yizhan_calendar"] = (key, load_calendar(db(), key[1]))
    found: Calendar = kept[1]
    return found


def due_words(due: date) -> tuple[str, str]:
    """(words, tone) of a limit: 超期 2 个工作日, 今天, 还有 8 个工作日."""
    kind, days = standing(local_day(now()), due, calendar())
    if kind == "overdue":
        return ngettext("%(num)d working day overdue", "%(num)d working days overdue", days), "bad"
    if kind == "today":
        return gettext("Today"), "warn"
    words = ngettext("%(num)d working day left", "%(num)d working days left", days)
    return words, "warn" if kind == "soon" else ""


def tone_of(admin: Admin, name: str, value: Any) -> str:
    life: Lifecycle | None = admin.life
    return life.tone(value) if life is not None and name == life.field else ""


def cell(row: Any, name: str, *, masked: bool = True) -> Cell:
    """One declared value (or plain attribute) of *row* as it is shown."""
    model = type(row)
    admin: Admin = model.__admin__
    value = getattr(row, name)
    spec = specs(model).get(name)
    if isinstance(value, Told):
        return Cell(tr(value.message, value.params))
    if spec is None or value is None or value in ("", []):
        return Cell("" if value is None or value == [] else str(value))
    return _CELLS.get(spec.kind, _plain)(row, admin, spec, value, masked)


def _plain(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    text = str(value)
    if spec.info.personal and masked:
        text = mask_identifier(text)
    if spec.info.message:
        text = tr(text)
    if spec.info.words is not None:
        text = words_said(spec, text)
    text = tr(titles(spec).get(text, "")) or text
    if name_is_registry(spec.name) and text in registries():
        text = tr(registries()[text].__admin__.one)
    if spec.name == "action" and hasattr(row, "subject_type"):
        text = action_label(row.subject_type, text)
    return Cell(text, href=subject_of(row) if spec.name == "subject_label" else None)


def words_said(spec: Spec, text: str) -> str:
    """Some of a few words, each by its label."""
    known = dict(spec.info.words() if spec.info.words is not None else ())
    return str(gettext(", ").join(tr(known[word]) if word in known else word for word in text.split()))


def name_is_registry(name: str) -> bool:
    return name == "subject_type"


def titles(spec: Spec) -> Mapping[str, str]:
    """Value → message id of a text that holds words of the product besides anybody's own: kinds of letters and of the
    work on them, declared roles. Of any other text nothing."""
    if spec is specs(AccessRole)["name"]:
        return {role.value: role.label for role in Role}
    if spec is specs(Letter)["kind"]:
        return {k.name: k.title for k in notices.kinds().values()}
    if spec is specs(Outbox)["kind"]:
        letters = {f"letter.{k.name}": k.title for k in notices.kinds().values()}
        names = {r.name for model in registries().values() for r in model.__admin__.reminders}
        reminders = {f"remind.{name}": N_("Reminder") for name in names}
        work = {"effect": N_("Effect of a change"), LIMITS: N_("Limits after a change of the calendar"), **IMPORTS}
        return {**work, **letters, **reminders, **{f"settle.{name}": N_("End of a reminder") for name in names}}
    return {}


def subject_of(row: Any) -> str | None:
    """Where the thing lives that a message, an Event, a letter or a draft speaks of; a saved view speaks of none."""
    name, pk = getattr(row, "subject_type", None), getattr(row, "subject_id", None) or 0
    known = name in registries() and pk > 0  # below: a form of a new row, which a draft is of
    return href(str(name), pk) if known and g.scope.may(str(name), "show") else None


def resume_of(row: Any) -> str | None:
    """Where a draft is gone on with: in the form it was typed in."""
    if not isinstance(row, Draft) or row.subject_type not in registries():
        return None
    pk = row.subject_id if row.subject_id > 0 else None
    if not g.scope.may(row.subject_type, "edit" if pk else "add"):
        return None
    if pk is None:
        return url_for(f"{row.subject_type}.add", draft=row.id)
    return url_for(f"{row.subject_type}.edit", pk=pk, draft=row.id)


def action_label(registry: str, action: str) -> str:
    model = registries().get(registry)
    admin: Admin | None = model.__admin__ if model else None
    step = admin.step(action) if admin else None
    return tr(step.label if step else OTHER_ACTIONS.get(action, action))


def verb_label(admin: Admin, verb: str) -> str:
    """What a verb of a grant is called: a move or an action by its own label."""
    step = admin.step(verb)
    return tr(step.label if step else VERBS.get(verb, verb))


def grant_differences(spec: Spec, old: Any, new: Any) -> list[tuple[str, str, str]]:
    """(what may be done, how far before, how far after) of the grants of a role; nothing for any other JSON."""
    if spec is not specs(AccessRole)["grants"]:
        return []
    before, after = old or {}, new or {}
    count = sum(len(verbs) for verbs in after.values())
    if not before and count > MOST_NEW_GRANTS:  # a declared role says how many; its own page says which
        return [(tr(spec.label), "", ngettext("%(num)d grant", "%(num)d grants", count))]
    found = []
    for name, model in registries().items():
        admin: Admin = model.__admin__
        told = [held.get(name, {}) for held in (before, after)]
        for verb in dict.fromkeys([*told[0], *told[1]]):
            was, will = (reach_words(held.get(verb)) for held in told)
            if was != will:
                what = gettext("%(registry)s: %(verb)s", registry=tr(admin.title), verb=verb_label(admin, verb))
                found.append((what, was, will))
    return found


def reach_words(name: str | None) -> str:
    return tr(REACHES[Reach[name]]) if name is not None and name in Reach.__members__ else ""


def action_choices() -> list[tuple[str, str]]:
    """(action, what it is called) of all that Events may tell of; each name of a word that several registries use."""
    called: dict[str, list[str]] = {name: [tr(label)] for name, label in OTHER_ACTIONS.items()}
    for model in registries().values():
        for step in model.__admin__.steps:
            called.setdefault(step.name, []).append(tr(step.label))
    return [(name, gettext(" / ").join(dict.fromkeys(labels))) for name, labels in called.items()]


def _boolean(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    return Cell(gettext("Yes") if value else gettext("No"))


def _choice(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    return Cell(tr(value.label), tone=tone_of(admin, spec.name, value), tag=spec.name in ("state", "origin"))


def _date(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    if admin.life is not None and str(getattr(row, admin.life.field)) in spec.info.due:
        words, tone = due_words(value)
        return Cell(words, tone=tone, note=day(value))
    return Cell(day(value))


def _moment(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    return Cell(moment(value))


def href(registry: str, pk: int) -> str:
    """The address of a row's page. Built by url_for once for each registry and request: a list has a hundred links."""
    bases: dict[str, str] = g.setdefault("bases", {})
    if registry not in bases:
        bases[registry] = url_for(f"{registry}.list")
    return f"{bases[registry]}{pk}"


def _reference(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    target = getattr(row, spec.name.removesuffix("_id"), None)
    if target is None:
        return Cell(gettext("(not visible to you)"))
    name = type(target).__admin__.name
    return Cell(label_of(target), href=href(name, target.id) if g.scope.may(name, "show") else None)


def _many(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    return Cell(gettext(", ").join(label_of(o) for o in value))


def _json(row: Any, admin: Admin, spec: Spec, value: Any, masked: bool) -> Cell:
    known = specs(type(row))
    if isinstance(value, dict):
        subject = registries().get(getattr(row, "subject_type", ""))
        return Cell("", lines=tuple(difference_lines(subject, value)))
    if all(isinstance(v, list) for v in value):  # sentences, as [message id, values]
        return Cell("", lines=tuple(tr(*v) for v in value))
    return Cell(gettext(", ").join(tr(known[str(v)].label) if str(v) in known else str(v) for v in value))


_CELLS = {
    "boolean": _boolean,
    "choice": _choice,
    "date": _date,
    "moment": _moment,
    "reference": _reference,
    "many": _many,
    "json": _json,
}


def difference_lines(model: type[Any] | None, changes: Mapping[str, Any]) -> list[str]:
    """An Event's differences in words: 承诺时限：10 → 5. References are said by number here."""
    lines = []
    known = specs(model) if model is not None else {}
    for name, (old, new) in changes.items():
        spec = known.get(name)
        if spec is not None and spec.kind == "json":
            lines += [labelled(what, f"{a or '—'} → {b or '—'}") for what, a, b in grant_differences(spec, old, new)]
            continue
        label = tr(spec.label) if spec else name
        before, after = (said(spec, v) for v in (old, new))
        lines.append(labelled(label, after if not before else f"{before} → {after}"))
    return lines


def labelled(label: str, value: str) -> str:
    """A value behind its label, with the colon of the reader's language."""
    return str(gettext("%(label)s: %(value)s", label=label, value=value))


def masked_changes(registry: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Differences of an Event about a row of *registry*, the personal ones masked: they are stored so, but a field may
    have been declared personal later."""
    model = registries().get(registry)
    hidden = personal_fields(model) if model is not None else ()
    return {n: [masked(v) for v in pair] if n in hidden else pair for n, pair in changes.items()}


def said_input(spec: Spec, texts: Sequence[str]) -> str:
    """What was typed into a field, in words; as it was typed where it cannot be read. Nobody masks what one typed."""
    try:
        text = " ".join(texts) if spec.kind == "words" else texts[-1] if texts else ""
        value: Any = parse_many(spec, texts) if spec.kind == "many" else parse(spec, text)
    except BadValue:
        return gettext(", ").join(texts)
    if spec.info.personal or value is None:
        return gettext(", ").join(texts)
    return said(spec, to_json(spec, value) if spec.kind != "many" else value)


def said(spec: Spec | None, value: Any) -> str:
    """A stored value of an Event in words."""
    if value is None:
        return ""
    if spec is None:
        return str(value)
    if spec.choices is not None:
        return next((tr(m.label) for m in spec.choices if m.value == value), str(value))
    if spec.kind == "moment":
        return moment(datetime.fromisoformat(str(value)))
    if spec.kind == "date":
        return day(date.fromisoformat(str(value)))
    if spec.kind == "boolean":
        return str(gettext("Yes") if value else gettext("No"))
    if spec.info.personal:
        return mask_identifier(str(value))
    if spec.info.message:
        return tr(str(value))
    if spec.info.words is not None:
        return words_said(spec, str(value))
    if title := titles(spec).get(str(value)):
        return tr(title)
    if spec.kind == "reference" and spec.target is not None:
        found = db().get(spec.target, value)
        return label_of(found) if found is not None else str(gettext("(not visible to you)"))
    if spec.kind == "many":
        rows = [db().get(spec.target, one) for one in value] if spec.target is not None else []
        return str(gettext(", ").join(label_of(row) for row in rows if row is not None))
    return str(value)
