"""Attacks by request: forged, replayed, smuggled, guessed, oversized. Nothing is changed, told or broken.

Those by text are in tests/views/test_attacks_texts.py.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import delete, inspect, select
from werkzeug.routing import Rule

from config import ROOT
from forms.convert import specs
from models import registries
from models.scope import everything
from models.session import SignedIn
from rules.keys import fingerprint
from tests import ledger
from tests.conftest import Browser, Templates
from tests.views.house import BEARER, FULL, House, all_rules, opened, owners_form, sees
from tests.views.proofs import STRANGERS
from tests.world import PASSWORD

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
# They take what proves itself (a password, a refresh token) and look at no cookie.
NO_COOKIE = {"SecurityApi.login", "SecurityApi.refresh"}


@pytest.fixture(scope="module")
def house(templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("attacked")
    with opened(templates.copy("sqlite", folder), folder, fonts) as found:
        yield found


@pytest.fixture(autouse=True)
def unchanged(house: House) -> Iterator[None]:
    before, sent = house.dump(), house.sent
    yield
    assert house.dump() == before
    ledger.note("attacks", tried=house.sent - sent)


def address(house: House, rule: Rule) -> str:
    """*rule* about the owner's row, with a step that the registry knows."""
    name = rule.endpoint.partition(".")[0].removesuffix("_api")
    model = registries().get(name)
    step = next((s.name for s in model.__admin__.steps), "x") if model is not None else "x"
    pk = house.rows[name][0] if name in house.rows else 1
    values = {"pk": pk, "action": step, "name": "x", "registry": "items", "code": "x", "version": "v1"}
    return re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?(\w+)>", lambda m: str(values.get(m.group(1), "x")), rule.rule)


# --- forged requests -------------------------------------------------------------------------------------------------


def test_every_mutating_route_refuses_without_a_token_of_the_session(house: House) -> None:
    """No token, nonsense, that of nobody's session, that of another person's: in the form and in the header."""
    foreign = house.browsers["outsider"].token()
    nobody = Browser(house.app.test_client()).token()
    wrong, driven = [], set()
    for rule in all_rules(house.app):
        for method in sorted((rule.methods or set()) & MUTATING):
            if rule.endpoint in NO_COOKIE:
                continue
            driven.add(rule.rule)
            path = address(house, rule)
            for person in ("clerk", "admin"):
                client = house.browsers[person].client
                for token in (None, "", "x", nobody, foreign):
                    sent: dict[str, Any] = {"version": "1", "sure": "1", "locale": "en"}
                    header = {"X-CSRFToken": token} if token is not None else {}
                    for kind in ({"json": sent}, {"data": {**sent, "csrf_token": token or ""}}):
                        answer = client.open(path, method=method, headers=header, **kind)
                        if answer.status_code != 400 or "Location" in answer.headers:
                            wrong.append(f"{person} {method} {path} with {token!r}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert len(driven) > 80
    ledger.note("attacks", forged_routes=driven)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"]
)
def test_a_body_of_another_kind_is_no_way_around_the_token(house: House, kind: str) -> None:
    """What a page of somebody else can make a browser send without asking: never JSON, and never our header."""
    body = json.dumps({"subject_type": "cases", "name": "x"})
    client = house.browsers["clerk"].client
    headers = {"Content-Type": kind} if kind else {}
    assert client.post("/api/v1/saved-views/", data=body, headers=headers).status_code == 400
    # With the token it is still no JSON object, unless it says that it is one.
    headers["X-CSRFToken"] = house.browsers["clerk"].token()
    answer = client.post("/api/v1/saved-views/", data=body, headers=headers)
    assert (answer.status_code, answer.get_json()["problems"][0]["code"]) == (422, "not_json")


def test_a_method_is_what_it_is(house: House) -> None:
    """No header and no field turns one request into another."""
    pk, version = house.rows["saved-views"]
    clerk = house.browsers["clerk"]
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        for method in ("DELETE", "PUT", "POST"):
            headers = {header: method, "X-CSRFToken": clerk.token()}
            said = clerk.client.get(f"/api/v1/saved-views/{pk}?_method={method}&version={version}", headers=headers)
            assert said.status_code == 200
            said = clerk.client.post(f"/api/v1/saved-views/{pk}", json={"_method": method}, headers=headers)
            assert said.status_code == 405
    for method in ("TRACE", "CONNECT", "PROPFIND", "PATCH", "X"):
        assert clerk.client.open("/cases/", method=method, headers={"X-CSRFToken": clerk.token()}).status_code == 405


def test_options_and_head_tell_no_more_than_get(house: House) -> None:
    outsider, pk = house.browsers["outsider"].client, house.rows["cases"][0]
    for path in (f"/cases/{pk}", f"/api/v1/cases/{pk}"):
        head = outsider.head(path)
        assert (head.status_code, head.data) == (404, b"")
        options = outsider.options(path)
        assert not house.leaks(f"{options.headers}{options.get_data(as_text=True)}")
        assert "Access-Control-Allow-Origin" not in options.headers


# --- who asks --------------------------------------------------------------------------------------------------------


def test_what_was_before_the_sign_in_does_not_live_on(house: House) -> None:
    """An attacker who gave his victim a session finds it useless once she has signed in."""
    before, victim = house.dump(), Browser(house.app.test_client())
    device = house.browsers["clerk"].client.get_cookie("device")
    assert device is not None
    victim.client.set_cookie("device", device.value)  # from a machine of hers, so nobody is told of a new one
    token = victim.token()
    planted = victim.client.get_cookie("session")
    assert planted is not None
    assert victim.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 302
    held = victim.client.get_cookie("session")
    assert held is not None
    assert held.value != planted.value
    thief = house.app.test_client()
    thief.set_cookie("session", planted.value)
    assert thief.get("/cases/").status_code == 302
    # Nor does the token that he knew.
    refused = victim.client.post("/language/", data={"csrf_token": token, "locale": "en"})
    assert refused.status_code == 400
    # Her session is all that was made; it goes again.
    made = {name: [row[0] for row in rows if row not in before[name]] for name, rows in house.dump().items()}
    assert {name: len(ids) for name, ids in made.items() if ids} == {"sessions": 1}
    with house.database.writing.connect() as connection:
        connection.execute(delete(SignedIn).where(SignedIn.id.in_(made["sessions"])))
        connection.commit()


def test_a_session_that_nobody_signed(house: House) -> None:
    held = house.browsers["admin"].client.get_cookie("session")
    assert held is not None
    payload, _, signature = held.value.rpartition(".")
    client = house.app.test_client()
    for value in (f"{payload}.", held.value[:-2], f"{payload[:-2]}.{signature}", "x", "", "..", "." * 3000, "\x00"):
        client.set_cookie("session", value)
        assert client.get("/accounts/").status_code == 302, value
    with house.browsers["admin"].client.session_transaction() as known:
        sid = known["sid"]
    wrong = URLSafeTimedSerializer("a key of somebody else's", salt="cookie-session").dumps({"sid": sid})
    client.set_cookie("session", str(wrong))
    assert client.get("/accounts/").status_code == 302
    # Nor does a number say who it is, or what the database keeps of a session, were they signed by ourselves.
    admin = house.world.account("admin")
    kept = (
        {"_user_id": str(admin), "_fresh": True},
        {"sid": admin},
        {"sid": fingerprint(sid)},
        {"sid": [sid]},
        {"sid": ""},
    )
    for told in kept:
        client = house.app.test_client()
        with client.session_transaction() as forged:
            forged.update(told)
        assert client.get("/accounts/").status_code == 302, told


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: Any, key: str, digest: str = "sha256") -> str:
    body = f"{b64(header)}.{b64(claims)}"
    return f"{body}.{b64(hmac.new(key.encode(), body.encode(), digest).digest())}"


def test_no_trick_makes_a_token(house: House) -> None:
    """Algorithm none, other keys, other algorithms, changed claims, keys by reference, ended, of another kind."""
    key = str(house.app.config["JWT_SECRET_KEY"])
    good = house.bearer("clerk")["Authorization"].removeprefix("Bearer ")
    head, body, signature = good.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    admin = str(house.world.account("admin"))
    sid = jwt.decode(house.bearer("admin")["Authorization"][7:], key, algorithms=["HS256"])["sid"]
    raised = {**claims, "sub": admin, "sid": sid}
    public = (ROOT / "static/look.css").read_text(encoding="utf-8")
    tricks = {
        "none": f"{b64({'alg': 'none', 'typ': 'JWT'})}.{b64(raised)}.",
        "None with the signature": f"{b64({'alg': 'None'})}.{b64(raised)}.{signature}",
        "no signature": f"{head}.{b64(raised)}.",
        "the signature of another": f"{head}.{b64(raised)}.{signature}",
        "another key": signed(header, raised, "x" * 48),
        "an empty key": signed(header, raised, ""),
        "a key by path": signed({**header, "kid": "../../static/look.css"}, raised, public),
        "an empty file as the key": signed({**header, "kid": "/dev/null"}, raised, ""),
        "a key in the header": signed({**header, "jwk": {"kty": "oct", "k": b64(b"x" * 48)}}, raised, "x" * 48),
        "a key from elsewhere": signed({**header, "jku": "http://evil.invalid/k"}, raised, "x" * 48),
        "another HS": signed({**header, "alg": "HS512"}, raised, key, "sha512"),
        "another hash than is said": signed(header, raised, key, "sha512"),
        "RS256 with our key": signed({**header, "alg": "RS256"}, raised, key),
        "ended": jwt.encode({**claims, "exp": int(time.time()) - 60, "iat": 1}, key),
        "not yet": jwt.encode({**claims, "nbf": int(time.time()) + 9999}, key),
        "another session": jwt.encode({**claims, "sid": "x"}, key),
        "no session": jwt.encode({n: v for n, v in claims.items() if n != "sid"}, key),
        "a session by number": jwt.encode({**claims, "sid": 1}, key),
        "what is kept of a session": jwt.encode({**claims, "sid": fingerprint(claims["sid"])}, key),
        "somebody else's name": jwt.encode({**claims, "sub": admin}, key),
        "somebody else's session": jwt.encode({**claims, "sid": sid}, key),
        "a refresh token": jwt.encode({**claims, "type": "refresh"}, key),
        "nobody": jwt.encode({**claims, "sub": "999999"}, key),
        "no number": jwt.encode({**claims, "sub": "1 OR 1=1"}, key),
        "a huge number": jwt.encode({**claims, "sub": "9" * 40}, key),
        "no subject": jwt.encode({n: v for n, v in claims.items() if n != "sub"}, key),
        "no object": signed(header, [1], key),
        "no JSON": f"{b64(b'x')}.{b64(b'x')}.x",
        "two in one": f"{good} {good}",
        "nothing": "",
        "dots": "...",
        "a token of the registry that is none": "yz_" + "a" * 43,
        "its hash": "yz_" + hashlib.sha256(house.secrets["admin", FULL].encode()).hexdigest(),
        "in part": house.secrets["admin", FULL][:-1],
        "in other letters": house.secrets["admin", FULL].swapcase(),
        "wild": "yz_%",
    }  # fmt: skip
    client = house.app.test_client()
    held = {n: client.get("/api/v1/cases/", headers={"Authorization": f"Bearer {t}"}) for n, t in tricks.items()}
    assert {n: a.status_code for n, a in held.items() if a.status_code != 401} == {}
    assert client.get("/api/v1/cases/", headers=house.bearer("clerk", BEARER)).status_code == 200
    # A good one in the wrong place is none, and beside a cookie the header alone counts.
    assert client.get(f"/api/v1/cases/?jwt={good}&access_token={good}").status_code == 401
    clerk = house.browsers["clerk"].client
    assert clerk.get("/api/v1/cases/", headers={"Authorization": f"Bearer {tricks['none']}"}).status_code == 401


# --- what is sent ----------------------------------------------------------------------------------------------------

EVIL = "Set-Cookie: evil=1"
BREAKS = ("\r\n", "\n", "\r", "%0d%0a", "\u2028", "\x0b", "\x85", "\r\n\r\n<script>")
OUTSIDE = (
    "//evil.invalid", "///evil.invalid", "////evil.invalid", "/\\evil.invalid", "\\\\evil.invalid", "/\t/evil.invalid",
    "https://evil.invalid", "HTTPS:evil.invalid", "https:/evil.invalid", "http:///evil.invalid", "javascript:alert(1)",
    "data:text/html,x", "/%09/evil.invalid/..//x\r\n", "/\x00/evil.invalid", " //evil.invalid", "/ /\\evil.invalid",
    "\t//evil.invalid", "evil.invalid", "//evil.invalid%2f..", "//user@evil.invalid", "/\u2028/evil.invalid", "//[::1]",
    "/\\/evil.invalid", "/.\\evil.invalid", "http:evil.invalid", "//%5cevil.invalid", "?next=//evil.invalid", "",
)  # fmt: skip


def leads_out(location: str) -> bool:
    plain = location.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "").strip()
    return not plain.startswith("/") or plain.startswith("//")


def test_no_next_leads_out_of_the_house_or_into_a_header(house: House) -> None:
    clerk, nobody = house.browsers["clerk"], house.browsers["anonymous"]
    pk = house.world.case("申请人红鲤")
    targets = [*OUTSIDE, *(f"/cases/{b}{EVIL}" for b in BREAKS), *(f"{b}//evil.invalid" for b in BREAKS)]
    for target in targets:
        answers = [
            clerk.get("/login/", query_string={"next": target}),
            clerk.post("/language/", {"locale": f"zh\r\n{EVIL}", "next": target}),
            clerk.post("/cases/do/accept", {"next": target}),
            clerk.post(f"/cases/{pk}/do/accept", {"next": target, "version": "99"}),
            clerk.post("/cases/views", {"name": f"x{target}" * 61, "query": target, "next": target}),
            nobody.get("/cases/", query_string={"next": target, "q": target}),
        ]
        for answer in answers:
            assert answer.status_code < 500, target
            assert "evil" not in answer.headers.get("Set-Cookie", ""), target
            assert all("evil=1" not in v for n, v in answer.headers if n != "Location"), target
            location = answer.headers.get("Location", "/")
            assert not leads_out(location), (target, location)
            assert "\n" not in location
            assert "\r" not in location


def test_a_host_that_is_not_ours_is_in_no_answer(house: House) -> None:
    """Links, redirects and what is copied from pages never carry the name that the request came under."""
    headers = {"X-Forwarded-Host": "evil.invalid", "X-Forwarded-Proto": "https", "X-Host": "evil.invalid"}
    paths = [
        "/",
        "/cases",
        "/cases/",
        "/login",
        "/login/",
        "/verify",
        "/verify/",
        "/account",
        "/api/v1/cases",
        "/x",
        "/health",
    ]
    paths += [f"/letters/{house.rows['letters'][0]}", "/api/v1/_openapi", "/tokens/", "/find"]
    for person in ("clerk", "anonymous"):
        for path in paths:
            answer = house.browsers[person].client.get(path, headers={**headers, "Host": "evil.invalid"})
            said = f"{answer.headers}{answer.get_data(as_text=True)}"
            assert "evil.invalid" not in said, (person, path)
            answer = house.browsers[person].client.get(path, headers=headers)
            assert "evil.invalid" not in f"{answer.headers}{answer.get_data(as_text=True)}", (person, path)


def test_no_path_leads_out_of_its_folder(house: House) -> None:
    clerk, secret = house.browsers["clerk"].client, str(house.app.config["SECRET_KEY"])
    ups = ("..", "%2e%2e", "..%2f..", "%2e%2e%2f", "..%5c", "....//", "..%252f", "/", "%2f", ".%00./..")
    for up in ups:
        for goal in ("config.py", "etc/passwd", "secret_key", "yizhan.db"):
            for base in ("/static/", "/letters/1/file/", "/verify/", "/import/", "/cases/pick/"):
                answer = clerk.get(f"{base}{up}/{goal}")
                assert answer.status_code in (301, 302, 308, 400, 404, 405), (base, up, goal)
                assert "root:" not in answer.get_data(as_text=True)
                assert secret not in answer.get_data(as_text=True)
    manager = house.browsers["manager"]
    for name in ("../../secret_key", "/etc/passwd", "../own-items", "x\x00", "own-items/../own-items"):
        for mapping in (name, f"own:{name}"):
            sent = {"file": (io.BytesIO(b"a\n1"), "../../evil.csv"), "mapping": mapping}
            assert manager.post("/import/items", sent, content_type="multipart/form-data").status_code == 400
    folder = house.app.config["APPLICATION"].instance
    assert not [*folder.rglob("*evil*"), *folder.parent.glob("*evil*")]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_a_body_beyond_measure_is_refused(house: House, kind: str) -> None:
    size = int(house.app.config["MAX_CONTENT_LENGTH"]) + 1
    clerk = house.browsers["clerk"]
    for path in ("/cases/new", "/api/v1/cases/", "/login/", "/import/items", "/api/v1/security/login", "/cases/draft"):
        headers = {"X-CSRFToken": clerk.token(), "Content-Type": kind}
        answer = clerk.client.post(path, data=b"x" * size, headers=headers)
        assert answer.status_code in (400, 403, 413, 422), path
        assert answer.status_code == 413 or kind == "text/plain" or path.startswith("/import"), (
            path,
            answer.status_code,
        )


def test_what_unfolds_is_refused_or_stays_folded(house: House) -> None:
    """Nobody unpacks what is sent; a form of a thousand fields, deep JSON, huge numbers and long names are refused."""
    clerk, manager = house.browsers["clerk"], house.browsers["manager"]
    headers = {"X-CSRFToken": clerk.token(), "Content-Encoding": "gzip", "Content-Type": "application/json"}
    bomb = gzip.compress(b"[" + b"0," * 20_000_000 + b"0]")
    assert len(bomb) < 1_000_000
    assert clerk.client.post("/api/v1/saved-views/", data=bomb, headers=headers).status_code == 422
    sent = {"file": (io.BytesIO(bomb), "bomb.csv"), "mapping": ""}
    assert manager.post("/import/items", sent, content_type="multipart/form-data").status_code == 422
    del headers["Content-Encoding"]
    bodies = ["[" * 100_000, '{"a":' * 50_000, "9" * 100_000, f'{{"name": {"9" * 5000}}}', '{"version": 1e999}', "NaN"]
    bodies += ['{"name": "a", "name": "b"}', f'{{"{"x" * 100_000}": 1}}', "\ufeff{}", '{"name": {"$gt": ""}}']
    for body in bodies:
        answer = clerk.client.post("/api/v1/saved-views/", data=body.encode(), headers=headers)
        assert answer.status_code in (400, 422), body[:20]
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    many = "".join([part.format("csrf_token", clerk.token()), *(part.format(n, "x") for n in range(5000)), "--x--\r\n"])
    for path in ("/cases/new", "/language/", "/cases/do/accept"):
        answer = clerk.client.post(path, data=many.encode(), content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 413, path
    assert clerk.get(f"/cases/?q={'x' * 200_000}").status_code == 200
    assert clerk.get("/cases/?" + "&".join(f"state=x{n}" for n in range(5000))).status_code == 200


# --- what is guessed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", STRANGERS)
def test_no_id_can_be_guessed(house: House, person: str) -> None:
    """Of all ids that there are, by page and by REST: those that open are those that the list tells, and no others."""
    browser = house.browsers[person]
    for name, model in registries().items():
        if not model.__admin__.scoped or name == "departments":
            continue
        told = browser.get(f"/api/v1/{name}/?size=100&fields=id&sort=-id").get_json()
        listed = {row["id"] for row in told.get("rows", ())}
        with house.database.engine.connect() as connection:
            table = inspect(model).local_table
            known = {*connection.scalars(select(table.c.id).order_by(table.c.id.desc()).limit(70))}
        known |= {pk + step for pk in known for step in (-1, 1)}
        listed &= known
        assert len(known) > len(listed), name
        for base in (f"/{name}/", f"/api/v1/{name}/"):
            opened_ = {pk for pk in known if browser.get(f"{base}{pk}").status_code == 200}
            assert opened_ == listed, (name, opened_ ^ listed)


def test_nobody_writes_a_column_that_is_not_open(house: House) -> None:
    """Every closed column of every registry, and some that no declaration knows, by each way that writes."""
    odd = {"id": 1, "password": "x", "secret_hash": "x", "typed": {}, "path": "/", "__class__": "x", "roles": [1]}
    wrong, driven = [], 0
    for name, model in registries().items():
        admin = model.__admin__
        known = specs(model)
        pk, version = house.rows[name]
        closed: dict[str, Any] = {n: s for n, s in known.items() if s.info.editable != "always"}
        granted = {verb for grant in admin.grants for verb in grant.words}
        for person in ("clerk", "admin", "manager"):
            browser = house.browsers[person]
            rest = {"X-CSRFToken": browser.token()}
            for column in (*closed, *(n for n in odd if n not in known or known[n].info.editable != "always")):
                value = lie(known.get(column), odd.get(column))
                asked: list[Any] = []
                if "edit" in granted:
                    asked.append(("PUT", f"/api/v1/{name}/{pk}", {"version": version, column: value}))
                if "add" in granted and (column not in known or known[column].info.editable == "never"):
                    asked.append(("POST", f"/api/v1/{name}/", {column: value}))
                asked += (
                    [
                        ("POST", f"/api/v1/{name}/{pk}/{s.name}", {"version": version, column: value})
                        for s in admin.steps
                        if s.name in granted and column not in s.asks and isinstance(value, str)
                    ][:1]
                    if name not in ("messages", "tokens", "accounts", "outbox")
                    else []
                )
                for method, path, body in asked:
                    driven += 1
                    answer = browser.client.open(path, method=method, json=body, headers=rest)
                    if answer.status_code not in (403, 404, 405, 409, 422):
                        wrong.append(f"{person} {method} {path} {body}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert driven > 500


def lie(spec: Any, odd: Any) -> Any:
    """A value of the right type that no row has."""
    if spec is None:
        return odd
    if spec.choices is not None:
        return [m.value for m in spec.choices][-1]
    kinds = {"integer": 987654, "reference": 1, "many": [1], "boolean": True, "json": ["x"], "date": "2031-01-01"}
    return kinds.get(spec.kind, "2031-01-01T00:00:00+08:00" if spec.kind == "moment" else "伪造")


def test_a_form_writes_its_own_fields_alone(house: House) -> None:
    """Sent along with a form as its owner sent it, closed columns stay as they are."""
    for name, person in (("cases", "colleague"), ("saved-views", "clerk")):
        model = registries()[name]
        pk, version = house.rows[name]
        sent = owners_form(house, model, pk)
        for column, spec in specs(model).items():
            if spec.info.editable != "always":
                value = lie(spec, None)
                sent[column] = [str(v) for v in value] if isinstance(value, list) else str(value)
        sent |= {"id": "1", "version": str(version), "created_by_id": "1"}
        answer = house.browsers[person].post(f"/{name}/{pk}/edit", sent)
        assert answer.status_code == 302, name  # nothing differs, so nothing is written: ``unchanged`` makes sure


# --- the database ----------------------------------------------------------------------------------------------------

SQL = (
    "' OR '1'='1", "' OR 1=1--", '" OR ""="', "1 OR 1=1", "'; DROP TABLE account;--", "%", "_", "%%", "\\", "/%", "*",
    "') UNION SELECT password FROM ab_user--", "' || (SELECT password FROM ab_user) || '", "1;SELECT pg_sleep(9)", "?",
    "'/**/OR/**/1=1#", "0x27", "%27%20OR%201=1", "\u02bc OR 1=1", "id) FROM ab_user --", "CASE WHEN 1=1 THEN id END",
    "NULL", "password", "owner.password", "owner_id.password", "__class__", "id,password", "-id;", "(select 1)", "-",
    "[a-z]", "--", "-id desc",
)  # fmt: skip


def test_search_filters_and_sorts_are_no_language(house: House) -> None:
    """Whatever stands in an address is a value: no more rows than one's own, no word of anybody else's, no error."""
    browser = house.browsers["outsider"]
    for name in ("cases", "accounts", "saved-views"):
        admin = registries()[name].__admin__
        own = browser.get(f"/api/v1/{name}/").get_json()["total"]
        arguments = ["q", "sort", "fields", "size", "page", "tab", "view", *admin.filter_names]
        arguments += [f"{n}{end}" for n in admin.filter_names for end in ("__from", "__to", "__empty", "__below")]
        for argument in arguments:
            for text in SQL if argument in ("q", "sort", "fields") else SQL[::4]:
                answer = browser.get(f"/api/v1/{name}/", query_string={argument: text})
                assert answer.status_code in (200, 422), (name, argument, text)
                if answer.status_code == 200:
                    assert answer.get_json()["total"] <= own, (name, argument, text)
                said = answer.get_data(as_text=True)
                assert "scrypt" not in said
                assert not house.leaks(said), (name, argument, text)
        for text in SQL[:16]:
            page = browser.get(f"/{name}/", query_string={"q": text, "sort": text})
            assert page.status_code == 200
            assert not house.leaks(page.get_data(as_text=True))
    with house.database.session(everything("test")) as s:
        assert s.scalar(select(registries()["accounts"].id).limit(1)) is not None


def test_a_wildcard_is_a_letter(house: House) -> None:
    """In the search ``%``, ``_`` and ``/`` stand for themselves, so they find nobody."""
    for text in ("%", "_", "__", "%%", "申请人_鹤", "申请人%", "/%", "\\%"):
        assert house.browsers["outsider"].get("/api/v1/cases/", query_string={"q": text}).get_json()["total"] == 0, text
    assert house.browsers["outsider"].get("/api/v1/cases/", query_string={"q": "申请人白鹤"}).get_json()["total"] == 1
    assert not sees("outsider", registries()["cases"].__admin__)
