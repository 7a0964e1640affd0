"""Unified sign-in against a real OpenID Connect provider, a process of its own on the loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import select

import config as settings
from config import Config, ConfigError
from models.database import Database
from models.scope import everything
from models.session import SignedIn, SignedInBy
from models.sign_in import Attempt, Outcome
from run import create_app
from tests.browser import free_port
from tests.conftest import Browser, Clock, DeafQueue
from tests.views.test_second_factor import code_now, set_up
from tests.world import PASSWORD

USERS = {"0001": "clerk", "0002": "nobody-here", "0003": ""}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider that signs its tokens and is asked over HTTP; everybody who is named may come in there."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    users = [f"--user-claims={json.dumps({'sub': sub, 'preferred_username': name})}" for sub, name in USERS.items()]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            requests.get(f"{address}/.well-known/openid-configuration", timeout=2)
            break
        except requests.ConnectionError:
            assert process.poll() is None
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture
def app(config: Config, database: Database, clock: Clock, provider: str) -> Flask:
    told = {"oidc_issuer": provider, "oidc_client_id": "yizhan", "oidc_client_secret": "a secret between two"}
    app: Flask = create_app(replace(config, **told), clock=clock, database=database)
    app.extensions["yizhan_queue"] = DeafQueue()
    app.appbuilder.sm.limiter.enabled = False  # type: ignore[attr-defined]
    return app


def leave(browser: Browser, target: str = "/cases/") -> str:
    answer = browser.get(f"/login/unified?next={target}")
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def consent(address: str, sub: str) -> str:
    """What a person does at the provider; returns the address they are sent back to, without its host."""
    answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=10)
    assert answer.status_code in (302, 303), answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def outcomes(database: Database) -> list[Outcome]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(Attempt.outcome).order_by(Attempt.id))]


def test_there_and_back(app: Flask, database: Database) -> None:
    browser = Browser(app.test_client())
    assert "统一身份认证" in browser.text("/login/")
    address = leave(browser)
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert asked["redirect_uri"] == ["http://127.0.0.1:8080/login/unified/back"]
    answer = browser.get(consent(address, "0001"))
    assert answer.headers["Location"] == "/cases/"
    assert browser.get("/cases/").status_code == 200
    with database.session(everything("test")) as s:
        assert s.scalars(select(SignedIn)).one().how is SignedInBy.Provider
    assert outcomes(database) == [Outcome.SignedIn]


def test_nobody_is_registered(app: Flask, database: Database) -> None:
    browser = Browser(app.test_client())
    answer = browser.get(consent(leave(browser), "0002"))
    assert answer.status_code == 403
    assert "nobody-here" in answer.get_data(as_text=True)
    answer = browser.get(consent(leave(browser), "0003"))
    assert answer.status_code == 403
    assert browser.get("/cases/").status_code == 302
    assert outcomes(database) == [Outcome.NoAccount, Outcome.Refused]


def test_an_answer_to_another_browser_opens_nothing(app: Flask) -> None:
    """Neither a forged state nor an answer that somebody else was sent back with."""
    one, other = Browser(app.test_client()), Browser(app.test_client())
    back = consent(leave(one), "0001")
    leave(other)
    assert other.get(back).status_code == 403
    assert other.get("/login/unified/back?code=x&state=y").status_code == 403
    assert other.get("/login/unified/back?error=access_denied").status_code == 403
    assert other.get("/cases/").status_code == 302
    assert one.get(back).status_code == 302
    assert Browser(app.test_client()).get(back).status_code == 403


def test_an_answer_for_another_request_opens_nothing(app: Flask) -> None:
    """Code and state fit, but the nonce of the identity token does not: it was made for another sign-in."""
    browser = Browser(app.test_client())
    address = leave(browser)
    planted = re.sub(r"nonce=[^&]+", "nonce=planted", address)
    assert browser.get(consent(planted, "0001")).status_code == 403


def test_the_code_is_fetched_with_what_was_promised(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """PKCE: a code that somebody caught on its way is of no use without the verifier in this browser's cookie."""
    sent: list[dict[str, list[str]]] = []
    real = requests.adapters.HTTPAdapter.send

    def send(self: Any, request: Any, **kw: Any) -> Any:
        sent.append(parse_qs(request.body.decode() if isinstance(request.body, bytes) else request.body or ""))
        return real(self, request, **kw)

    browser = Browser(app.test_client())
    address = leave(browser)
    back = consent(address, "0001")
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    assert browser.get(back).status_code == 302
    [verifier] = next(form["code_verifier"] for form in sent if "code_verifier" in form)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert parse_qs(urlsplit(address).query)["code_challenge"] == [digest]


def test_a_second_factor_is_asked_here_as_well(app: Flask, clock: Clock) -> None:
    local = Browser(app.test_client())
    assert local.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 302
    secret, _ = set_up(local, clock)
    browser = Browser(app.test_client())
    answer = browser.get(consent(leave(browser), "0001"))
    assert (answer.status_code, "验证码" in answer.get_data(as_text=True)) == (200, True)
    assert browser.get("/cases/").status_code == 302
    assert browser.post("/login/code", {"code": code_now(secret, clock)}).status_code == 302
    assert browser.get("/cases/").status_code == 200


def test_a_provider_that_does_not_answer(config: Config, database: Database, clock: Clock) -> None:
    told = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": "yizhan", "oidc_client_secret": "secret"}
    app = create_app(replace(config, **told), clock=clock, database=database)
    assert app.test_client().get("/login/unified").status_code == 503


GOOD = {"OIDC_ISSUER": "https://id.example.invalid", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "y"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET"),
        ({"OIDC_ISSUER": "http://id.example.invalid"}, "https://"),
        ({}, ""),
    ],
)
def test_settings(changes: dict[str, str], sentence: str, tmp_path: Any) -> None:
    read: Callable[[], Config] = lambda: settings.read({**GOOD, **changes}, instance=tmp_path)  # noqa: E731
    if sentence:
        with pytest.raises(ConfigError, match=sentence):
            read()
    else:
        assert read().oidc_name
