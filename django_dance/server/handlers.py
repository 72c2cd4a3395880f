"""Wraps a site's view functions into the endpoints of a server.

:class:`~.authorization.AuthorizationServer` has a method for each of these functions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from oauthlib.oauth2 import OAuth2Error
from oauthlib.oauth2.rfc6749 import errors

from ..http import is_loopback
from . import client_documents, cors, parameters
from .callbacks import reject_coroutine
from .logins import lead_to_login, show_login
from .refusals import DESCRIPTIONS, describe, reason_of
from .responses import (
    Redirect,
    add_security_headers,
    authorization_response,
    error_page,
    json_error,
    json_response,
)
from .rows import ClientRow, is_active
from .signals import application_authorized, send_after_commit

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

View = Callable[..., Any]

#: The fields of a token response (RFC 6749 §5.1); a handler may add other fields.
_TOKEN_FIELDS = frozenset({"access_token", "token_type", "expires_in", "refresh_token", "scope"})


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """A valid authorization request (RFC 6749 §4.1.1): its client is known, and its redirect URI
    is one of the client's."""

    client: Any
    redirect_uri: str
    scopes: tuple[str, ...]
    response_type: str
    state: str | None
    prompts: frozenset[str]
    #: The largest number of seconds since the user's login; ``None`` if the request has none.
    max_age: int | None = None
    #: The resources that the token is for (RFC 8707); empty for a token that is for none.
    resources: tuple[str, ...] = ()
    #: A URI with the parameters of the request, for oauthlib.
    uri: str

    def mark_for(self, user: Any) -> str:
        """The value of a field in a form that asks this user: see :meth:`was_shown_to`."""
        # The document of a client may meanwhile have another name, or another redirect URI, which
        # the request need not name.
        client = self.client.client_id, ClientRow(self.client).name, self.redirect_uri
        shown = [user._meta.label_lower, str(user.pk), list(self.scopes), list(self.resources)]
        text = json.dumps([*shown, *client])
        return salted_hmac("django_dance.server.consent", text, algorithm="sha256").hexdigest()

    def was_shown_to(self, user: Any, mark: str) -> bool:
        """Whether this is the mark of a form that has asked this user about the same request.

        Since the form was shown, another user may have logged in, or the client may have got
        another name or another redirect URI.
        """
        return constant_time_compare(mark, self.mark_for(user))

    @property
    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of a view."""
        return {
            "client": self.client,
            "client_id": self.client.client_id,
            "redirect_uri": self.redirect_uri,
            "scopes": list(self.scopes),
            "response_type": self.response_type,
            "state": self.state,
            "asked": self,
        }


# --- the authorization endpoint (RFC 6749 §3.1) ---------------------------------------------------


def authorize_handler(server: AuthorizationServer, view: View) -> View:
    @login_not_required
    @csrf_protect
    @wraps(reject_coroutine(view, "authorize_handler"))
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if request.method == "GET" and _is_prefetch(request):
            # A prefetch is not a visit. Browsers do not store this response.
            return add_security_headers(HttpResponse(status=204))
        if client_documents.is_login_needed(server, request):
            return add_security_headers(show_login(request.get_full_path()))
        asked = None
        try:
            asked = _validate(server, request)
            login = lead_to_login(server, request, asked)
            if login is not None:
                return add_security_headers(login)
            answer = view(request, *args, **{**kwargs, **asked.keywords})
            if isinstance(answer, HttpResponseBase):
                return add_security_headers(answer)
            if not isinstance(answer, bool):
                raise TypeError(f"{view.__name__}() must return True, False or a response.")
            if request.method == "HEAD":
                # A code in the response to HEAD would be lost.
                return add_security_headers(HttpResponse())
            return _code_response(server, request, asked, answer)
        except errors.FatalClientError as error:
            return _error_response(server, request, error, None)
        except OAuth2Error as error:
            redirect_uri = asked.redirect_uri if asked else error.redirect_uri
            error.state = asked.state if asked else error.state
            if not (asked and request.method == "POST") and _is_open(request, redirect_uri):
                redirect_uri = None
            return _error_response(server, request, error, redirect_uri)

    return wrapper


def _is_open(request: HttpRequest, redirect_uri: str | None) -> bool:
    """Whether a stranger may have chosen the redirect URI, so that only the user may go there.

    With a wrong request such a client could send visitors of this site to a page of its choice
    (RFC 9700 §4.11.2). No stranger has a page on loopback.
    """
    client = vars(request).get("_oauth_client")
    return (
        client is not None
        and bool(ClientRow(client).registration)
        and not is_loopback(urlsplit(redirect_uri or "").hostname or "")
    )


def _is_prefetch(request: HttpRequest) -> bool:
    purposes = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    return any("prefetch" in purpose or "prerender" in purpose for purpose in purposes)


def _validate(server: AuthorizationServer, request: HttpRequest) -> AuthorizationRequest:
    params = parameters.authorization_parameters(request)
    uri = f"/?{urlencode(params)}"
    scopes, found = server.endpoints(request).validate_authorization_request(uri)
    return AuthorizationRequest(
        client=found["request"].client,
        redirect_uri=found["redirect_uri"],
        scopes=tuple(dict.fromkeys(scopes)),
        response_type=found["response_type"],
        state=found["state"],
        prompts=frozenset(params.get("prompt", "").split()),
        max_age=int(params["max_age"]) if "max_age" in params else None,
        resources=tuple(vars(found["request"]).get("resources", ())),
        uri=uri,
    )


def _code_response(
    server: AuthorizationServer, request: HttpRequest, asked: AuthorizationRequest, agreed: bool
) -> HttpResponseBase:
    user = server.user_of(request)
    if not user.is_authenticated:
        return show_login(request.get_full_path())
    if not agreed or not is_active(user):
        raise errors.AccessDeniedError
    code: Any = server.endpoints(request).create_authorization_response(
        asked.uri,
        scopes=list(asked.scopes),
        credentials={"user": user, "http_request": request},
    )
    send_after_commit(
        application_authorized,
        server,
        user=user,
        client=asked.client,
        scopes=list(asked.scopes),
        request=request,
    )
    params = [*code.items(), ("iss", server.issuer)]
    return authorization_response(request, asked.redirect_uri, params)


def _error_response(
    server: AuthorizationServer,
    request: HttpRequest,
    error: OAuth2Error,
    redirect_uri: str | None,
) -> HttpResponseBase:
    describe(error)
    logger.warning(
        "%s: authorization refused, %s: %s",
        server.name,
        error.error,
        reason_of(request, str(error.error), error.description),
        extra={"code": error.error, "server": server.name},
    )
    # RFC 9207 §2: every authorization response names the issuer.
    params = [(name, value) for name, value in (*error.twotuples, ("iss", server.issuer)) if value]
    handler = server.callbacks.optional("exception_handler")
    if handler is not None:
        url = redirect_uri and Redirect(redirect_uri, params, request.method).url
        response: HttpResponseBase = handler(error, url)
        return add_security_headers(response)
    if redirect_uri is None:
        return error_page(request, error)
    return authorization_response(request, redirect_uri, params)


# --- the endpoints for clients --------------------------------------------------------------------


def token_handler(server: AuthorizationServer, view: View) -> View:
    def answer(request: HttpRequest, form: dict[str, str], extra: Any) -> Any:
        if isinstance(extra, HttpResponseBase):
            return extra
        if extra and (own := _TOKEN_FIELDS & extra.keys()):
            raise ImproperlyConfigured(
                f"The token handler of {server.name!r} returned {', '.join(sorted(own))}. The "
                "server sets these fields: return other fields only."
            )
        if "grant_type" not in form:
            raise errors.InvalidRequestError("The grant_type is missing.")
        return server.endpoints(request).create_token_response("/", "POST", form, {}, extra)

    view = reject_coroutine(view, "token_handler")
    return _client_endpoint(server, view, parameters.TOKEN, answer)


def revoke_handler(server: AuthorizationServer, view: View) -> View:
    def answer(request: HttpRequest, form: Any, extra: Any) -> Any:
        return server.endpoints(request).create_revocation_response("/", "POST", form, {})

    view = reject_coroutine(view, "revoke_handler")
    return _client_endpoint(server, view, parameters.ABOUT_A_TOKEN, answer)


def introspect_handler(server: AuthorizationServer, view: View) -> View:
    def answer(request: HttpRequest, form: Any, extra: Any) -> Any:
        return server.endpoints(request).create_introspect_response("/", "POST", form, {})

    view = reject_coroutine(view, "introspect_handler")
    return _client_endpoint(server, view, parameters.ABOUT_A_TOKEN, answer, is_open=False)


def _client_endpoint(
    server: AuthorizationServer,
    view: View,
    names: frozenset[str],
    answer: Callable[[HttpRequest, dict[str, str], Any], Any],
    *,
    is_open: bool = True,
) -> View:
    """An endpoint that a client posts a form to.

    :param view: the site's view. It is called after the form is read.
    :param names: the parameters that are read; others are ignored.
    :param answer: called with the request, the form and the result of the view. It returns a
        response, or oauthlib's headers, body and status.
    :param is_open: clients in browsers may use the endpoint.
    """

    def log(request: HttpRequest, error: str, description: str) -> None:
        logger.warning(
            "%s: %a refused, %s: %s",
            server.name,
            request.path,
            error,
            reason_of(request, error, description),
            extra={"code": error, "server": server.name},
        )

    @csrf_exempt
    @login_not_required
    @sensitive_post_parameters()
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "OPTIONS" and is_open and server.option("browser_clients"):
            return cors.preflight("POST")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        response = respond(request, *args, **kwargs)
        if not is_open:
            return response
        return cors.allow_client(server, request, response, vars(request).get("_oauth_client"))

    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            form = parameters.form_parameters(request, names)
            answered = answer(request, form, view(request, *args, **kwargs))
        except OAuth2Error as error:
            describe(error)
            log(request, str(error.error), error.description)
            return json_error(error, server.name)
        if isinstance(answered, HttpResponseBase):
            return answered
        headers, body, status = answered
        if status >= 400:
            fields = json.loads(body)
            # oauthlib repeats a state, which no client sends to these endpoints.
            fields.pop("state", None)
            fields.setdefault("error_description", DESCRIPTIONS.get(fields["error"], ""))
            body = json.dumps(fields)
            log(request, fields["error"], fields["error_description"])
        response = json_response(body, status, server.name)
        if "Retry-After" in headers:
            response["Retry-After"] = headers["Retry-After"]
        return response

    return wrapper
