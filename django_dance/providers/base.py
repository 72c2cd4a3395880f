"""Provider: facts about another site, frozen once made."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, path, reverse
from django.utils.module_loading import import_string

from ..conf import settings
from ..exceptions import FlowError, InvalidResponse, UntrustedOrigin
from ..origins import Origin, is_loopback, is_secure, origin
from ..owner import ResourceOwner
from ..tokens import Secret, Token

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict

    from ..flow import Flow
    from ..sessions import DanceSession
    from ..storage import BaseStorage

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")


@dataclass(frozen=True)
class ClientCredentials:
    """Who this site is at the provider (RFC 6749 §2.2; OAuth 1: the client key and its secret)."""

    client_id: str
    client_secret: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "client_secret", Secret(self.client_secret or ""))


@dataclass(frozen=True)
class AccountInfo:
    """Who somebody is at a provider."""

    #: Immutable there; with the provider's name it identifies the account for good.
    id: str
    #: What to show to people; it may change, and others may have had it.
    label: str
    #: The whole answer.
    fields: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Problem:
    """Something wrong with a provider's options: for a system check, or for an exception."""

    id: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class Provider:
    """Facts about a provider, and the two steps of the dance.

    Every public attribute of a provider class is a fact, and every fact is an option, in upper
    case, of the provider's entry in ``DANCE_PROVIDERS``. A text may name other facts:
    ``"https://{host}/oauth/token"``. A provider is frozen: what belongs to a visitor hangs on a
    session (:meth:`session`), what changes with the settings is read by :attr:`from_config`.
    """

    #: The name in the settings; also the URL namespace and ``request.oauth.<name>``.
    name: str
    #: What people call it. Default: the class's name.
    label: str = ""
    #: The page of the provider's documentation that these facts were read from.
    documentation: str = ""
    #: The page where a site is registered as an application.
    registration_url: str = ""
    #: Facts that could not be confirmed from two independent sources.
    unconfirmed: Sequence[str] = ()
    #: Relative URLs of API calls are joined to its path; its origin is where the token belongs.
    base_url: str | None = None
    #: Further origins that the token may be sent to, such as ``"https://uploads.github.com"``.
    api_origins: Sequence[str] = ()
    #: For providers of many hosts, each for some accounts: the base URL with fields of the token in
    #: braces, and the domains that it must lie in.
    base_url_from_token: str = ""
    base_url_domains: Sequence[str] = ()
    #: Headers of every API call.
    request_headers: Mapping[str, str] = {}
    #: The header that the token goes in.
    token_header: str = "Authorization"  # noqa: S105
    #: Where to ask who this is, relative to ``base_url`` or absolute, and how; ``account_json`` is
    #: sent as the body. Empty where the token's own fields say it.
    account_url: str = ""
    account_method: str = "GET"
    account_json: Mapping[str, Any] | None = None
    #: Which field of the answer is the immutable id and which to show to people; dots lead into
    #: objects and, by numbers, lists: ``"data.0.id"``.
    account_id: str = ""
    account_label: str = ""
    #: Where the visitor is sent to grant authorization.
    authorization_url: str = ""
    #: Parameters to add to it.
    authorization_url_params: Mapping[str, str] = {}
    #: Fact → the parameters it adds while it is true. Equal names are joined by a space.
    authorization_url_options: Mapping[str, Mapping[str, str]] = {}
    #: Fact → the facts that change while it is true, unless they are options too.
    option_facts: Mapping[str, Mapping[str, Any]] = {}
    #: A file or directory of CA certificates, for a server with a certificate of your own CA.
    ca_bundle: str | None = None
    #: This site's credentials. Better kept in the settings that ``from_config`` names.
    client_id: str = ""
    client_secret: str = ""
    #: Fact, or ``session.<attribute>`` of each session made → the Django setting it is read from.
    from_config: Mapping[str, str] = {}
    #: URL routes, formatted with ``provider``.
    login_url: str = "{provider.name}/"
    authorized_url: str = "{provider.name}/authorized/"
    disconnect_url: str = "{provider.name}/disconnect/"
    #: Where a finished dance ends if no ``next`` was asked for: ``redirect_url`` is a URL and goes
    #: before ``redirect_to``, the name of one of the site's URLs; else DANCE_LOGIN_REDIRECT_URL.
    redirect_url: str | None = None
    redirect_to: str | None = None
    #: The class of its sessions, or its dotted path.
    session_class: str | type = ""
    #: ``{"BACKEND": …, "OPTIONS": {…}}``, a dotted path, or a storage; default ``DANCE_STORAGE``.
    storage: Any = None
    #: The views, or their dotted paths.
    login_view: str | type = "django_dance.views.LoginView"
    authorized_view: str | type = "django_dance.views.AuthorizedView"
    disconnect_view: str | type = "django_dance.views.DisconnectView"

    #: Facts that are URLs, and those that must not be missing.
    _urls: ClassVar[tuple[str, ...]] = ("base_url", "authorization_url")
    _required: ClassVar[tuple[str, ...]] = ("authorization_url",)
    #: Facts that a class may state and the settings may not: they keep a door locked.
    _fixed: ClassVar[frozenset[str]] = frozenset(
        {
            "name",
            "authorization_url_options",
            "base_url_from_token",
            "base_url_domains",
            "documentation",
            "option_facts",
            "registration_url",
            "token_header",
            "unconfirmed",
        }
    )
    #: Parameters of the authorization URL that are the dance's own.
    _reserved: ClassVar[frozenset[str]] = frozenset()
    #: Where the credentials are read from; ``{NAME}`` is the provider's name in upper case.
    _credentials: ClassVar[Mapping[str, str]] = {
        "client_id": "{NAME}_OAUTH_CLIENT_ID",
        "client_secret": "{NAME}_OAUTH_CLIENT_SECRET",
    }

    _options: dict[str, Any]
    _original: Provider
    _variant: tuple[list[tuple[str, Any]], Provider] | None
    _problems: tuple[Problem, ...]

    def __init__(self, name: str, /, **options: Any) -> None:
        """
        :param name: a slug, up to 50 characters.
        :param options: facts that differ from the class's; what is wrong with them is told by
            :meth:`problems`, and by ``ImproperlyConfigured`` when the provider is used.
        """
        known = self.facts()
        accepted = {k: v for k, v in options.items() if k in known and k not in self._fixed}
        self.__dict__.update(
            accepted,
            name=name,
            _options=options,
            _variant=None,
            _original=self,
        )
        for fact, changed in self.option_facts.items():
            if getattr(self, fact):
                self.__dict__.update({**changed, **self.__dict__})
        self.__dict__["label"] = self.label or type(self).__name__
        own_config = dict(getattr(type(self), "from_config", {}))
        self.__dict__["from_config"] = {
            local: setting.replace("{NAME}", str(name).upper().replace("-", "_"))
            for local, setting in {
                **self._credentials,
                **own_config,
                **(accepted.get("from_config") or {}),
            }.items()
        }
        self.__dict__["_problems"] = tuple(self._resolve_urls()) + tuple(self.find_problems())

    @classmethod
    def facts(cls) -> frozenset[str]:
        """The names of this class's facts."""
        found = cls.__dict__.get("_facts")
        if found is None:
            found = frozenset(
                name
                for base in cls.__mro__[:-1]
                for name, value in {**base.__annotations__, **vars(base)}.items()
                if not name.startswith("_")
                and not isinstance(value, (FunctionType, property, classmethod, staticmethod))
                and not isinstance(value, cached_property)
            )
            cls._facts = found  # type: ignore[attr-defined]
        return found

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"{self!r} is frozen, because all requests share it: set {name.upper()} in "
            f"DANCE_PROVIDERS[{self.name!r}], name a setting for it in FROM_CONFIG, or change "
            "the session of one visitor (request.oauth…)."
        )

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # --- what may be wrong --------------------------------------------------------------------

    def _resolve_urls(self) -> Iterator[Problem]:
        """Fill in the texts that name other facts."""
        where = f"DANCE_PROVIDERS[{self.name!r}]"
        values = {fact: getattr(self, fact, None) for fact in self.facts()}
        yield from self._bad_hosts(values)
        for fact in self._urls:
            template = getattr(self, fact)
            if template is None or template == "":
                if fact in self._required or (fact == "base_url" and self._needs_base()):
                    yield Problem(
                        "django_dance.E003",
                        f"{where} has no {fact.upper()}.",
                        f"Add {fact.upper()} to its options, or choose a preset that has it.",
                    )
                continue
            if not isinstance(template, str):
                yield self._bad_url(fact, template)
                continue
            try:
                url = template.format(**values)
            except (KeyError, IndexError, ValueError, AttributeError) as error:
                yield Problem(
                    "django_dance.E003",
                    f"{where}: {fact.upper()} is {template!r}, which cannot be filled in: {error}.",
                    "A name in braces must be the name of a fact of the provider.",
                )
                continue
            if url and fact != "base_url" and self.base_url and "://" not in url:
                url = f"{self.base_url.rstrip('/')}/{url.lstrip('/')}"
            values[fact] = self.__dict__[fact] = url
            if "://" not in url and not self.base_url:
                continue  # for want of a base URL, which is told already
            if template != "{token_url}" and not good_url(url):  # that one is told already
                yield self._bad_url(fact, url)
        try:
            self.__dict__["account_url"] = str(self.account_url or "").format(**values)
            self.__dict__["request_headers"] = {
                name: text.format(**values) for name, text in self.request_headers.items()
            }
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            yield Problem(
                "django_dance.E004",
                f"{where}: ACCOUNT_URL or REQUEST_HEADERS cannot be filled in: {error}.",
                "A name in braces must be the name of a fact of the provider.",
            )
        given = self.api_origins or ()
        try:
            origins = [o.format(**values) for o in ((given,) if isinstance(given, str) else given)]
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            yield self._bad_url("api_origins", given)
            origins = []
        self.__dict__["api_origins"] = tuple(origins)
        for url in origins:
            if not good_url(url) or urlsplit(url).path not in ("", "/"):
                yield self._bad_url("api_origins", url)

    def _bad_hosts(self, values: dict[str, Any]) -> Iterator[Problem]:
        """What is wrong with the facts that URLs name; they are put right for the others' sake."""
        where = f"DANCE_PROVIDERS[{self.name!r}]"
        templates = [text for fact in self._urls if isinstance(text := getattr(self, fact), str)]
        for name in dict.fromkeys(n for text in templates for n in _names(text)):
            value = values.get(name)
            if name in self._urls or name not in values:
                continue
            if value is None or value == "":
                yield Problem(
                    "django_dance.E003",
                    f"{where} has no {name.upper()}.",
                    f"Add {name.upper()} to its options: its addresses are made of it.",
                )
            elif any(
                name in _names(text.partition("://")[2].partition("/")[0]) for text in templates
            ):
                if isinstance(value, str) and _HOST.fullmatch(value):
                    continue
                yield Problem(
                    "django_dance.E003",
                    f"{where}: {name.upper()} is {value!r}, which is no host name.",
                    'Write it without "https://" and without a path, such as "gitlab.example.com".',
                )
            else:
                continue
            values[name] = "invalid.invalid"

    def _needs_base(self) -> bool:
        """Whether a required URL is relative to ``base_url``."""
        return any("://" not in (getattr(self, fact) or "://") for fact in self._required)

    def _bad_url(self, fact: str, value: object) -> Problem:
        return Problem(
            "django_dance.E003",
            f"DANCE_PROVIDERS[{self.name!r}]: {fact.upper()} is {value!r}.",
            "It must be an https address without user, password or fragment "
            "(http only for loopback while DEBUG"
            + ("; an origin has no path)." if fact == "api_origins" else ")."),
        )

    def find_problems(self) -> Iterator[Problem]:
        """What else is wrong with this provider's options. Subclasses add to it."""
        where = f"DANCE_PROVIDERS[{self.name!r}]"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            yield Problem(
                "django_dance.E001",
                f"{where}: this is no name for a provider.",
                "Use lower-case letters, digits, hyphens and underscores, beginning with a "
                "letter, 50 at most.",
            )
        elif self.name in ("adopt",):
            yield Problem(
                "django_dance.E001",
                f"{where}: request.oauth.{self.name} means something else already.",
                "Choose another name.",
            )
        options = sorted(self.facts() - self._fixed)
        for option in self._options:
            if option in options:
                continue
            near = difflib.get_close_matches(option, options, n=1)
            yield Problem(
                "django_dance.E002",
                f"{where}: {type(self).__name__} has no option {option.upper()}.",
                f"Did you mean {near[0].upper()}?"
                if near
                else f"Its options are {', '.join(o.upper() for o in options)}.",
            )
        reserved = self._reserved & set(self.authorization_url_params or ())
        if reserved:
            yield Problem(
                "django_dance.E004",
                f"{where}: AUTHORIZATION_URL_PARAMS names {', '.join(sorted(reserved))}.",
                "These parameters are the dance's own; a fixed one would open it to forgery. "
                "Remove them.",
            )
        for fact in ("login_url", "authorized_url", "disconnect_url"):
            try:
                self._route(fact)
            except (KeyError, IndexError, ValueError, AttributeError) as error:
                yield Problem(
                    "django_dance.E004",
                    f"{where}: {fact.upper()} is {getattr(self, fact)!r}: {error}.",
                    'Only the provider can be named in it: "{provider.name}/".',
                )
        for local in self.from_config:
            root, dot, attribute = local.partition(".")
            if (dot and (root != "session" or not attribute)) or (not dot and local not in options):
                yield Problem(
                    "django_dance.E004",
                    f"{where}: FROM_CONFIG names {local!r}.",
                    'A local name is an option of the provider, or "session." and an attribute '
                    "of its sessions.",
                )

    def problems(self) -> tuple[Problem, ...]:
        """Everything that keeps this provider from working."""
        return self._problems

    def missing_credentials(self) -> list[str]:
        """The settings that should hold this site's credentials and do not."""
        if type(self).get_client_credentials is not Provider.get_client_credentials:
            return []  # they come from somewhere else
        current = self._refreshed()
        return [
            setting for local, setting in self._needed_credentials() if not getattr(current, local)
        ]

    def _needed_credentials(self) -> list[tuple[str, str]]:
        return [(local, self.from_config[local]) for local in self._credentials]

    # --- facts of this moment -----------------------------------------------------------------

    def current(self) -> Provider:
        """This provider with the facts that ``from_config`` reads from the settings of now.

        :raises ImproperlyConfigured: something is wrong with its options.
        """
        current = self._refreshed()
        if current._problems:
            raise ImproperlyConfigured("\n".join(map(str, current._problems)))
        return current

    def _refreshed(self) -> Provider:
        original = self._original
        values = [
            (local, value)
            for local, setting in original.from_config.items()
            if "." not in local and (value := settings.named(setting))
        ]
        if not values:
            return original
        made = original._variant
        if made is None or made[0] != values:
            variant = type(original)(original.name, **{**original._options, **dict(values)})
            variant.__dict__["_original"] = original
            made = original.__dict__["_variant"] = (values, variant)
        return made[1]

    def get_client_credentials(self, owner: ResourceOwner) -> ClientCredentials:
        """This site's credentials; override it for credentials per tenant.

        :raises ImproperlyConfigured: there are none.
        """
        missing = self.missing_credentials()
        if missing:
            raise ImproperlyConfigured(
                f"{self.label} does not know this site: set {' and '.join(missing)} to what it "
                "gave you when you registered your application there."
            )
        current = self.current()
        return ClientCredentials(current.client_id, current.client_secret)

    @cached_property
    def token_storage(self) -> BaseStorage:
        """Where tokens of this provider are kept."""
        if self._original is not self:
            return self._original.token_storage
        build = import_string("django_dance.storage.build")
        storage: BaseStorage = build(self.storage or settings.storage)
        return storage

    @cached_property
    def trusted_origins(self) -> frozenset[Origin]:
        """Where the token may be sent: home, to ``api_origins``, and where to ask who this is."""
        urls = (self.base_url or "", *self.api_origins, self.account_url)
        return frozenset(filter(None, map(origin, urls)))

    def base_url_for(self, load_token: Callable[[], Token | None]) -> str | None:
        """The base URL for a token.

        :raises UntrustedOrigin: the token names a host that is not the provider's.
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
            raise UntrustedOrigin(f"{self.label}'s token names {host or 'an address'} as its home.")
        return url

    def account_info(self, session: DanceSession) -> AccountInfo:
        """Who the session's owner is at the provider."""
        if not self.account_id:
            raise ImproperlyConfigured(
                f"{self.name} does not state where to ask whose token it is: set ACCOUNT_URL and "
                f"ACCOUNT_ID in DANCE_PROVIDERS[{self.name!r}]."
            )
        fields: Any = session.token
        if self.account_url:
            response = session.request(
                self.account_method, self.account_url, json=self.account_json
            )
            try:
                fields = response.json() if response.ok else None
            except ValueError:
                fields = None
        found = _field(fields, self.account_id)
        # A number or a text, and nothing that two accounts could share.
        if isinstance(found, bool) or not isinstance(found, (int, str)) or found in ("", "None"):
            raise InvalidResponse(f"{self.label} does not say whose token it is.")
        label = _field(fields, self.account_label) if self.account_label else None
        return AccountInfo(str(found), str(label or found), fields)

    # --- sessions -----------------------------------------------------------------------------

    def session(
        self,
        request: HttpRequest | None = None,
        *,
        user: Any = None,
        user_id: Any = None,
        account: str = "",
    ) -> DanceSession:
        """A session that acts for one resource owner.

        :param request: the request in whose course it is used, if there is one.
        :param user: whose token; default: the request's user.
        :param user_id: the user's primary key, where that is all that is known.
        :param account: the account at the provider; ``""`` is the default one.
        """
        current = self.current()
        session_class: Any = _imported(current, "session_class")
        session: DanceSession = session_class(
            current, ResourceOwner(current, request, user, user_id, account)
        )
        for local, setting in current.from_config.items():
            if "." in local and (value := settings.named(setting)):
                target: Any = session
                *parents, attribute = local.split(".")[1:]
                for parent in parents:
                    target = getattr(target, parent)
                setattr(target, attribute, value)
        return current.session_created(session)

    def session_created(self, session: DanceSession) -> DanceSession:
        """A hook for subclasses: called with each session made, returns the one to use."""
        return session

    # --- URLs ---------------------------------------------------------------------------------

    @property
    def urls(self) -> tuple[list[URLPattern], str]:
        """The routes of this provider's views, for ``include()``; the namespace is its name."""
        return [
            path(self._route("login_url"), self._view("login_view"), name="login"),
            path(self._route("authorized_url"), self._view("authorized_view"), name="authorized"),
            path(self._route("disconnect_url"), self._view("disconnect_view"), name="disconnect"),
        ], self.name

    def _route(self, fact: str) -> str:
        return str(getattr(self, fact)).format(provider=self).lstrip("/")

    def _view(self, fact: str) -> Any:
        return _imported(self, fact).as_view(provider=self)

    def url(self, view: str, **query: str) -> str:
        """The path of its ``login``, ``authorized`` or ``disconnect`` view.

        :raises NoReverseMatch: the URLs are not included.
        """
        url = reverse(f"{self.name}:{view}")
        return f"{url}?{urlencode(query)}" if query else url

    def callback_uri(self, request: HttpRequest) -> str:
        """The absolute address of the ``authorized`` view (RFC 6749 §3.1.2).

        :raises FlowError: ``insecure_transport``; a code must not come back over plain http.
        """
        location = self.url("authorized")
        if settings.base_url:
            return str(settings.base_url).rstrip("/") + location
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
        """Where a dance ends that nobody gave a ``next``."""
        if self.redirect_url:
            return self.redirect_url
        if self.redirect_to:
            return reverse(self.redirect_to)
        return str(settings.login_redirect_url)

    # --- the two steps ------------------------------------------------------------------------

    def begin(self, request: HttpRequest, flow: Flow) -> tuple[str, Flow]:
        """The first step: where to send the visitor, and the flow to remember."""
        raise NotImplementedError

    def callback_state(self, params: QueryDict) -> str:
        """What a callback's parameters name their flow by."""
        raise NotImplementedError

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        """Refuse what is no answer to the flow, before the flow is spent.

        :raises FlowError:
        """
        raise NotImplementedError

    def complete(self, request: HttpRequest, flow: Flow, params: QueryDict) -> Token:
        """The second step: what the provider granted.

        :raises FlowError: the provider or the visitor said no.
        :raises ProviderError: the provider did not do its part.
        """
        raise NotImplementedError

    def usable(self, token: Token) -> bool:
        """Whether API calls can be made with it, now or after a refresh."""
        raise NotImplementedError

    def revoke(self, owner: ResourceOwner, token: Token) -> None:
        """Tell the provider that the token is no longer wanted, if there is a way.

        :raises ProviderError: it did not listen.
        """

    def authorization_params(self) -> dict[str, str]:
        """The parameters that the facts add to the authorization URL."""
        params = dict(self.authorization_url_params or {})
        for fact, added in self.authorization_url_options.items():
            if getattr(self, fact):
                for name, template in added.items():
                    value = template.format(**{fact: getattr(self, fact)})
                    params[name] = f"{params[name]} {value}" if name in params else value
        return params


def _names(template: str) -> list[str]:
    """The facts that a text names."""
    try:
        return [name for _, name, _, _ in Formatter().parse(template) if name]
    except ValueError:
        return []


def _field(fields: Any, path: str) -> Any:
    """The field that a path of names and numbers leads to, or ``None``."""
    for name in path.split("."):
        if isinstance(fields, Mapping):
            fields = fields.get(name)
        elif isinstance(fields, list) and name.isdigit() and int(name) < len(fields):
            fields = fields[int(name)]
        else:
            return None
    return fields


def _imported(provider: Provider, fact: str) -> Any:
    """The class that a fact is, or names."""
    value = getattr(provider, fact)
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"DANCE_PROVIDERS[{provider.name!r}]: {fact.upper()} cannot be imported: {error}."
        ) from error


def good_url(url: str) -> bool:
    """Whether a protocol call may go there."""
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.password is None and "#" not in url
    except ValueError:
        return False
    return plain and is_secure(url) and not re.search(r"[\x00-\x20\x7f\\]", url)


def with_query(url: str, params: Mapping[str, str]) -> str:
    """The URL with ``params`` after the query it has (RFC 6749 §3.1)."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(params))))
    return urlunsplit(parts._replace(query=query))


def single(params: QueryDict, name: str) -> str | None:
    """The parameter's value; ``None`` if it is absent.

    :raises FlowError: ``parameter_repeated`` (RFC 6749 §3.1).
    """
    values = params.getlist(name)
    if len(values) > 1:
        raise FlowError("parameter_repeated", f"the callback has {name} more than once")
    return values[0] if values else None
