"""``run.py import``: the same import as on the page, from a file on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from config import Config
from forms.importing import Report, lines, run
from models import registries
from models.account import Account
from models.database import Database
from models.scope import Forbidden, Scope, everything
from rules.words import RuleError


def run_file(config: Config, args: argparse.Namespace) -> int:
    """0: every row stands; 1: some were refused; 2: the file could not be read at all."""
    registries()
    if args.registry != "items":
        print(f"run.py: {args.registry} cannot be imported; items can", file=sys.stderr)
        return 2
    database, now = Database(config.database), datetime.now(UTC)
    try:
        data = Path(args.file).read_bytes()
        scope = scope_for(database, args.user, now)
        session = database.open(scope, write=True)
        try:
            report = run(
                session,
                data,
                registry=args.registry,
                mapping=args.mapping,
                take_over=args.take_over,
                dry_run=args.dry_run,
                most=config.import_rows,
                now=now,
            )
            if args.dry_run:
                session.rollback()
            else:
                session.commit()
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
    print(f"{'dry run, nothing written; ' if report.dry_run else ''}mapping {report.mapping}")
    print(", ".join(f"{name} {number}" for name, number in counts.items()))
    for problem, number in report.causes:
        kind = "warning" if problem.warning else "refused"
        print(f"  {number:6}  {kind:8} {problem.field or '-'}: {problem.code}")
