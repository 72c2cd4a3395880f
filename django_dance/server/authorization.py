"""AuthorizationServer: the options, functions, endpoints and protected views of one server."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from django.conf import settings as django_settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, router
from django.http import HttpRequest
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.translation import get_supported_language_variant, override

from ..cache import cache_name
from ..conf import import_if_path, require_app
from . import handlers, issuing, revocation
from .bindings import ClientBinding, TokenBinding
from .callbacks import Callbacks, reject_coroutine
from .conf import OPTIONS, settings
from .endpoints import Endpoints
from .resource_protector import ResourceProtector
from .resources import canonical
from .rows import ClientRow
from .validator import Validator

if TYPE_CHECKING:
    from .access_tokens import AccessToken
    from .grants import GrantCache

logger = logging.getLogger("django_dance.server")

View = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])

#: All servers of the process, for the system checks.
servers: WeakSet[AuthorizationServer] = WeakSet()

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")


class AuthorizationServer:
    """Issues tokens to applications, with which they access the data of users (RFC 6749).

    :param name: the namespace of its URLs. Its codes, tokens and consents store this name.
    :param validator_class: a subclass of :class:`~.validator.Validator`.
    :param options: options of this server that replace the settings ``DANCE_SERVER_…``: the name
        of a setting in lower case, without ``DANCE_SERVER_``.
    :raises ImproperlyConfigured: the name is invalid, or there is no such option.
    """

    #: The views behind its URLs, or their dotted paths.
    authorize_view: Any = "django_dance.server.views.AuthorizeView"
    token_view: Any = "django_dance.server.views.TokenView"  # noqa: S105
    revoke_view: Any = "django_dance.server.views.RevokeView"
    introspect_view: Any = "django_dance.server.views.IntrospectView"
    resource_metadata_view: Any = "django_dance.server.views.ResourceMetadataView"
    metadata_view: Any = "django_dance.server.views.MetadataView"
    register_view: Any = "django_dance.server.views.RegisterView"
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
                f"{name!r} is not a valid name for a server: use at most 50 lower-case letters, "
                "digits, hyphens and underscores, and begin with a letter."
            )
        unknown = options.keys() - OPTIONS
        if unknown:
            raise ImproperlyConfigured(
                f"AuthorizationServer has no option {', '.join(sorted(unknown))}. "
                f"There are {', '.join(sorted(OPTIONS))}."
            )
        self.name = name
        #: The protected resources of the views, each with the scopes that they need.
        self.resources: dict[str, set[str]] = {}
        self.callbacks = Callbacks(self, AuthorizationServer)
        self.protector = ResourceProtector(self)
        self._options = options
        self._validator_class = validator_class
        #: Set by :func:`~.grants.bind_cache_grant`, for the system checks.
        self.grant_cache: GrantCache | None = None
        servers.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    # --- options ----------------------------------------------------------------------------------

    def option(self, name: str) -> Any:
        """The option with this name, or the current value of the setting."""
        return self._options[name] if name in self._options else getattr(settings, name)

    @property
    def issuer(self) -> str:
        """The issuer (RFC 8414 §2). The request is not used: any client can send any ``Host``.

        :raises ImproperlyConfigured: there is none.
        """
        issuer = self.option("issuer")
        if not issuer:
            raise ImproperlyConfigured(
                f"The server {self.name!r} has no issuer: set DANCE_SERVER_ISSUER to the public "
                'https URL of the site, such as "https://example.com".'
            )
        return str(issuer)

    @property
    def scopes(self) -> Mapping[str, str]:
        """Each scope with a description for the consent page: the access that it gives."""
        scopes: Mapping[str, str] = self.option("scopes")
        return scopes

    @property
    def open_scopes(self) -> tuple[str, ...]:
        """The scopes that clients may ask for which this site has not registered."""
        return tuple(self.option("open_scopes"))

    def may_request(self, client: Any, scopes: Iterable[str]) -> bool:
        """Whether the server knows all of these scopes, and the client may request them."""
        row, wanted = ClientRow(client), list(scopes)
        if row.registration and not set(wanted) <= set(self.open_scopes):
            return False
        return row.may_request(wanted, self.scopes)

    @property
    def access_token_lifetime(self) -> int:
        """Seconds from the issue of an access token, if all clients have the same."""
        return int(self.option("access_token_lifetime"))

    @property
    def refresh_token_lifetime(self) -> int:
        """Seconds from the consent of the user, if all clients have the same."""
        return int(self.option("refresh_token_lifetime"))

    def lifetime(self, name: str, client: Any) -> int:
        """The seconds that a token of this client lives.

        :param name: ``access_token_lifetime`` or ``refresh_token_lifetime``. The option is a number
            or a function of the client.
        """
        value = import_if_path(self.option(name), name)
        return int(value(client) if callable(value) else value)

    @property
    def code_lifetime(self) -> int:
        """Seconds from the issue of a code that a table stores."""
        return int(self.option("code_lifetime"))

    @property
    def database(self) -> str:
        """The alias of the database of codes and tokens. A subclass can override it.

        The server marks a code as used and stores its tokens in one transaction. By default it is
        the database to which the router writes the tokens of ``bind_models()``.
        """
        binding = getattr(self.callbacks.functions.get("tokensetter"), "__self__", None)
        if isinstance(binding, TokenBinding):
            return router.db_for_write(binding.model)
        return DEFAULT_DB_ALIAS

    def cache_name(self, *parts: str) -> str:
        """The part of a cache key that names this server, issuer, database, tenant and site.

        :raises ImproperlyConfigured: the server does not know its issuer.
        """
        return cache_name(self.database, self.name, self.issuer, *parts)

    # --- functions of the site --------------------------------------------------------------------

    def clientgetter(self, f: F) -> F:
        """``f(client_id)`` returns the client, or ``None``."""
        return self.callbacks.register("clientgetter", f)

    def usergetter(self, f: F) -> F:
        """``f(username, password, client, request)`` returns the user, or ``None``."""
        return self.callbacks.register("usergetter", f)

    def tokengetter(self, f: F) -> F:
        """``f(access_token=None, refresh_token=None)`` returns the token, or ``None``."""
        return self.callbacks.register("tokengetter", f)

    def tokensetter(self, f: F) -> F:
        """``f(token, request)`` stores an issued token."""
        return self.callbacks.register("tokensetter", f)

    def tokenrevoker(self, f: F) -> F:
        """``f(family=None, user=None, client_id=None)`` revokes all tokens that match."""
        return self.callbacks.register("tokenrevoker", f)

    def grantgetter(self, f: F) -> F:
        """``f(client_id, code)`` returns the authorization code, or ``None``."""
        return self.callbacks.register("grantgetter", f)

    def grantsetter(self, f: F) -> F:
        """``f(client_id, code, request)`` stores ``code["code"]``, for ``request.user``."""
        return self.callbacks.register("grantsetter", f)

    def grantrevoker(self, f: F) -> F:
        """``f(user, client_id)`` revokes the codes that are not redeemed yet."""
        return self.callbacks.register("grantrevoker", f)

    def invalid_response(self, f: F) -> F:
        """``f(request)`` answers a refused request; ``request.error_message`` has the reason.

        The challenge of RFC 6750 is added to the response.
        """
        return self.callbacks.register("invalid_response", f)

    def exception_handler(self, f: F) -> F:
        """``f(error, redirect_content)`` answers a refused authorization request.

        ``redirect_content`` is the URL that would report the error to the client. It is ``None`` if
        there is no valid redirect URI, or if a client that this site has not registered must not
        get the error.
        """
        return self.callbacks.register("exception_handler", f)

    def before_request(self, f: F) -> F:
        """``f(request)`` is called before the token is verified. It may return a response."""
        self.callbacks.before_request.append(reject_coroutine(f, "before_request"))
        return f

    def after_request(self, f: F) -> F:
        """``f(valid, request)`` is called with the result of the verification.

        It returns ``(valid, request)``, with the same result or another, or a response.
        """
        self.callbacks.after_request.append(reject_coroutine(f, "after_request"))
        return f

    # --- for subclasses ---------------------------------------------------------------------------

    def current_user(self, request: HttpRequest) -> Any:
        """The user who is logged in. ``bind_models`` can register another function for it."""
        return request.user

    def may_introspect(self, client: Any, token: Any) -> bool:
        """Whether a client may introspect a token. By default it may introspect its own tokens."""
        return bool(client.client_id == token.client_id)

    # --- for the other modules of the server ------------------------------------------------------

    def user_of(self, request: HttpRequest) -> Any:
        """Return the logged-in user; an ``AnonymousUser`` without a login."""
        who: Callable[..., Any] = self.callbacks.functions.get("current_user", self.current_user)
        user = who(request)
        if user is None:
            from django.contrib.auth.models import AnonymousUser

            return AnonymousUser()
        return user

    def client_of(self, token: Any) -> Any:
        """Return the client of a token, as the ``clientgetter`` of the site finds it."""
        getter = self.callbacks.required("clientgetter")
        # The row that the token refers to is used only with our own binding: a site's getter may
        # have its own reasons not to return the client.
        if isinstance(getattr(getter, "__self__", None), ClientBinding):
            client = getattr(token, "client", None)
            if client is not None:
                return client
        return getter(token.client_id)

    def endpoints(self, http_request: HttpRequest | None = None) -> Endpoints:
        """The endpoints of the server (RFC 6749 §3), with the site's callbacks."""
        self.callbacks.require_all()
        return Endpoints(
            self.validator(http_request),
            expires_in=lambda request: self.lifetime("access_token_lifetime", request.client),
            token_generator=self.generator("token_generator"),
            refresh_token_generator=self.generator("refresh_token_generator"),
            password_grant=self.password_grant,
        )

    def validator(self, http_request: HttpRequest | None = None) -> Validator:
        """oauthlib's request validator, for one request."""
        validator = self._validator_class(self)
        validator.http_request = http_request
        return validator

    def generator(self, name: str) -> Any:
        """The function of the option ``token_generator`` or ``refresh_token_generator``."""
        value = self.option(name)
        return import_if_path(value, repr(value))

    @property
    def password_grant(self) -> bool:
        """Whether the password grant is allowed. RFC 9700 §2.4 says that it must not be used."""
        allowed = self.option("allow_password_grant") is True
        return allowed and self.callbacks.optional("usergetter") is not None

    # --- tokens without a request -------------------------------------------------------------

    def create_token(
        self,
        user: Any,
        client: Any,
        scopes: Iterable[str],
        *,
        lifetime: int | None = None,
        with_refresh_token: bool = False,
        resources: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Issue a token, and return the fields of a token response (RFC 6749 §5.1).

        Show the token once: the server stores only its digest.

        :param user: the user who is asked for no consent; ``None`` if the client acts for itself.
        :param client: a client, or its ``client_id``.
        :param lifetime: seconds; the default is the lifetime of the client's access tokens.
        :param resources: the protected resources that the token is for.
        :raises ValueError: the client is unknown, or it may not have the token.
        """
        return issuing.create_token(
            self, user, client, scopes, lifetime, with_refresh_token, resources
        )

    def end_tokens(self, user: Any, client_id: str | None = None) -> None:
        """Revoke all codes and tokens of a user, for one client or for all.

        The consents stay: an application can ask for a new token.
        """
        revocation.revoke_all(self, user, client_id, reason="ended")

    # --- handlers for the views of a site ---------------------------------------------------------

    def authorize_handler(self, view: View) -> View:
        """Make the authorization endpoint of a view that asks the user for consent.

        The server validates the authorization request before it calls the view, for GET and for
        POST. The view gets ``client``, ``client_id``, ``scopes``, ``redirect_uri``,
        ``response_type``, ``state``, and the whole request as ``asked``, which is an
        :class:`~.handlers.AuthorizationRequest`. It returns ``True`` to grant the request,
        ``False`` to deny it, or a response.
        """
        return handlers.authorize_handler(self, view)

    def token_handler(self, view: View) -> View:
        """Make the token endpoint (RFC 6749 §3.2) of a view.

        The view returns fields to add to the token response, or ``None``, or a response to send
        instead.
        """
        return handlers.token_handler(self, view)

    def revoke_handler(self, view: View) -> View:
        """Make the revocation endpoint (RFC 7009) of a view, whose return value is ignored."""
        return handlers.revoke_handler(self, view)

    def introspect_handler(self, view: View) -> View:
        """Make the introspection endpoint (RFC 7662) of a view, whose return value is ignored."""
        return handlers.introspect_handler(self, view)

    # --- protected views --------------------------------------------------------------------------

    def require_oauth(
        self, *scopes: str, any: bool = False, resource: str | None = None
    ) -> Callable[[F], F]:
        """A decorator that accepts a request only if its token has all ``scopes``.

        In the view ``request.oauth_token`` is the token, and ``request.user`` the user who granted
        it, even if the session cookie belongs to another user.

        :param any: one of the scopes is enough.
        :param resource: the URL of the protected resource that the view belongs to. The token must
            be for this resource (RFC 8707), and the resource has metadata (RFC 9728).
        """
        if not all(isinstance(scope, str) for scope in scopes):
            raise TypeError('Call the decorator: @server.require_oauth("email").')
        if resource is not None:
            resource = self.add_resource(resource, scopes)
        return partial(self.protector.protect, scopes=scopes, any=any, resource=resource)

    def add_resource(self, resource: str, scopes: Iterable[str]) -> str:
        """Add a protected resource and the scopes that it needs, and return its normal form.

        :raises ValueError: it is not the URL of a resource.
        """
        resource = canonical(resource)
        self.resources.setdefault(resource, set()).update(scopes)
        return resource

    def verify_request(
        self,
        request: HttpRequest,
        scopes: Iterable[str] = (),
        *,
        any: bool = False,
        resource: str | None = None,
    ) -> tuple[bool, HttpRequest]:
        """Whether the request has a token with all ``scopes``, and the request. No hook is called.

        ``request.oauth_token`` becomes the token, or ``None`` if the token is refused;
        ``request.error_message`` then has the reason. ``request.user`` does not change. The token
        is looked up once for each request, however often this method is called.

        :param any: one of the scopes is enough.
        :param resource: the URL of the protected resource that the token must be for.
        :raises ImproperlyConfigured: the resource was not added with :meth:`add_resource`.
        """
        if resource is not None:
            resource = canonical(resource)
            if resource not in self.resources:
                # Without it, the tokens that clients get for this resource would be for none.
                raise ImproperlyConfigured(
                    f"Call server.add_resource({resource!r}, scopes) when Django starts, so that "
                    "clients can ask for tokens for this resource."
                )
        return self.protector.rejection(request, scopes, any, resource) is None, request

    def verify_token(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        any: bool = False,
        resource: str | None = None,
    ) -> AccessToken | None:
        """Return an access token that did not come with a request of Django; ``None`` to refuse it.

        The parameters are those of :meth:`verify_request`. In async code call it in a thread, with
        ``sync_to_async``.
        """
        request = HttpRequest()
        request.META["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        _, request = self.verify_request(request, scopes, any=any, resource=resource)
        found: AccessToken | None = vars(request)["oauth_token"]
        return found

    # --- URLs -------------------------------------------------------------------------------------

    @property
    def urls(self) -> tuple[list[URLPattern], str]:
        """The routes of its views, for ``include()``; the namespace is its name.

        :raises ImproperlyConfigured: ``django_dance.server`` is missing in ``INSTALLED_APPS``.
        """
        require_app("django_dance.server")
        return [
            path("authorize/", self.view("authorize"), name="authorize"),
            path("token/", self.view("token"), name="token"),
            path("revoke/", self.view("revoke"), name="revoke"),
            path("introspect/", self.view("introspect"), name="introspect"),
            path("register/", self.view("register"), name="register"),
            path("applications/", self.view("applications"), name="applications"),
            path(".well-known/oauth-authorization-server", self.view("metadata"), name="metadata"),
        ], self.name

    def view(self, name: str, **initkwargs: Any) -> Any:
        """One of its views, for a route of your own: ``authorize``, ``token`` and so on.

        :param initkwargs: the arguments of the view's ``as_view()``. ``metadata`` needs the
            ``namespace`` if :attr:`urls` are included within another namespace:
            ``namespace="api:oauth_server"``.
        :raises ImproperlyConfigured: the view cannot be imported.
        """
        view = getattr(self, f"{name}_view")
        return import_if_path(view, repr(view)).as_view(server=self, **initkwargs)

    def url(self, name: str, namespace: str = "") -> str:
        """The public URL of one of its views. Its origin is the issuer's.

        :raises ImproperlyConfigured: the URLs of the server are not included.
        """
        issuer = urlsplit(self.issuer)
        namespace = namespace or self.name
        try:
            # Under i18n_patterns() a URL has a language. The metadata (RFC 8414 §3.2) are the same
            # for all visitors.
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
        """The metadata (RFC 8414 §2)."""
        methods = ["client_secret_basic", "client_secret_post", "none"]
        grants = ["authorization_code", "refresh_token", "client_credentials"]
        documents, registers = self.option("client_documents"), self.option("registration")
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
            **({"client_id_metadata_document_supported": True} if documents else {}),
            **({"registration_endpoint": self.url("register", namespace)} if registers else {}),
        }


def _language() -> str:
    """The language of the URLs in the metadata: ``LANGUAGE_CODE``, not the visitor's."""
    language = django_settings.LANGUAGE_CODE
    _, prefixed = is_language_prefix_patterns_used(django_settings.ROOT_URLCONF)
    return get_supported_language_variant(language) if prefixed else language
