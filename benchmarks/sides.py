"""A side of the comparison: an application asked through its own test client. And how a browser fills in a form."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

# Neither what a driver is told nor where a transaction begins or may go back to asks for anything.
NO_STATEMENTS = ("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK")

Sent = dict[str, str | list[str]]


@dataclass
class Side:
    """An application with its statements and what was measured."""

    name: str
    get: Callable[[str], tuple[int, bytes]]
    post: Callable[[str, Sent], tuple[int, bytes]]
    statements: int = 0
    times: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    body: bytes = b""

    def count(self, statement: str) -> None:
        self.statements += not statement.startswith(NO_STATEMENTS)

    def ask(self, page: str, path: str) -> None:
        self._timed(page, path, 200, lambda: self.get(path))

    def save(self, page: str, path: str, phone: str) -> None:
        """Send the form of *path* with another telephone number; reading the form first is not part of the time."""
        sent = self.form(path) | {"phone": phone}
        self._timed(page, path, 302, lambda: self.post(path, sent))

    def form(self, path: str) -> Sent:
        return filled(self.get(path)[1].decode(), "phone")

    def _timed(self, page: str, path: str, expected: int, ask: Callable[[], tuple[int, bytes]]) -> None:
        gc.collect()
        self.statements = 0
        start = time.perf_counter()
        status, body = ask()
        self.times.setdefault(page, []).append(time.perf_counter() - start)
        if status != expected:
            raise RuntimeError(f"{self.name} {path}: {status}\n{body.decode()[:4000]}")
        self.sizes[page], self.counts[page], self.body = len(body), self.statements, body


def flask_side(name: str, client: FlaskClient, engine: Engine) -> Side:
    def get(path: str) -> tuple[int, bytes]:
        answer = client.get(path)
        return answer.status_code, answer.get_data()

    def post(path: str, sent: Sent) -> tuple[int, bytes]:
        answer = client.post(path, data=sent)
        return answer.status_code, answer.get_data()

    side = Side(name, get, post)
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: side.count(statement))
    return side


def django_side(name: str, clients: tuple[Any, Any]) -> Side:
    """With a viewer's browser where an address says so: view permission alone makes the change page a show page."""
    from django.db import connection

    administrator, viewer = clients

    def get(path: str) -> tuple[int, bytes]:
        address, _, who = path.partition("#")
        answer = (viewer if who == "viewer" else administrator).get(address)
        return answer.status_code, answer.content

    def post(path: str, sent: Sent) -> tuple[int, bytes]:
        answer = administrator.post(path, sent)
        return answer.status_code, answer.content

    def counted(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        side.count(sql)
        return execute(sql, parameters, many, context)

    side = Side(name, get, post)
    connection.execute_wrappers.append(counted)
    return side


def sign_in(app: Flask, username: str, password: str) -> FlaskClient:
    client = app.test_client()
    page = client.get("/login/").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    sent = {"username": username, "password": password, "csrf_token": token.group(1) if token else ""}
    answer = client.post("/login/", data=sent)
    if answer.status_code != 302:
        raise RuntimeError(f"{username} cannot sign in: {answer.status_code}")
    return client


def filled(page: str, wanted: str) -> Sent:
    """What a browser would send of the form that holds the field *wanted*."""
    reader = Forms()
    reader.feed(page)
    return next(form for form in reader.forms if wanted in form)


def sent_by_browser(told: dict[str, str | None]) -> bool:
    kind = told.get("type")
    return kind not in ("submit", "button", "file") and (kind not in ("checkbox", "radio") or "checked" in told)


class Forms(HTMLParser):
    """The forms of a page with what stands in their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Sent] = []
        self.select: str | None = None
        self.long: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        name, value = told.get("name"), told.get("value") or ""
        if tag == "form":
            self.forms.append({})
        elif not self.forms:
            return
        elif tag == "option" and self.select is not None:
            if "selected" in told or self.select not in self.forms[-1]:  # the first one, where none is selected
                self.forms[-1][self.select] = value
        elif name is None:
            return
        elif tag == "select":
            self.select = name
        elif tag == "textarea":
            self.long, self.forms[-1][name] = name, ""
        elif tag == "input" and sent_by_browser(told):
            self.forms[-1][name] = value

    def handle_data(self, data: str) -> None:
        if self.long is not None:
            self.forms[-1][self.long] = data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.long = None
