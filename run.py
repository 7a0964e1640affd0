"""create_app() and the commands. Nothing is built at import."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import config as settings
from config import Config

log = logging.getLogger("yizhan")
NEEDS_SCHEMA = frozenset({"serve", "worker", "sync", "create-admin", "load-demo", "import", "export"})


def create_app(config: Config, *, clock: Callable[[], datetime] | None = None, database: Any = None) -> Any:
    """The web application over *config*; mistakes in declarations are all told at once, before the first page."""
    from jobs.outbox import Worker
    from jobs.queue import Queue
    from models.database import Database
    from views.app import build

    db = database or Database(config.database)
    worker = Worker(db, config, clock or (lambda: datetime.now(UTC)))
    return build(config, db, Queue(config, worker), worker.clock)


def _listen(config: Config) -> Any:
    """The web server, listening but not yet answering; None, with a sentence, where it cannot."""
    import waitress

    app = create_app(config)
    try:
        return waitress.create_server(
            app,
            host=config.host,
            port=config.port,
            threads=config.threads,
            ident=None,
            # Whoever opens connections and says nothing, or says it letter by letter, is let go of after a minute; a
            # request is handed to a thread once it is there whole, so slow ones hold up nobody.
            channel_timeout=60,
            cleanup_interval=15,
            connection_limit=1000,
            max_request_header_size=32 * 1024,
            max_request_body_size=(config.upload_megabytes + 1) * 1024 * 1024,
        )
    except OSError as error:
        print(f"run.py: cannot listen on {config.host}:{config.port} ({error.strerror}); set PORT", file=sys.stderr)
        return None


def _serve(config: Config, args: argparse.Namespace) -> int:
    from jobs.launch import stop_on_signals

    server = _listen(config)
    if server is None:
        return 2
    stop_on_signals()
    log.info("listening on %s", config.address)
    server.run()
    return 0


def _worker(config: Config, args: argparse.Namespace) -> int:
    from jobs.launch import follow_parent
    from jobs.outbox import Worker
    from jobs.queue import Queue
    from models import registries
    from models.database import Database

    registries()
    follow_parent()
    Queue(config, Worker(Database(config.database), config)).consume(args.workers)
    return 0


def _up(config: Config, args: argparse.Namespace) -> int:
    from jobs.launch import greet, stop_on_signals, worker_beside
    from jobs.setup import prepare

    prepare(config)
    server = _listen(config)
    if server is None:
        return 2
    stop_on_signals()
    with worker_beside() as died:
        greet(config)
        server.run()
        return 1 if died() else 0


def _migrate(config: Config, args: argparse.Namespace) -> int:
    from jobs.setup import migrate

    migrate(config)
    return 0


def _sync(config: Config, args: argparse.Namespace) -> int:
    from jobs.setup import write_declared
    from models import registries
    from models.database import Database

    registries()
    counts = write_declared(Database(config.database))
    told = "permissions granted {granted}, withdrawn {withdrawn}; calendar days added {days}"
    print(told.format(**counts))
    return 0


def _check(config: Config, args: argparse.Namespace) -> int:
    from models import registries
    from views.checks import mistakes

    found = mistakes(registries().values())
    for mistake in found:
        print(mistake, file=sys.stderr)
    print(f"{len(registries())} registries, {len(found)} mistakes")
    return 1 if found else 0


def _describe(config: Config, args: argparse.Namespace) -> int:
    from views import describe

    if args.registry is None:
        print(describe.overview())
        return 0
    try:
        print(describe.describe(args.registry, datetime.now(UTC)))
    except describe.NoSuchRegistry as error:
        print(f"run.py describe: {error}", file=sys.stderr)
        return 2
    return 0


def _create_admin(config: Config, args: argparse.Namespace) -> int:
    from jobs.setup import create_admin

    return create_admin(config, args.username, args.name, args.email)


def _load_demo(config: Config, args: argparse.Namespace) -> int:
    from jobs.demo import load

    if not config.demo:
        print("run.py: load-demo is for YIZHAN_DEMO=1: demonstration letters must carry their mark", file=sys.stderr)
        return 2
    load(config)
    return 0


def _import(config: Config, args: argparse.Namespace) -> int:
    from jobs.imports import run_file

    return run_file(config, args)


def _export(config: Config, args: argparse.Namespace) -> int:
    from jobs.imports import export_file

    return export_file(config, args)


def _check_id(config: Config, args: argparse.Namespace) -> int:
    from rules.calendar import Calendar as _  # noqa: F401 - rules need no database
    from rules.checkid import run
    from rules.deadlines import local_day

    today = local_day(datetime.now(UTC))
    if args.file == "-":
        return run(args.kind, sys.stdin.buffer, sys.stdout.buffer, today)
    try:
        with open(args.file, "rb") as stream:
            return run(args.kind, stream, sys.stdout.buffer, today)
    except BrokenPipeError:  # the reader of what we say, not the file; see the end of this page
        raise
    except OSError as error:
        print(f"run.py check-id: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    from rules.identifiers import KINDS

    top = argparse.ArgumentParser(
        prog="run.py", description="一站: government services, from the catalogue to the letter."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Config, argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(run=run)
        return command

    add("up", _up, "Prepare the database, then run web server and worker until Ctrl-C.")
    add("serve", _serve, "Run the web server alone.")
    worker = add("worker", _worker, "Run the background worker alone.")
    worker.add_argument("--workers", type=int, default=2, help="threads (default 2)")
    add("migrate", _migrate, "Bring the database to the newest schema.")
    add("sync", _sync, "Write roles and permissions as declared, and the published calendar.")
    add("check", _check, "Look for mistakes in declarations.")
    describe = add("describe", _describe, "Say what a declaration yields: pages, permissions, letters, statements.")
    describe.add_argument("registry", nargs="?", help="for instance items, or Item; default: a table of all")
    admin = add("create-admin", _create_admin, "Make an administrator; the password is generated and printed once.")
    admin.add_argument("username")
    admin.add_argument("--name", default="系统管理员", help="full name")
    admin.add_argument("--email", help="address; default: the user name at localhost")
    add("load-demo", _load_demo, "Load the demonstration jurisdiction into an empty database.")
    imports = add("import", _import, "Import a file into a registry.")
    imports.add_argument("registry", help="for instance items")
    imports.add_argument("file")
    imports.add_argument("--mapping", help="name in forms/mappings, or a TOML file; default: chosen by the columns")
    imports.add_argument("--take-over", action="store_true", help="take an existing catalogue over as found")
    imports.add_argument("--dry-run", action="store_true", help="show what would happen, change nothing")
    imports.add_argument("--user", help="user name in whose scope it runs; default: the whole system")
    imports.add_argument("--json", action="store_true", help="one JSON line for each row")
    imports.add_argument("--whole", action="store_true", help="all or nothing: one refused row, and nothing is written")
    imports.add_argument("--empty-clears", action="store_true", help="an empty cell empties its field")
    exports = add("export", _export, "Export a registry into a file that can be imported again.")
    exports.add_argument("registry", help="for instance items")
    exports.add_argument("file", help=".xlsx or .csv; - for CSV on standard output")
    exports.add_argument("--user", help="user name in whose scope it runs; default: the whole system")
    exports.add_argument("--language", default="zh", choices=settings.LOCALES, help="of headings and choices")
    exports.add_argument("--encoding", default="utf-8", choices=("utf-8", "gb18030"), help="of CSV")
    check = add("check-id", _check_id, "Check numbers, one JSON line for each line; needs no database.")
    check.add_argument("--kind", required=True, choices=sorted(KINDS))
    check.add_argument("file", nargs="?", default="-", help="a file, or - for standard input (default)")
    return top


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.command == "check-id":
        return _check_id(Config(), args)
    try:
        config = settings.read()
    except settings.ConfigError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("huey", "flask_appbuilder", "alembic", "waitress", "fontTools"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    from jobs.setup import has_schema
    from translations.catalog import compile_all

    compile_all()
    if args.command in NEEDS_SCHEMA and not has_schema(config):
        print("run.py: the database is not prepared; run 'python run.py migrate' first", file=sys.stderr)
        return 2
    result: int = args.run(config, args)
    return result


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # Ctrl-C, or "up" stopping a child that has only begun to start
        status = 130
    except BrokenPipeError:  # "… | head" has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)
