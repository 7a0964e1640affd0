"""flask-appbuilder's security manager with our user table, our sign-in and permissions read once per request; and its
sign-in for REST behind the same entrance as the page."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, jsonify, request
from flask_appbuilder.api import expose, safe
from flask_appbuilder.security.api import SecurityApi as FabSecurityApi
from flask_appbuilder.security.schemas import login_post
from flask_appbuilder.security.sqla.manager import SecurityManager as FabSecurityManager
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
from flask_login import LoginManager
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from models.access import Person
from models.account import Account
from views import entrance, security
from views.display import gettext


class SecurityApi(FabSecurityApi):
    """Interactive use of REST: a user name and a password for tokens that live as long as their session does."""

    # flask-appbuilder finds it by this name.
    class_permission_name = "SecurityApi"
    endpoint = "SecurityApi"

    @expose("/login", methods=["POST"])
    @safe
    def login(self) -> Any:
        """A JWT for a user name and a password
        ---
        post:
          description: >-
            Authenticate and get a JWT access and refresh token. Accounts with a second factor use the registry of
            tokens instead.
          requestBody:
            required: true
            content:
              application/json:
                schema:
                  type: object
                  properties:
                    username:
                      description: The username for authentication
                      type: string
                    password:
                      description: The password for authentication
                      type: string
                    provider:
                      description: Always db
                      type: string
                      enum:
                      - db
                    refresh:
                      description: If true a refresh token is provided also
                      type: boolean
          responses:
            200:
              description: Authentication Successful
              content:
                application/json:
                  schema:
                    type: object
                    properties:
                      access_token:
                        type: string
                      refresh_token:
                        type: string
            400:
              $ref: '#/components/responses/400'
            401:
              $ref: '#/components/responses/401'
            403:
              $ref: '#/components/responses/403'
            429:
              description: Too many attempts; Retry-After says for how long nothing is looked at
        """
        if not request.is_json:
            return self.response_400(message="Request payload is not JSON")
        try:
            given = login_post.load(request.json)
        except ValidationError as error:
            return self.response_400(message=error.messages)
        if given["provider"] != "db":
            return self.response_400(message="provider: db")
        found = entrance.check_password(given["username"], given["password"])
        if found.until is not None:
            wait = entrance.wait_words(found.until)
            words = gettext("Too many attempts. Please try again in %(wait)s.", wait=wait)
            return refused(429, "paused", words, entrance.retry_after(found.until))
        person = security.find_person(found.account_id) if found.account_id is not None else None
        if person is None:
            return refused(401, "unauthorised", gettext("User name or password is wrong."))
        if person.has_second_factor:
            words = gettext("This account has a second factor. Please use a REST token instead.")
            return refused(403, "second_factor", words)
        g.sid = entrance.let_program_in(person.id)
        told = {"access_token": create_access_token(identity=str(person.id), fresh=True)}
        if given.get("refresh"):
            told["refresh_token"] = create_refresh_token(identity=str(person.id))
        return self.response(200, **told)


def refused(status: int, code: str, words: str, headers: dict[str, str] | None = None) -> Response:
    answer = jsonify({"problems": [{"field": None, "code": code, "message": words}]})
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


class SecurityManager(FabSecurityManager):
    user_model = Account
    security_api = SecurityApi

    def register_views(self) -> None:
        """Tokens for REST; our sign-in page is there already. Both are limited: they take passwords."""
        api = self.appbuilder.add_api(self.security_api)
        for view in (self.auth_view, api):
            self.limiter.limit(self.auth_rate_limit)(view.blueprint)

    def create_login_manager(self, app: Flask) -> LoginManager:
        manager = super().create_login_manager(app)
        manager.request_loader(lambda _request: g.get("person"))
        return manager

    def load_user(self, pk: Any) -> None:
        """Nobody is known by a number in a cookie: only a living session says who it is (views/security.py)."""

    def create_jwt_manager(self, app: Flask) -> JWTManager:
        manager = super().create_jwt_manager(app)
        manager.additional_claims_loader(lambda _identity: {"sid": g.get("sid")})
        return manager

    def load_user_jwt(self, _header: Any, data: dict[str, Any]) -> Person | None:
        """Nobody, once the session that the token was got with has ended."""
        found = security.find_visit(data.get("sid"))
        if found is None or str(found.person.id) != str(data["sub"]):
            return None
        g.sid, g.visit = data["sid"], found
        return found.person

    def has_access(self, permission_name: str, view_name: str) -> bool:
        person: Person | None = g.get("person")
        return person is not None and any(
            (p, v) == (permission_name, view_name) for r, p, v in person.permissions if r in person.roles
        )

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        return False

    def auth_user_db(self, username: str, password: str) -> Any:
        """Whatever of flask-appbuilder asks for a password asks at our entrance."""
        found = entrance.check_password(username or "", password or "")
        return security.find_person(found.account_id) if found.account_id is not None else None

    @staticmethod
    def before_request() -> None:
        """Ours runs in views/security.py, in an order of its own."""
