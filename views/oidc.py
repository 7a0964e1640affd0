"""Unified sign-in over OpenID Connect, by Authlib: code flow with state, nonce and PKCE.

flask-appbuilder's own AUTH_OAUTH takes the place of passwords instead of standing beside them, registers strangers, and
asks neither for a nonce nor for PKCE; so its machinery is not used. Who comes back is an existing account, or nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from flask import Flask, abort, current_app, request, session, url_for
from requests import RequestException

from config import Config
from views.security import settings

log = logging.getLogger(__name__)
PATIENCE = 10  # seconds, for the provider's answers


@dataclass(frozen=True)
class Told:
    """Whom the provider names; nobody where it refused, or its answer did not hold."""

    username: str = ""


def install(app: Flask, config: Config) -> None:
    if not config.oidc_issuer:
        return
    from authlib.integrations.flask_client import OAuth  # 10 MB for those who have a provider

    oauth = OAuth(app)
    oauth.register(
        "unified",
        client_id=config.oidc_client_id,
        client_secret=config.oidc_client_secret,
        server_metadata_url=f"{config.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile", "code_challenge_method": "S256", "default_timeout": PATIENCE},
    )
    app.extensions["yizhan_oidc"] = oauth.unified


def name() -> str:
    """What the button says; empty where there is no provider."""
    return settings().oidc_name if "yizhan_oidc" in current_app.extensions else ""


def _client() -> Any:
    if "yizhan_oidc" not in current_app.extensions:
        abort(404)
    return current_app.extensions["yizhan_oidc"]


def leave(target: str) -> Any:
    client = _client()
    session["unified_target"] = target
    try:
        return client.authorize_redirect(f"{settings().address}{url_for('SignIn.back')}")
    except RequestException:
        log.exception("the OpenID Connect provider does not answer")
        abort(503)


def come_back() -> Told:
    """Authlib compares state and nonce, fetches the token with the verifier, checks signature, issuer and audience."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    client = _client()
    try:
        told = client.authorize_access_token()
    except (AuthlibBaseError, JoseError, RequestException, ValueError) as error:
        log.warning("unified sign-in refused: %s", error)
        return Told()
    finally:
        for key in [key for key in session if key.startswith("_state_unified_")]:
            session.pop(key)
    claims = told.get("userinfo") or {}
    found = claims.get("preferred_username")
    if not isinstance(found, str) or not found or request.args.get("error"):
        log.warning("unified sign-in refused: no preferred_username")
        return Told()
    return Told(found[:128])
