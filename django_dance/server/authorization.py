"""AuthorizationServer: what a site registers, and the endpoints and protected views it gets."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from inspect import isawaitable, unwrap
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit
from weakref import WeakSet

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings as django_settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.module_loading import import_string
from django.utils.translation import get_supported_language_variant, override
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from oauthlib.oauth2 import OAuth2Error
from oauthlib.oauth2.rfc6749 import errors

from ..cache import cache_name
from . import parameters
from .bindings import ClientBinding
from .callbacks import Registration, plain
from .conf import OPTIONS, settings
from .endpoints import Protocol
from .resource_protector import kept_out, verified
from .responses import Redirect, error_page, guarded, json_error, json_response, varied
from .rows import is_active
from .validator import Validator

if TYPE_CHECKING:
    from .grants import GrantCache

logger = logging.getLogger("django_dance.server")

View = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])

#: Every server there is, for the system checks.
servers: WeakSet[AuthorizationServer] = WeakSet()

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
#: What a token answer says itself (RFC 6749 §5.1); a handler may add other fields.
_OWN_FIELDS = frozenset({"access_token", "token_type", "expires_in", "refresh_token", "scope"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A valid authorization request: by a client that is known, to a place that is the client's."""

    client: Any
    redirect_uri: str
    scopes: tuple[str, ...]
    response_type: str
    state: str | None
    prompts: frozenset[str]
    uri: str

    @property
    def keywords(self) -> dict[str, Any]:
        """What a view is given."""
        return {
            "client": self.client,
            "client_id": self.client.client_id,
            "redirect_uri": self.redirect_uri,
            "scopes": list(self.scopes),
            "response_type": self.response_type,
            "state": self.state,
            "asked": self,
        }


class AuthorizationServer(Registration):
    """Gives applications tokens for what this site's users let them have (RFC 6749).

    :param name: the namespace of its URLs; its codes, tokens and consents bear it.
    :param validator_class: a subclass of :class:`~.validator.Validator`.
    :param options: the settings ``DANCE_SERVER_…``, in lower case, for this server alone.
    """

    #: The views behind its URLs, or their dotted paths.
    authorize_view: Any = "django_dance.server.views.AuthorizeView"
    token_view: Any = "django_dance.server.views.TokenView"  # noqa: S105
    revoke_view: Any = "django_dance.server.views.RevokeView"
    introspect_view: Any = "django_dance.server.views.IntrospectView"
    metadata_view: Any = "django_dance.server.views.MetadataView"
    applications_view: Any = "django_dance.server.views.ApplicationsView"

    def __init__(
        self,
        name: str = "oauth_server",
        *,
        validator_class: type[Validator] = Validator,
        **options: Any,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ImproperlyConfigured(
                f"{name!r} is no name for a server: it takes lower-case letters, digits, hyphens "
                "and underscores, a letter first, and 50 characters at the most."
            )
        unknown = options.keys() - OPTIONS
        if unknown:
            raise ImproperlyConfigured(
                f"AuthorizationServer has no option {', '.join(sorted(unknown))}. "
                f"There are {', '.join(sorted(OPTIONS))}."
            )
        super().__init__()
        self.name = name
        self._options = options
        self._validator_class = validator_class
        #: What :func:`~.grants.bind_cache_grant` has bound, for the system checks.
        self.grant_cache: GrantCache | None = None
        servers.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    # --- options --------------------------------------------------------------------------------

    def option(self, name: str) -> Any:
        """What the server was made with, or else the setting of now."""
        return self._options[name] if name in self._options else getattr(settings, name)

    @property
    def issuer(self) -> str:
        """RFC 8414 §2. Never taken from a request, whose Host anybody can write."""
        issuer = self.option("issuer")
        if not issuer:
            raise ImproperlyConfigured(
                f"The server {self.name!r} does not know its own address: set DANCE_SERVER_ISSUER "
                'to the site\'s public https address, such as "https://example.com".'
            )
        return str(issuer)

    @property
    def scopes(self) -> Mapping[str, str]:
        """Each scope there is, and what it lets an application do, for the consent page."""
        scopes: Mapping[str, str] = self.option("scopes")
        return scopes

    @property
    def access_token_lifetime(self) -> int:
        return int(self.option("access_token_lifetime"))

    @property
    def refresh_token_lifetime(self) -> int:
        return int(self.option("refresh_token_lifetime"))

    @property
    def code_lifetime(self) -> int:
        return int(self.option("code_lifetime"))

    @property
    def database(self) -> str:
        """Where codes are used up and tokens stored, in one transaction. Override it for another
        alias."""
        return DEFAULT_DB_ALIAS

    def cache_name(self, *parts: str) -> str:
        """The part of a cache key that no other server, issuer, database, tenant or site shares.

        :raises ImproperlyConfigured: the server does not know its issuer.
        """
        return cache_name(self.database, self.name, self.issuer, *parts)

    # --- for subclasses -------------------------------------------------------------------------

    def current_user(self, request: HttpRequest) -> Any:
        """Who is logged in; ``bind_models`` can name another function for it."""
        return request.user

    def may_introspect(self, client: Any, token: Any) -> bool:
        """Whether a client may be told about a token: about its own, unless this is overridden."""
        return bool(client.client_id == token.client_id)

    # --- what the parts of the server ask -------------------------------------------------------

    def user_of(self, request: HttpRequest) -> Any:
        who: Callable[..., Any] = self._functions.get("current_user", self.current_user)
        user = who(request)
        if user is None:
            from django.contrib.auth.models import AnonymousUser

            return AnonymousUser()
        return user

    def client_of(self, token: Any) -> Any:
        getter = self.getter("clientgetter")
        # A getter of the site's own may know reasons to know a client no longer.
        if isinstance(getattr(getter, "__self__", None), ClientBinding):
            client = getattr(token, "client", None)
            if client is not None:
                return client
        return getter(token.client_id)

    def protocol(self) -> Protocol:
        self.require_all()
        return Protocol(
            self._validator_class(self),
            expires_in=self.access_token_lifetime,
            token_generator=_imported(self.option("token_generator")),
            refresh_token_generator=_imported(self.option("refresh_token_generator")),
            password_grant=self.password_grant,
        )

    @property
    def password_grant(self) -> bool:
        """Off unless asked for: RFC 9700 §2.4 says that it must not be used."""
        allowed = self.option("allow_password_grant") is True
        return allowed and self.optional("usergetter") is not None

    # --- the authorization endpoint (RFC 6749 §3.1) ---------------------------------------------

    def authorize_handler(self, view: View) -> View:
        """For the consent page. What is asked is validated before the view is called, for GET and
        for POST alike, and given to it as ``client``, ``client_id``, ``scopes``, ``redirect_uri``,
        ``response_type``, ``state``, and all together as ``asked``.

        The view returns ``True`` to grant it, ``False`` to deny it, or a response.
        """

        @login_not_required
        @csrf_protect
        @wraps(plain(view, "authorize_handler"))
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in ("GET", "HEAD", "POST"):
                return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
            asked = None
            try:
                asked = self._asked(request)
                answer = view(request, *args, **{**kwargs, **asked.keywords})
                if isinstance(answer, HttpResponseBase):
                    return guarded(answer)
                if not isinstance(answer, bool):
                    raise TypeError(f"{view.__name__}() must return True, False or a response.")
                if request.method == "HEAD":
                    return guarded(HttpResponse())  # nobody reads a code that is sent to it
                return self._answered(request, asked, answer)
            except errors.FatalClientError as error:
                return self._refused(request, error, None)
            except OAuth2Error as error:
                redirect_uri = asked.redirect_uri if asked else error.redirect_uri
                error.state = asked.state if asked else error.state
                return self._refused(request, error, redirect_uri)

        return wrapper

    def _asked(self, request: HttpRequest) -> Asked:
        params = parameters.authorization_parameters(request)
        uri = f"/?{urlencode(params)}"
        scopes, found = self.protocol().validate_authorization_request(uri)
        return Asked(
            client=found["request"].client,
            redirect_uri=found["redirect_uri"],
            scopes=tuple(dict.fromkeys(scopes)),
            response_type=found["response_type"],
            state=found["state"],
            prompts=frozenset(params.get("prompt", "").split()),
            uri=uri,
        )

    def _answered(self, request: HttpRequest, asked: Asked, agreed: bool) -> HttpResponseBase:
        user = self.user_of(request)
        if not user.is_authenticated:
            from django.contrib.auth.views import redirect_to_login  # it has models

            return redirect_to_login(request.get_full_path())
        if not agreed or not is_active(user):
            raise errors.AccessDeniedError
        code: Any = self.protocol().create_authorization_response(
            asked.uri,
            scopes=list(asked.scopes),
            credentials={"user": user, "http_request": request},
        )
        params = [*code.items(), ("iss", self.issuer)]
        return Redirect(asked.redirect_uri, params, request.method)

    def _refused(
        self, request: HttpRequest, error: OAuth2Error, redirect_uri: str | None
    ) -> HttpResponseBase:
        logger.warning("%s: authorization refused, %s", self.name, error.error)
        redirect = None
        if redirect_uri is not None:
            # RFC 9207 §2: who answers, in every answer.
            params = [*error.twotuples, ("iss", self.issuer)]
            redirect = Redirect(
                redirect_uri, [(name, value) for name, value in params if value], request.method
            )
        handler = self.optional("exception_handler")
        if handler is not None:
            response: HttpResponseBase = handler(error, redirect and redirect.url)
            return guarded(response)
        return redirect or error_page(request, error)

    # --- the endpoints for clients --------------------------------------------------------------

    def token_handler(self, view: View) -> View:
        """For the token endpoint (RFC 6749 §3.2). The view returns fields to add to the answer, or
        ``None``, or a response to send instead."""

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            form = parameters.form_parameters(request, parameters.TOKEN)
            extra = view(request, *args, **kwargs)
            if isinstance(extra, HttpResponseBase):
                return extra
            if extra and (own := _OWN_FIELDS & extra.keys()):
                raise ImproperlyConfigured(
                    f"The token handler of {self.name!r} returned {', '.join(sorted(own))}, which "
                    "the server states itself: return other fields only."
                )
            if "grant_type" not in form:
                raise errors.InvalidRequestError("The grant_type is missing.")
            return self.protocol().create_token_response("/", "POST", form, {}, extra)

        return self._endpoint(plain(view, "token_handler"), answer)

    def revoke_handler(self, view: View) -> View:
        """For the revocation endpoint (RFC 7009). What the view returns is ignored."""

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            form = parameters.form_parameters(request, parameters.ABOUT_A_TOKEN)
            view(request, *args, **kwargs)
            return self.protocol().create_revocation_response("/", "POST", form, {})  # type: ignore[arg-type]

        return self._endpoint(plain(view, "revoke_handler"), answer)

    def introspect_handler(self, view: View) -> View:
        """For the introspection endpoint (RFC 7662). What the view returns is ignored."""

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            form = parameters.form_parameters(request, parameters.ABOUT_A_TOKEN)
            view(request, *args, **kwargs)
            return self.protocol().create_introspect_response("/", "POST", form, {})  # type: ignore[arg-type]

        return self._endpoint(plain(view, "introspect_handler"), answer)

    def _endpoint(self, view: View, answer: View) -> View:
        @csrf_exempt
        @login_not_required
        @sensitive_post_parameters()
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            try:
                answered = answer(request, *args, **kwargs)
            except OAuth2Error as error:
                logger.warning("%s: %a refused, %s", self.name, request.path, error.error)
                return json_error(error, self.name)
            if isinstance(answered, HttpResponseBase):
                return answered
            _, body, status = answered
            if status >= 400:
                body = _without_state(body)
                error_code = json.loads(body)["error"]
                logger.warning("%s: %a refused, %s", self.name, request.path, error_code)
            return json_response(body, status, self.name)

        return wrapper

    # --- protected views ------------------------------------------------------------------------

    def require_oauth(self, *scopes: str, any: bool = False) -> Callable[[F], F]:
        """Let only requests in whose token was granted all ``scopes``; with ``any``, one of them.

        The view finds ``request.oauth_token``, and ``request.user`` is who granted it, whoever's
        session cookie comes along.
        """
        if not all(isinstance(scope, str) for scope in scopes):
            raise TypeError('Call it, with scopes or without: @server.require_oauth("email").')

        def decorator(view: F) -> F:
            @wraps(view)
            async def async_wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                response: Any = await sync_to_async(kept_out)(self, request, scopes, any)
                if response is None:
                    response = view(request, *args, **kwargs)
                    if isawaitable(response):
                        response = await response
                return varied(response)

            @wraps(view)
            def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                response: Any = kept_out(self, request, scopes, any)
                return varied(view(request, *args, **kwargs) if response is None else response)

            # A bearer token is sent by who has it, not by a browser that is led to.
            protected = async_wrapper if _is_async(view) else wrapper
            return cast("F", csrf_exempt(login_not_required(protected)))

        return decorator

    def verify_request(
        self, request: HttpRequest, scopes: Iterable[str] = (), *, any: bool = False
    ) -> tuple[bool, HttpRequest]:
        """Whether the request may do what takes these scopes, without the hooks.

        ``request.oauth_token`` is its token, or ``None`` if it has none that is good;
        ``request.error_message`` says what is wrong. ``request.user`` stays who is logged in. Ask
        as often as you like: the token is looked up once.
        """
        return verified(self, request, scopes, any) is None, request

    # --- URLs -----------------------------------------------------------------------------------

    @property
    def urls(self) -> tuple[list[URLPattern], str]:
        """The routes of its views, for ``include()``; the namespace is its name."""
        return [
            path("authorize/", self.view("authorize"), name="authorize"),
            path("token/", self.view("token"), name="token"),
            path("revoke/", self.view("revoke"), name="revoke"),
            path("introspect/", self.view("introspect"), name="introspect"),
            path("applications/", self.view("applications"), name="applications"),
            path(".well-known/oauth-authorization-server", self.view("metadata"), name="metadata"),
        ], self.name

    def view(self, name: str, **initkwargs: Any) -> Any:
        """One of its views, for a route of your own: ``authorize``, ``token`` and so on.

        :param initkwargs: for the view. ``metadata`` takes the ``namespace`` where :attr:`urls` are
            included, if that is within another: ``namespace="api:oauth_server"``.
        """
        return _imported(getattr(self, f"{name}_view")).as_view(server=self, **initkwargs)

    def url(self, name: str, namespace: str = "") -> str:
        """The public address of one of its views. The origin is the issuer's."""
        issuer = urlsplit(self.issuer)
        namespace = namespace or self.name
        try:
            # Under i18n_patterns() an address has a language. RFC 8414 §3.2 has one answer for all.
            with override(_language()):
                route = reverse(f"{namespace}:{name}")
        except NoReverseMatch as error:
            raise ImproperlyConfigured(
                f"The URLs of the server {self.name!r} are not included as {namespace!r}: "
                'path("oauth/", include(server.urls)). If they are within another namespace, name '
                f'it: server.view("metadata", namespace="outer:{self.name}").'
            ) from error
        return f"{issuer.scheme}://{issuer.netloc}{route}"

    def metadata(self, namespace: str = "") -> dict[str, Any]:
        """RFC 8414 §2."""
        methods = ["client_secret_basic", "client_secret_post", "none"]
        grants = ["authorization_code", "refresh_token", "client_credentials"]
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("authorize", namespace),
            "token_endpoint": self.url("token", namespace),
            "revocation_endpoint": self.url("revoke", namespace),
            "introspection_endpoint": self.url("introspect", namespace),
            "scopes_supported": sorted(self.scopes),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [*grants, *(["password"] if self.password_grant else [])],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": methods[:2],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }


def _language() -> str:
    """The language of an address of a site where nobody has chosen one."""
    language = django_settings.LANGUAGE_CODE
    _, prefixed = is_language_prefix_patterns_used(django_settings.ROOT_URLCONF)
    return get_supported_language_variant(language) if prefixed else language


def _is_async(view: View) -> bool:
    if iscoroutinefunction(view):
        return True
    # The dispatch() of an async class is a plain function; method_decorator() binds it so.
    bound = unwrap(view, stop=lambda f: isinstance(f, partial))
    of = getattr(getattr(bound, "func", None), "__self__", None)
    return bool(getattr(of, "view_is_async", False))


def _imported(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(f"{value!r} cannot be imported: {error}.") from error


def _without_state(body: str) -> str:
    """oauthlib repeats a ``state`` in errors, where the client has not to send one."""
    fields = json.loads(body)
    fields.pop("state", None)
    return json.dumps(fields)
