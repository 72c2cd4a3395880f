"""Provider: the code that all providers share. It reads the facts of each provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import URLPattern, get_script_prefix, path, reverse
from django.utils.module_loading import import_string

from .. import forbid_in_templates
from ..conf import import_if_path, require_app, settings
from ..exceptions import (
    FlowError,
    InvalidResponse,
    OwnerRequired,
    PlaceError,
    ProviderError,
    UntrustedOrigin,
)
from ..http import Origin, is_loopback, origin
from ..tokens import (
    MAX_ACCOUNT_ID,
    ResourceOwner,
    Secret,
    Token,
    clean_words,
    is_account_id,
    scope_list,
    without_secrets,
)
from .options import Facts, good_url

if TYPE_CHECKING:
    import requests
    from django.http import HttpRequest, QueryDict

    from ..flows import Additions, Flow
    from ..http import ProtocolResponse
    from ..sessions import DanceSession
    from ..storage import BaseStorage
    from ..tokens import Connection
    from .device import DeviceAuthorization

#: Names that a newcomer may look for at a provider.
_NAMES_OF_SESSIONS = (
    "aget",
    "apost",
    "authorized",
    "delete",
    "get",
    "patch",
    "post",
    "put",
    "token",
)
#: The default of an argument for which ``None`` is probably a mistake.
_NOT_GIVEN: Any = object()
#: The longest answer of an API that is read as a refusal, in bytes.
MAX_REFUSAL = 16 * 1024


@dataclass(frozen=True)
class ClientCredentials:
    """This site's credentials at a provider (RFC 6749 §2.2; OAuth 1: the client key and secret)."""

    client_id: str
    client_secret: str
    #: The method of authentication at the token endpoint, by its name in RFC 7591 §2; ``""`` for
    #: that of the provider's facts.
    token_endpoint_auth_method: str = ""
    #: The row of the registration, or the URL of the client ID metadata document; ``""`` for
    #: credentials from the settings.
    registration_id: str = ""
    #: The authorization server that registered the client; ``""`` for those from the settings.
    issuer: str = ""
    #: The private key of the method ``private_key_jwt``, which has no client secret: what sends a
    #: client secret must not send the key.
    private_key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "client_secret", Secret(self.client_secret or ""))
        object.__setattr__(self, "private_key", Secret(self.private_key or ""))


class UnusableAccountId(InvalidResponse):
    """The id of the account is too long, or several accounts may have it."""

    code = "account_unknown"


@dataclass(frozen=True)
class AccountInfo:
    """An account at a provider."""

    #: The account's id at the provider. It never changes, and no other account gets it.
    id: str
    #: The account's name for people; the id, if it has none. It may change, and another account may
    #: get it. It is one line, without characters that change the direction of a text.
    label: str
    #: The whole answer, a mapping or a list; or the fields of the token, without its secrets, if
    #: they name the account.
    fields: Any = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", clean_words(self.label) or self.id)


class Provider(Facts):
    """A provider: its facts, its sessions, its URLs, and the two steps of the dance."""

    if not TYPE_CHECKING:  # for a type checker, a provider has no other attributes

        def __getattr__(self, name: str) -> None:
            if name not in _NAMES_OF_SESSIONS:
                # Raise the error again, perhaps that of a property.
                return super().__getattribute__(name)
            raise AttributeError(
                f"A provider has no attribute {name!r}. Sessions have it: "
                f"request.oauth[{self.name!r}], or providers[{self.name!r}].session(user=user) "
                "without a request.",
                name=name,
                obj=self,
            )

    # --- places -------------------------------------------------------------------------------

    def at(self, place: str, request: HttpRequest | None = None) -> Self:
        """Return this provider at a place: one server of many, such as ``"mastodon.social"``.

        It is frozen, as all providers are. No call is made, and no row is read or written.

        :param place: the text that a user typed, or a stored place.
        :param request: the current request, for the function that ``PLACES`` may name.
        :raises PlaceError: ``place_invalid``: the text is not a place. ``place_refused``:
            ``PLACES`` does not allow it.
        :raises ImproperlyConfigured: the provider has no places, or no ``PLACES``.
        """
        current = self._original.current()
        place, allowed = current.normal_place(place), current._allowed_places
        if current._is_at(place):
            return current
        if allowed is None:
            raise ImproperlyConfigured(
                f"DANCE_PROVIDERS[{current.name!r}] has no PLACES, so users cannot connect to "
                "servers of their choice: set it to a list of places, a function of the request "
                'and the place, or "any".'
            )
        if (request, place) not in allowed:
            raise PlaceError(
                f"PLACES in DANCE_PROVIDERS[{current.name!r}] does not allow {place}.",
                "place_refused",
            )
        return current.variant(place)

    @property
    def is_allowed(self) -> bool:
        """Whether ``PLACES`` allows the place of this provider, for work without a request."""
        return self.is_allowed_for(None)

    def is_allowed_for(self, request: HttpRequest | None) -> bool:
        """Return whether ``PLACES`` allows the place of this provider."""
        allowed = self._original._with_current_settings()._allowed_places
        return not self.place or (allowed is not None and (request, self.place) in allowed)

    @property
    def needs_place(self) -> bool:
        """Whether each of its servers is a place, so that this object itself makes no calls."""
        return self._needs_place

    def normal_place(self, place: str) -> str:
        """Return the normal form of a place, whether or not ``PLACES`` allows it.

        :raises PlaceError: ``place_invalid``.
        :raises ImproperlyConfigured: the provider has no places.
        """
        kind = self.place_kind
        if kind is None:
            raise ImproperlyConfigured(
                f"{self.label} has no places: use the provider itself, without a place."
            )
        return kind.normalise(place)

    def require_place(self) -> None:
        """Check that this provider has a server to call.

        :raises ImproperlyConfigured: each of its servers is a place.
        """
        if self._needs_place:
            raise ImproperlyConfigured(
                f"{self.label} has many servers. Name one: "
                f"request.oauth.{self.name}.at(place), or providers[{self.name!r}].at(place)."
            )

    # --- this site's credentials --------------------------------------------------------------

    def missing_credentials(self) -> list[str]:
        """Return the settings for this site's credentials that have no value."""
        if self.credentials or (
            type(self).get_client_credentials is not Provider.get_client_credentials
        ):
            return []  # they are not read from the settings
        if not self.one_client and (self.place or self._needs_place):
            return []  # each server has others
        current = self._with_current_settings()
        return [
            setting for local, setting in self._needed_credentials() if not getattr(current, local)
        ]

    def _needed_credentials(self) -> list[tuple[str, str]]:
        return [(local, self.from_config[local]) for local in self._credentials]

    def get_client_credentials(self, owner: ResourceOwner) -> ClientCredentials:
        """Return this site's credentials. Override it for credentials per tenant.

        :param owner: the resource owner that a token is requested for.
        :raises ImproperlyConfigured: a setting with credentials has no value, or the function in
            ``CREDENTIALS`` has no credentials.
        :raises PlaceError: ``place_needs_client``: the site has no client at this place.
        """
        if self.credentials:
            found: ClientCredentials = import_fact(self, "credentials")(self, owner)
            return found
        if self.place and not self.one_client:
            return self.credentials_at_place(owner)
        missing = self.missing_credentials()
        if missing:
            raise ImproperlyConfigured(
                f"{self.label} does not know this site: set {' and '.join(missing)} to the values "
                "that you got when you registered your application there."
            )
        current = self.current()
        return ClientCredentials(current.client_id, current.client_secret)

    def credentials_at_place(self, owner: ResourceOwner) -> ClientCredentials:
        """Return this site's credentials at a place, which are not in the settings. A hook.

        :raises PlaceError: ``place_needs_client``: the site has none.
        """
        request = owner.request
        where = self.callback_uri(request) if request is not None else self.url("authorized")
        scopes = " ".join(self.configured_scope) or "none"
        raise PlaceError(
            f"{self.label} at {self.place} does not know this site. Register the site there with "
            f"the redirect URI {where} and the scopes: {scopes}. Then run "
            f'"manage.py dance_clients add {self.name} ISSUER CLIENT_ID", or return the '
            "credentials of this place from the function in CREDENTIALS of "
            f"DANCE_PROVIDERS[{self.name!r}].",
            "place_needs_client",
        )

    @cached_property
    def token_storage(self) -> BaseStorage:
        """The storage of this provider's tokens."""
        if self._original is not self:
            return self._original.token_storage
        from .registry import providers

        if not self.storage:
            return providers.default_storage()
        build = import_string("django_dance.storage.build")
        storage: BaseStorage = build(self.storage)
        return storage

    @cached_property
    def trusted_origins(self) -> frozenset[Origin]:
        """The origins that the token may be sent to: those of ``base_url``, ``api_origins`` and
        ``account_url``."""
        urls = (self.base_url or "", *self.api_origins, self.account_url)
        return frozenset(filter(None, map(origin, urls)))

    def base_url_for(self, load_token: Callable[[], Token | None]) -> str | None:
        """Return the base URL for a token.

        :param load_token: returns the token. It is called only if the URL depends on the token.
        :raises UntrustedOrigin: the token names a host outside of ``base_url_domains``.
        """
        token = load_token() if self.base_url_from_token else None
        if token is None:
            return self.base_url
        try:
            url = self.base_url_from_token.format_map(token)
        except KeyError:
            return self.base_url
        host = (origin(url) or ("", "", 0))[1]
        if not good_url(url) or not any(
            host == domain or host.endswith(f".{domain}") for domain in self.base_url_domains
        ):
            raise UntrustedOrigin(
                f"{self.label}'s token names the host {host or 'of an invalid URL'}, which is not "
                "one of the provider's."
            )
        return url

    def call(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    ) -> ProtocolResponse:
        """Make one protocol call to the provider; ``ca_bundle`` and ``DANCE_TIMEOUT`` apply to it.

        A call of a provider at a place obeys the rules for addresses that others choose.

        :param query: parameters to add to the URL. They are not logged.
        :param data: the fields of a form body.
        :param json: the members of a JSON body.
        :param headers: further headers. Their values are treated as secrets.
        :param auth: signs or authenticates the request, as ``requests`` defines it.
        :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
        :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
        :raises AddressRefused: the address of the place must not be called.
        :raises ImproperlyConfigured: the provider has many servers, and this is none of them.
        """
        from ..http import call_untrusted, protocol_call

        self.require_place()
        # The address of a place was chosen by a user.
        make_call = call_untrusted if self.place else protocol_call
        return make_call(
            method,
            url,
            query=query,
            data=data,
            json=json,
            headers={name: Secret(value) for name, value in (headers or {}).items()},
            auth=auth,
            verify=self.ca_bundle or True,
        )

    def for_token(self, token: Token | None) -> Self:
        """Return this provider at the server that the token names, if the provider has several.

        :raises UntrustedOrigin: the token names a server that is not one of the provider's.
        """
        return self

    def account_request(self) -> tuple[str, str, dict[str, Any] | None] | None:
        """Return the request for the account of a token: its method, its URL, and the JSON body.

        :returns: ``None`` if the provider has no address to ask.
        """
        if not self.account_url:
            return None
        body = dict(self.account_json) if self.account_json else None
        return self.account_method, self.account_url, body

    def names_account(self, fields: Any) -> bool:
        """Return whether the answer to the request for the account has the account's id."""
        return find_field(fields, self.account_id) not in (None, "")

    def account_info(self, session: DanceSession) -> AccountInfo:
        """Return the account that the session's token belongs to.

        :raises AuthorizationRequired: the session has no usable token.
        :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
        :raises InvalidResponse: the answer has no usable id, or is a redirect, or is too long.
        :raises ImproperlyConfigured: the facts do not say how to determine the account.
        """
        if not self.account_id:
            raise ImproperlyConfigured(
                f"{self.name} does not state how to determine the account of a token: set "
                f"ACCOUNT_URL and ACCOUNT_ID in DANCE_PROVIDERS[{self.name!r}]."
            )
        token = session.ready_token()
        # A site may store or show the fields, so they have no secrets of the token.
        fields: Any = without_secrets(token)
        here = self.for_token(token)
        if self.account_url and (request := here.account_request()):
            method, url, body = request
            answer = session.protocol_call(method, url, json=body)
            if answer.status >= 400:
                raise InvalidResponse.for_answer(
                    f"{self.label} did not name the account of the token: it answered "
                    f"{answer.status}.",
                    answer,
                )
            try:
                fields = answer.json_value()
            except InvalidResponse:
                fields = None
        found = find_field(fields, self.account_id)
        account = self.check_account_id(found)
        label = find_field(fields, self.account_label) if self.account_label else None
        return self.in_workspace(AccountInfo(account, str(label or found), fields), token)

    def in_workspace(self, account: AccountInfo, token: Token) -> AccountInfo:
        """Return the account with the workspace that the token is for, if there is one.

        :raises InvalidResponse: the workspace is named by neither a number nor a text.
        """

        def find(path: str) -> Any:
            return find_field(account.fields, path) or find_field(token, path) if path else None

        workspace, name = find(self.account_workspace), find(self.account_workspace_label)
        if workspace in (None, "", 0, "0"):
            return account
        return AccountInfo(
            self.check_account_id(f"{self.check_account_id(workspace)}:{account.id}"),
            f"{account.label} ({name})" if name else account.label,
            account.fields,
        )

    def check_account_id(self, found: object) -> str:
        """Return an account's id as text, if it can belong to one account only.

        :raises InvalidResponse: it is neither a number nor a text, or is empty.
        :raises UnusableAccountId: several accounts may have it, or it is too long.
        """
        # Two accounts could have the same other value.
        if isinstance(found, bool) or not isinstance(found, (int, str)) or found == "":
            raise InvalidResponse(f"{self.label} did not name the account of the token.")
        if not is_account_id(str(found)):
            raise UnusableAccountId(
                f"{self.label} named the account by an id that several accounts may share, or that "
                f"is longer than {MAX_ACCOUNT_ID} characters."
            )
        return str(found)

    def account_issuer(self, token: Token, account: str) -> str:
        """Return the party that gives out the account's id, for sign-in: the host, if it is a fact.

        :param account: the account's id.
        :raises FlowError: ``account_unknown``: the token does not prove the account.
        """
        return self.place or str(getattr(self, "host", "") or "")

    # --- sessions -----------------------------------------------------------------------------

    def session(
        self,
        request: HttpRequest | None = None,
        *,
        user: Any = _NOT_GIVEN,
        user_id: Any = _NOT_GIVEN,
        account: str = "",
    ) -> DanceSession:
        """Return a session that acts for one resource owner.

        :param request: the current request, or ``None`` outside of a request.
        :param user: the owner of the token; default: the request's user.
        :param user_id: the user's primary key, instead of ``user``.
        :param account: the account's id at the provider; ``""`` is the default account.
        :raises ImproperlyConfigured: there are problems in the provider's options.
        :raises OwnerRequired: the given user or primary key is ``None``, and there is no request.
        :raises TypeError: ``request`` is no request, but probably the user.
        """
        if request is not None and not hasattr(request, "META"):
            raise TypeError(
                f"The request is a {type(request).__name__}. Name the argument: "
                "session(user=user), or session(user_id=…)."
            )
        given = [value for value in (user, user_id) if value is not _NOT_GIVEN]
        if request is None and given and not any(value is not None for value in given):
            raise OwnerRequired(
                "The user of the session is None, and there is no request. Pass a stored user, or "
                "the primary key of one, to the task."
            )
        user = None if user is _NOT_GIVEN else user
        user_id = None if user_id is _NOT_GIVEN else user_id
        current = self.current()
        session_class: Any = import_fact(current, "session_class")
        session: DanceSession = session_class(
            current, ResourceOwner(current, request, user, user_id, account)
        )
        for local, setting in current.from_config.items():
            if "." in local and (value := settings.project_setting(setting)):
                target: Any = session
                *parents, attribute = local.split(".")[1:]
                for parent in parents:
                    target = getattr(target, parent)
                setattr(target, attribute, value)
        return current.session_created(session)

    def connections(self, user: Any) -> list[Connection]:
        """Return the connections of a user, that of the default account first.

        Without a place, they are the connections to all places.

        :param user: the user; an anonymous one has none in a table.
        :raises TypeError: ``user`` is a primary key or a name.
        """
        return self.token_storage.connections([ResourceOwner(self, user=user)])

    def session_created(self, session: DanceSession) -> DanceSession:
        """Change a new session, and return it or another one. A hook for subclasses."""
        return session

    # --- URLs ---------------------------------------------------------------------------------

    @property
    def urls(self) -> tuple[list[URLPattern], str]:
        """The routes of this provider's views for ``include()``. The namespace is its name.

        :raises ImproperlyConfigured: ``django_dance`` is missing in ``INSTALLED_APPS``.
        """
        require_app()
        return [
            path(self._route("login_url"), self._view("login_view"), name="login"),
            path(self._route("authorized_url"), self._view("authorized_view"), name="authorized"),
            path(self._route("disconnect_url"), self._view("disconnect_view"), name="disconnect"),
        ], self.name

    def _view(self, fact: str) -> Any:
        return import_fact(self, fact).as_view(provider=self)

    def url(self, view: str, **query: str) -> str:
        """Return the path of the ``login``, ``authorized`` or ``disconnect`` view.

        :raises NoReverseMatch: the URLconf does not include the provider's URLs.
        """
        url = reverse(f"{self.name}:{view}")
        return f"{url}?{urlencode(query)}" if query else url

    def get_login_url(
        self,
        owner: ResourceOwner,
        next: str | None = None,
        *,
        scope: str | Iterable[str] = (),
        prompt: str = "",
        login_hint: str = "",
        acr_values: str | Iterable[str] = "",
        max_age: int | None = None,
    ) -> str:
        """Return the path of the login view, which begins a dance of the owner.

        The arguments are those of :meth:`DanceSession.get_login_url`. The account is the owner's.

        :raises NotImplementedError: the provider uses OAuth 1, which has no such parameter.
        """
        from ..flows import PARAMETER, Additions

        additions = Additions.of(
            scope, owner.account, prompt, login_hint, acr_values, max_age, self.place
        )
        self.check_additions(additions)
        query = {"next": next} if next else {}
        if additions:
            user = "" if owner.user_id is None else str(owner.user_id)
            query[PARAMETER] = additions.sign(self.name, user)
        return self.url("login", **query)

    def check_additions(self, additions: Additions) -> None:
        """Check that the provider's protocol has the parameters of these additions.

        :raises NotImplementedError: it does not.
        """
        if params := additions.request_params():
            raise NotImplementedError(self._needs_oauth2(f"get_login_url({'=…, '.join(params)}=…)"))

    def callback_uri(self, request: HttpRequest) -> str:
        """Return the absolute URL of the ``authorized`` view (RFC 6749 §3.1.2).

        :raises FlowError: ``insecure_transport``: the callback would use plain http.
            ``host_unknown``: any visitor could choose the host.
        """
        location = self.url("authorized")
        if settings.base_url:
            return str(settings.base_url).rstrip("/") + location
        if not settings.debug and "*" in settings.project_setting("ALLOWED_HOSTS"):
            raise FlowError(
                "host_unknown",
                "ALLOWED_HOSTS accepts every host, so a visitor could choose the host of the "
                "callback; set DANCE_BASE_URL, or list the hosts in ALLOWED_HOSTS",
            )
        uri = request.build_absolute_uri(location)
        parts = urlsplit(uri)
        if parts.scheme != "https" and not settings.debug and not is_loopback(parts.hostname or ""):
            raise FlowError(
                "insecure_transport",
                "the request came over http; serve https, and behind a proxy that ends TLS set "
                "SECURE_PROXY_SSL_HEADER or DANCE_BASE_URL",
            )
        return uri

    def after_url(self) -> str:
        """Return the URL where a dance without ``next`` ends.

        :raises NoReverseMatch: the settings name a URL that does not exist.
        """
        if self.redirect_url:
            return self.redirect_url
        if self.redirect_to:
            return reverse(self.redirect_to)
        if settings.login_redirect_url is None:
            return get_script_prefix()
        return resolve_url(settings.login_redirect_url)

    @property
    def configured_scope(self) -> list[str]:
        """The scopes that every dance asks for."""
        return scope_list(getattr(self, "scope", None))

    def additional_scope(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``scopes`` that a dance does not ask for without a login link."""
        configured = set(self.configured_scope)
        return tuple(scope for scope in scopes if scope not in configured)

    def requested_scope(self, request: HttpRequest, additions: Additions) -> tuple[str, ...]:
        """Return all scopes that a dance of this visitor asks for."""
        granted: Iterable[str] = ()
        if additions.keep_granted:
            granted = sorted(self.session(request, account=additions.account).scopes)
        return tuple(dict.fromkeys([*self.configured_scope, *granted, *additions.scope]))

    def configuration_digest(self, scope: Iterable[str]) -> str:
        """Return a digest of the scopes and of the facts that decide what a dance asks for."""
        params = sorted(dict(self.authorization_url_params or {}).items())
        asked = json.dumps([list(scope), params])
        return hashlib.sha256(asked.encode()).hexdigest()[:12]

    # --- the two steps ------------------------------------------------------------------------

    def prepare(self, request: HttpRequest, scope: Sequence[str] = ()) -> Self:
        """Return this provider with the facts that a dance needs and that no setting states.

        The login view calls it before a dance begins. At a place, it may make calls.

        :param scope: the scopes that the dance asks for.
        :raises PlaceError: the place cannot be used.
        """
        return self

    @property
    def server(self) -> Mapping[str, str]:
        """The facts of its authorization server, if they were discovered: see :meth:`prepare`."""
        return self._server

    def with_server(self, facts: Mapping[str, str]) -> Self:
        """Return this provider with the facts of one authorization server.

        A flow and a token store them, so that the second step and a refresh need no discovery.
        """
        known = {name: text for name, text in facts.items() if name in self.server_facts}
        return self._derive({**known, "_server": MappingProxyType(known)}) if known else self

    def begin(self, request: HttpRequest, flow: Flow) -> tuple[str, Flow]:
        """Make the first step: return the URL to redirect the visitor to, and the flow to store.

        :raises FlowError: this site cannot begin the flow.
        :raises ProviderError: the provider refused or failed.
        """
        raise NotImplementedError

    def callback_state(self, params: QueryDict) -> str:
        """Return the state of the flow that a callback's parameters name; ``""`` if there is none.

        :raises FlowError: ``parameter_repeated``.
        """
        raise NotImplementedError

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        """Check that a callback answers the flow, before the flow is marked as used.

        :raises FlowError: it does not.
        """
        raise NotImplementedError

    def complete(self, request: HttpRequest, flow: Flow, params: QueryDict) -> Token:
        """Make the second step: return the token that the provider granted.

        :raises FlowError: the provider or the visitor refused.
        :raises ProviderError: the provider failed.
        """
        raise NotImplementedError

    @property
    def token_credentials(self) -> tuple[str, ...]:
        """The names of the fields of a token without which no API call can be made."""
        raise NotImplementedError

    def is_usable(self, token: Token) -> bool:
        """Return whether API calls can use the token, now or after a refresh."""
        raise NotImplementedError

    def meaning_of(self, error: ProviderError) -> str:
        """Return the meaning of a failed call (:attr:`ProviderError.refusal`)."""
        return error.refusal

    def is_stale(self, token: Token) -> bool:
        """Return whether the token should be refreshed before the next call."""
        return token.stale

    def is_refreshable(self, token: Token) -> bool:
        """Return whether the token can be refreshed."""
        return False

    def signer(
        self, owner: ResourceOwner, token: Token
    ) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        """Return a function that puts the token on a request."""
        raise NotImplementedError

    def can_revoke(self) -> bool:
        """Return whether :meth:`revoke` may have an effect at this provider."""
        return type(self).revoke is not Provider.revoke

    def revoke(self, owner: ResourceOwner, token: Token) -> None:
        """Revoke the token at the provider, if the provider supports it.

        :raises ProviderError: the provider did not revoke the token.
        """

    # --- OAuth 2 only -------------------------------------------------------------------------

    @forbid_in_templates
    def client_credentials(self, scope: str | Iterable[str] | None = None) -> Token:
        """OAuth 2: return a token for the site itself (RFC 6749 §4.4). It is not stored.

        :param scope: the scopes to ask for.
        :raises ProviderError: the token was not granted.
        :raises NotImplementedError: the provider uses OAuth 1.
        """
        raise NotImplementedError(self._needs_oauth2("client_credentials()"))

    @forbid_in_templates
    def begin_device(self, scope: str | Iterable[str] | None = None) -> DeviceAuthorization:
        """OAuth 2: ask for a code that the user enters on another device (RFC 8628 §3.1).

        :param scope: the scopes to ask for; default: the provider's own scopes.
        :raises ProviderError: the code was not granted.
        :raises NotImplementedError: the provider uses OAuth 1.
        """
        raise NotImplementedError(self._needs_oauth2("begin_device()"))

    def poll_device(self, authorization: DeviceAuthorization) -> Token | None:
        """OAuth 2: return the token, or ``None`` while the user has not entered the code yet.

        :param authorization: the result of :meth:`begin_device`.
        :raises FlowError: ``access_denied`` or ``flow_expired``.
        :raises ProviderError: the token was not granted.
        :raises NotImplementedError: the provider uses OAuth 1.
        """
        raise NotImplementedError(self._needs_oauth2("poll_device()"))

    def wait_for_device(self, authorization: DeviceAuthorization) -> Token:
        """OAuth 2: wait until the user has entered the code (RFC 8628 §3.4), and return the token.

        :param authorization: the result of :meth:`begin_device`.
        :raises FlowError: ``access_denied`` or ``flow_expired``.
        :raises ProviderError: the token was not granted.
        :raises NotImplementedError: the provider uses OAuth 1.
        """
        raise NotImplementedError(self._needs_oauth2("wait_for_device()"))

    def _needs_oauth2(self, name: str) -> str:
        return f"{name} is for OAuth 2, and {self.name} uses OAuth 1."

    def token_is_over(self, status: int, body: bytes) -> bool:
        """Return whether an answer of the API means that the token is not valid any more. A hook.

        :param status: the status of the answer.
        :param body: its body; empty if the caller streams the answer.
        """
        if status == 401:
            return True
        if not self.token_over or not body or len(body) > MAX_REFUSAL:
            return False
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return False
        return any(
            str(find_field(fields, path)) in found for path, found in self.token_over.items()
        )

    def describe_scope(self, scope: str) -> str:
        """Return the words for a scope (:attr:`scope_words`), or else the scope itself."""
        for words in (
            self.scope_words,
            *(vars(cls).get("scope_words") for cls in type(self).__mro__),
        ):
            if words and scope in words:
                return str(words[scope])
        return scope

    def includes_scope(self, granted: Iterable[str], wanted: str) -> bool:
        """Return whether the granted scopes include a scope (:attr:`scope_implies`)."""
        found = set(granted)
        pending = list(found)
        while pending and wanted not in found:
            scope = pending.pop()
            for pattern, implied in self.scope_implies.items():
                before, star, after = pattern.partition("*")
                rest = scope.removeprefix(before).removesuffix(after) if star else ""
                if scope != f"{before}{rest}{after}":
                    continue
                for name in implied:
                    if not star and name.endswith("*") and wanted.startswith(name[:-1]):
                        return True
                    name = name.replace("*", rest) if star else name
                    if name not in found:
                        found.add(name)
                        pending.append(name)
        return wanted in found

    def authorization_params(self) -> dict[str, str]:
        """Return the parameters that the facts add to the authorization URL."""
        params = dict(self.authorization_url_params or {})
        for fact, added in self.authorization_url_options.items():
            if getattr(self, fact):
                for name, template in added.items():
                    value = template.format(**{fact: getattr(self, fact)})
                    params[name] = f"{params[name]} {value}" if name in params else value
        return params


def find_field(fields: Any, path: str) -> Any:
    """Return the field at a path of names and list indexes, or ``None``."""
    for name in path.split("."):
        if isinstance(fields, Mapping):
            fields = fields.get(name)
        elif isinstance(fields, list) and name.isdigit() and int(name) < len(fields):
            fields = fields[int(name)]
        else:
            return None
    return fields


def import_fact(provider: Provider, fact: str) -> Any:
    """Return the class that a fact is, or whose dotted path it is.

    :raises ImproperlyConfigured: the dotted path cannot be imported.
    """
    name = f"DANCE_PROVIDERS[{provider.name!r}]: {fact.upper()}"
    return import_if_path(getattr(provider, fact), name)


def with_query(url: str, params: Mapping[str, str]) -> str:
    """Return the URL with ``params`` added to its query (RFC 6749 §3.1)."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(params))))
    return urlunsplit(parts._replace(query=query))


def single(params: QueryDict, name: str) -> str | None:
    """Return the parameter's value; ``None`` if it is absent.

    :raises FlowError: ``parameter_repeated`` (RFC 6749 §3.1).
    """
    values = params.getlist(name)
    if len(values) > 1:
        raise FlowError("parameter_repeated", f"the callback has {name} more than once")
    return values[0] if values else None
