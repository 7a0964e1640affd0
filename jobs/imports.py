"""``run.py import`` and ``run.py export``: the same as on the pages, from and to a file on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import not_, select

from config import Config
from forms import exporting, sheets
from forms.importing import Report, importable, lines, run
from forms.outcomes import Kept, Outcome, kept_form, undo_form
from jobs.batches import causes, counted, keep_made
from models import registries
from models.account import Account
from models.batch import BatchKind, BatchState, begin
from models.database import Database
from models.declare import Admin
from models.scope import Forbidden, Scope, ScopedSession, everything
from rules.words import RuleError
from translations.speech import say


def run_file(config: Config, args: argparse.Namespace) -> int:
    """0: every row stands; 1: some were refused; 2: the file could not be read at all."""
    registries()
    if args.registry not in importable():
        print(f"run.py: {args.registry} cannot be imported; {', '.join(sorted(importable()))} can", file=sys.stderr)
        return 2
    database, now = Database(config.database), datetime.now(UTC)
    try:
        data = Path(args.file).read_bytes()
        scope = scope_for(database, args.user, now)
        session = database.open(scope, write=True)
        try:
            report = _import(session, data, config, args, now)
        finally:
            session.close()
    except (OSError, LookupError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except Forbidden as error:
        print(f"run.py: {args.user} may not {error.verb} {error.registry}", file=sys.stderr)
        return 2
    except RuleError as error:
        for problem in error.problems:
            print(f"run.py: {problem.message % problem.params}", file=sys.stderr)
        return 2
    tell(report, as_json=args.json)
    return 1 if report.counts["refused"] else 0


def _import(session: ScopedSession, data: bytes, config: Config, args: argparse.Namespace, now: datetime) -> Report:
    """Import and commit, with the batch that it can be taken back from; a dry run leaves nothing."""
    kept, before = Kept(), Kept()
    outcomes: list[Outcome] = []
    batch = begin(
        session, BatchKind.Import, args.registry, Path(args.file).name, now, state=BatchState.Done, mapping=args.mapping
    )

    def take(outcome: Outcome) -> None:
        outcomes.append(outcome)
        kept.add(kept_form(outcome))
        if (line := undo_form(outcome)) is not None:
            before.add([args.registry, *line])

    report = run(
        session,
        data,
        registry=args.registry,
        mapping=args.mapping,
        take_over=args.take_over,
        dry_run=args.dry_run,
        clears=args.empty_clears,
        most=config.import_rows,
        batch=batch.token,
        now=now,
        take=take,
    )
    report.outcomes = outcomes
    if args.dry_run or (args.whole and report.counts["refused"]):
        session.rollback()
        return report
    for name, value in counted(report).items():
        setattr(batch, name, value)
    batch.mapping, batch.ended_at, batch.causes = (report.mapping or None), now, causes(report)
    keep_made(report, before)
    batch.report, batch.before = kept.packed(), before.packed()
    session.commit()
    return report


def export_file(config: Config, args: argparse.Namespace) -> int:
    """0, or 2 where it cannot be done. The ending of the file says which kind it is; ``-``: CSV on standard output."""
    model = registries().get(args.registry)
    if model is None:
        print(f"run.py: there is no registry {args.registry}", file=sys.stderr)
        return 2
    admin: Admin = model.__admin__
    database, now = Database(config.database), datetime.now(UTC)
    try:
        scope = scope_for(database, args.user, now)
    except LookupError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    if not scope.may(args.registry, "export"):
        print(f"run.py: {args.user} may not export {args.registry}", file=sys.stderr)
        return 2
    names = exporting.every_field(model)
    with database.session(scope, write=True) as session:
        statement = select(model.id).where(scope.criteria(model, scope.reach(args.registry, "export")))
        if admin.hides is not None:
            statement = statement.where(not_(admin.hides(model)))
        cells = exporting.rows(session, model, names, statement.order_by(model.id), args.language)
        columns = exporting.heads(model, names, args.language)
        batch = begin(session, BatchKind.Export, args.registry, Path(args.file).name, now, state=BatchState.Done)
        try:
            batch.rows = _write(args, say(args.language, admin.title), columns, cells)
        except OSError as error:
            print(f"run.py: {error}", file=sys.stderr)
            session.rollback()
            return 2
        batch.ended_at = now
    print(f"{batch.rows} rows", file=sys.stderr)
    return 0


def _write(args: argparse.Namespace, title: str, columns: list[sheets.Column], cells: Any) -> int:
    if args.file.endswith(".xlsx"):
        with Path(args.file).open("wb") as stream:
            return sheets.workbook(stream, title, columns, cells)
    count = [0]

    def counting() -> Any:
        for row in cells:
            count[0] += 1
            yield row

    pieces = sheets.csv_bytes([c.heading for c in columns], counting(), args.encoding)
    if args.file == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return count[0]
    with Path(args.file).open("wb") as stream:
        for piece in pieces:
            stream.write(piece)
    return count[0]


def scope_for(database: Database, username: str | None, now: datetime) -> Scope:
    """The whole system's, or that of one person, as if they had uploaded the file."""
    if username is None:
        return everything("import")
    from models.access import person_scope

    with database.session(everything("import")) as s:
        account = s.scalars(select(Account).where(Account.username == username, Account.active.is_(True))).one_or_none()
        if account is None:
            raise LookupError(f"no active user {username}")
        return person_scope(s, account.id, now)


def tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        for line in lines(report):
            print(json.dumps(line, ensure_ascii=False))
        return
    counts = report.counts
    mapping = f"mapping {report.mapping}" if report.mapping else "columns by their headings"
    print(f"{'dry run, nothing written; ' if report.dry_run else ''}{mapping}")
    if report.ignored:
        print(f"not imported: {', '.join(report.ignored)}")
    print(", ".join(f"{name} {number}" for name, number in counts.items()))
    for problem, number in report.causes:
        kind = "warning" if problem.warning else "refused"
        print(f"  {number:6}  {kind:8} {problem.field or '-'}: {problem.code}")
