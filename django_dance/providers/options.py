"""Facts: the attributes of a provider class, which the settings can change, and their checks."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from string import Formatter
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from ..conf import settings
from ..http import is_secure
from ..tokens import Secret
from .places import AllowedPlaces, PlaceKind, Variants

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
#: Methods of ``request.oauth``; a provider of this name could not be reached as an attribute.
_METHODS_OF_THE_CONTAINER = ("adopt", "connections")
#: The first part of the route of the page of connections.
_PAGE_OF_CONNECTIONS = "connections/"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")
#: The exceptions of ``str.format`` for a template that names an unknown fact.
_FORMAT_ERRORS = (KeyError, IndexError, ValueError, AttributeError)
#: The time before the end of a fact at which the check begins to warn.
_NOTICE = timedelta(days=90)
_NAMES_A_FACT = "A name in braces must be the name of a fact of the provider."


@dataclass(frozen=True)
class Problem:
    """A mistake in a provider's options: the text of a system check and of an exception."""

    id: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


@dataclass(frozen=True)
class Declaration:
    """The properties of a fact that its default value does not show. :func:`fact` makes it."""

    default: Any
    url: bool
    required: bool
    fixed: bool
    any_value: bool
    reserved: frozenset[str]

    def __set_name__(self, owner: type, name: str) -> None:
        if "_own_declarations" not in vars(owner):
            owner._own_declarations = {}  # type: ignore[attr-defined]
        vars(owner)["_own_declarations"][name] = self
        setattr(owner, name, self.default)


def fact(
    default: Any = None,
    *,
    url: bool = False,
    required: bool = False,
    fixed: bool = False,
    any_value: bool = False,
    reserved: Iterable[str] = (),
) -> Any:
    """Declare a fact in the body of a class. The class attribute is then the default value.

    :param url: it is a URL. It may contain other facts in braces, and may be relative to
        ``base_url``.
    :param required: it must not be empty.
    :param fixed: a class can state it, and the settings cannot.
    :param any_value: an option may have a value of another type than the default.
    :param reserved: keys that the value, a dict of parameters, must not have, because the protocol
        sets these parameters.
    """
    return Declaration(default, url, required, fixed, any_value, frozenset(reserved))


class Facts:
    """The facts of a provider: the public attributes of its class.

    Every fact is an option, in upper case, of the provider's entry in ``DANCE_PROVIDERS``. A text
    may contain other facts in braces: ``"https://{host}/oauth/token"``. An instance is frozen,
    because all requests share it: data of a visitor belongs to a session, and :attr:`from_config`
    reads values that may change.
    """

    #: The name in the settings; also the URL namespace and ``request.oauth.<name>``.
    name: str = fact("", fixed=True)
    #: The name that people see. Default: the name of the class.
    label: str = ""
    #: The page of the provider's documentation that these facts were read from.
    documentation: str = fact("", fixed=True)
    #: The page where a site is registered as an application.
    registration_url: str = fact("", fixed=True)
    #: Facts that could not be confirmed from two independent sources.
    unconfirmed: Sequence[str] = fact((), fixed=True)
    #: The month in which the facts were last compared with the documentation: ``"2026-11"``.
    checked: str = fact("", fixed=True)
    #: The day on which the provider ends its API, such as ``"2026-11-02"``, and the API that
    #: replaces it.
    closes: str = fact("", fixed=True)
    replaced_by: str = fact("", fixed=True)
    #: Fact → the day from which on the provider does not support the preset's value of it.
    supported_until: Mapping[str, str] = fact({}, fixed=True)
    #: The form of its places, if it has many servers; ``None`` for one server.
    place_kind: PlaceKind | None = fact(None, fixed=True, any_value=True)
    #: The places that users may connect to: a list of places and suffixes, a function of the
    #: request and the place, or its dotted path, or ``"any"``. ``None``: the servers of the
    #: settings only.
    places: Any = fact(None, any_value=True)
    #: The place of this variant: see :meth:`Provider.at`.
    place: str = fact("", fixed=True)
    #: Whether this site has one client for all places. Otherwise its credentials in the settings
    #: are not sent to a place, because another server granted them.
    one_client: bool = fact(False, fixed=True)
    #: The facts that may be discovered at a place, and are stored with a token.
    server_facts: Sequence[str] = fact((), fixed=True)
    #: Relative URLs of API calls are joined to its path. The token is sent to its origin.
    base_url: str | None = fact(None, url=True)
    #: Further origins that the token may be sent to, such as ``"https://uploads.github.com"``.
    api_origins: Sequence[str] = ()
    #: For providers with a host for each account: the base URL with fields of the token in braces,
    #: and the domains that its host must belong to.
    base_url_from_token: str = fact("", fixed=True)
    base_url_domains: Sequence[str] = fact((), fixed=True)
    #: For providers with several servers: the field of the token with the URL of the account's
    #: server, whose host then takes the place of ``host``, and the hosts that it may be.
    host_from_token: str = fact("", fixed=True)
    hosts: Sequence[str] = fact((), fixed=True)
    #: Headers of every API call.
    request_headers: Mapping[str, str] = {}
    #: The header that contains the token.
    token_header: str = fact("Authorization", fixed=True)
    #: The request for the account of a token: a URL, absolute or relative to ``base_url``, a
    #: method, and a JSON body. The URL is empty if the fields of the token name the account.
    account_url: str = ""
    account_method: str = "GET"
    account_json: Mapping[str, Any] | None = None
    #: The field of the answer with the id, which never changes, and the field with the name to show
    #: to people. Dots separate the names and list indexes of nested fields: ``"data.0.id"``.
    account_id: str = ""
    account_label: str = ""
    #: The field of the workspace, company or team that a token is for, if a user can connect
    #: several, and the field of its name. It is in the answer for the account, or in the token. The
    #: id of the account is then ``<workspace>:<account_id>``.
    account_workspace: str = ""
    account_workspace_label: str = ""
    #: Values of ``account_id`` that the provider's documentation calls permanent: the id of an
    #: account never changes, and no other account gets it. Only with one of these, an account can
    #: be used for sign-in.
    permanent_account_ids: Sequence[str] = fact((), fixed=True)
    #: Whether visitors can sign in with an account that they have connected.
    sign_in: bool = False
    #: The URL where the visitor grants authorization.
    authorization_url: str = fact("", url=True, required=True)
    #: Parameters to add to this URL.
    authorization_url_params: Mapping[str, str] = {}
    #: Fact → the parameters that it adds to this URL if it is true. Values of parameters with the
    #: same name are joined with a space.
    authorization_url_options: Mapping[str, Mapping[str, str]] = fact({}, fixed=True)
    #: Fact → the facts that change if it is true. The settings take precedence.
    option_facts: Mapping[str, Mapping[str, Any]] = fact({}, fixed=True)
    #: The answers of the API, besides a 401, which mean that the token is not valid any more: the
    #: path of a field of the JSON answer → its values. The status of the answer does not matter.
    token_over: Mapping[str, Sequence[str]] = {}
    #: Scope → the words that describe it to the user: ``"See your profile"``. The settings add to
    #: the words of the class.
    scope_words: Mapping[str, Any] = {}
    #: Whether the page of connections lists the provider. Default: if the connections are those of
    #: the user, and not of a team or of the site.
    listed: bool | None = None
    #: Scope → other scopes, or other names of it, that a token with this scope has, too. ``*``
    #: stands for any text, and for the same text on both sides.
    scope_implies: Mapping[str, Sequence[str]] = {}
    #: A file or directory of CA certificates, for a server whose certificate has a CA of your own.
    ca_bundle: str | None = None
    #: This site's credentials. Better kept in the settings that ``from_config`` names.
    client_id: str = ""
    client_secret: str = ""
    #: A function of the provider and the resource owner that returns the
    #: :class:`~django_dance.providers.ClientCredentials`, or its dotted path. It takes precedence.
    credentials: Any = fact(None, any_value=True)
    #: Fact, or ``session.<attribute>`` of each new session → the Django setting with its value.
    from_config: Mapping[str, str] = {}
    #: URL routes, formatted with ``provider``.
    login_url: str = "{provider.name}/"
    authorized_url: str = "{provider.name}/authorized/"
    disconnect_url: str = "{provider.name}/disconnect/"
    #: The page after a dance without ``next``: ``redirect_url`` is a URL and takes precedence over
    #: ``redirect_to``, the name of a URL of the site. Default: DANCE_LOGIN_REDIRECT_URL.
    redirect_url: str | None = None
    redirect_to: str | None = None
    #: The class of its sessions, or its dotted path.
    session_class: str | type = fact("", any_value=True)
    #: ``{"BACKEND": …, "OPTIONS": {…}}``, a dotted path, or a storage; default ``DANCE_STORAGE``.
    storage: Any = fact(None, any_value=True)
    #: The views, or their dotted paths.
    login_view: str | type = "django_dance.views.LoginView"
    authorized_view: str | type = "django_dance.views.AuthorizedView"
    disconnect_view: str | type = "django_dance.views.DisconnectView"

    #: Fact → the setting with a part of the credentials; ``{NAME}`` is the name in upper case.
    _credentials: ClassVar[Mapping[str, str]] = {
        "client_id": "{NAME}_OAUTH_CLIENT_ID",
        "client_secret": "{NAME}_OAUTH_CLIENT_SECRET",
    }
    _facts: ClassVar[frozenset[str]]
    #: The names of its cached properties.
    _cached: ClassVar[frozenset[str]]
    #: Fact → its declaration, if it has one, in the order of the source.
    _declarations: ClassVar[Mapping[str, Declaration]]

    #: The options as they were given.
    _given: dict[str, Any]
    _original: Self
    _variant: tuple[list[tuple[str, Any]], Self] | None
    _problems: tuple[Problem, ...]
    #: Fact → its text, in which the names of other facts are not filled in; and these names.
    _templates: Mapping[str, Any]
    _named_facts: Set[str]
    #: The variants of the places that were used last.
    _places: Variants[Self]
    #: Whether each of its servers is a place: then this object itself makes no calls.
    _needs_place: bool
    #: The discovered facts of the authorization server.
    _server: Mapping[str, str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = cls.__mro__[-2::-1]  # all but ``object``, the most general first
        cls._declarations = {
            name: declaration
            for base in bases
            for name, declaration in vars(base).get("_own_declarations", {}).items()
        }
        not_facts = (FunctionType, property, classmethod, staticmethod, cached_property)
        cls._cached = frozenset(
            name
            for base in bases
            for name, value in vars(base).items()
            if isinstance(value, cached_property)
        )
        cls._facts = frozenset(
            name
            for base in bases
            for name, value in {**base.__annotations__, **vars(base)}.items()
            if not name.startswith("_") and not isinstance(value, not_facts)
        )

    def __init__(self, name: str, /, **options: Any) -> None:
        """
        :param name: a slug of at most 50 characters.
        :param options: facts that differ from those of the class. :meth:`problems` names mistakes
            in them; if there are any, the use of the provider raises ``ImproperlyConfigured``.
        """
        known = [option for option in options if option in self.options()]
        refused = [option for option in known if not self._accepts(option, options[option])]
        accepted = {option: options[option] for option in known if option not in refused}
        self.__dict__.update(accepted, name=name, _given=options, _variant=None, _original=self)
        for option, changed in self.option_facts.items():
            if getattr(self, option):
                self.__dict__.update({**changed, **self.__dict__})
        self.__dict__["_places"], self.__dict__["_server"] = Variants(), MappingProxyType({})
        self.__dict__["_needs_place"] = self._lacks_server()
        if self.place_kind and self._needs_place:
            # The facts are checked at an example.
            example = self._facts_of(self.place_kind.example)
            self.__dict__.update(example)
        self.__dict__["label"] = self.label or type(self).__name__
        self.__dict__["from_config"] = {
            local: setting.replace("{NAME}", str(name).upper().replace("-", "_"))
            for local, setting in {
                **self._credentials,
                **(type(self).from_config or {}),
                **(accepted.get("from_config") or {}),
            }.items()
        }
        self._freeze_values()
        texts = [*self._facts_with("url"), "account_url", "request_headers", "api_origins"]
        self.__dict__["_templates"] = {
            name: text for name in texts if _depends_on_facts(text := getattr(self, name))
        }
        self.__dict__["_named_facts"] = {
            name
            for text in self._templates.values()
            for part in _parts(text)
            for name in _names(part)
        }
        self.__dict__["_problems"] = (
            *(self._wrong_type(option) for option in refused),
            *self._resolve_urls(),
            *self.find_problems(),
        )

    @classmethod
    def facts(cls) -> frozenset[str]:
        """Return the names of the facts of this class."""
        return cls._facts

    @classmethod
    def options(cls) -> frozenset[str]:
        """Return the names of the facts that the settings can state."""
        return cls._facts.difference(cls._facts_with("fixed"))

    @classmethod
    def _facts_with(cls, mark: str) -> list[str]:
        """Return the facts whose declaration has this mark, such as ``"url"``, in order."""
        return [name for name, found in cls._declarations.items() if getattr(found, mark)]

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

    def _freeze_values(self) -> None:
        """Replace dicts, lists and sets by immutable values, because all requests share them."""
        for name in self.facts():
            value = getattr(self, name, None)
            if isinstance(value, dict):
                self.__dict__[name] = MappingProxyType(dict(value))
            elif isinstance(value, (list, set)):
                self.__dict__[name] = tuple(value)

    @classmethod
    def _accepts(cls, option: str, value: Any) -> bool:
        """Return whether an option's value has the type of the class's value."""
        stated = getattr(cls, option, None)
        if stated is None or option in {*cls._facts_with("url"), *cls._facts_with("any_value")}:
            return True  # other checks look at these values
        if isinstance(stated, bool):
            return isinstance(value, bool)
        if option.endswith(("_view", "_class")):
            return isinstance(value, (str, type))
        if isinstance(stated, Mapping) and isinstance(value, Mapping):
            texts = [*value, *(value.values() if option == "from_config" else ())]
            return all(isinstance(text, str) for text in texts)
        if isinstance(stated, Mapping):
            return value is None
        return value is None or isinstance(value, (str, tuple, list))

    # --- problems -----------------------------------------------------------------------------

    def _problem(self, id: str, text: str, hint: str) -> Problem:
        return Problem(id, f"DANCE_PROVIDERS[{self.name!r}]: {text}", hint)

    def _missing(self, option: str, hint: str = "") -> Problem:
        return Problem(
            "django_dance.E003",
            f"DANCE_PROVIDERS[{self.name!r}] has no {option.upper()}.",
            hint or f"Add {option.upper()} to its options, or choose a preset that has it.",
        )

    def _wrong_type(self, option: str) -> Problem:
        # The message names types only, because the value may be a secret.
        return self._problem(
            "django_dance.E004",
            f"{option.upper()} is a {type(self._given[option]).__name__}.",
            f"The preset's value is a {type(getattr(type(self), option)).__name__}; "
            "use the same type.",
        )

    def _bad_url(self, option: str, value: object) -> Problem:
        # The message does not show a password in the URL.
        shown = re.sub(r"//[^/]*@", "//***@", repr(value))
        no_path = "; an origin has no path" if option == "api_origins" else ""
        return self._problem(
            "django_dance.E003",
            f"{option.upper()} is {shown}.",
            "It must be an https address without user, password or fragment (http only while "
            f"DEBUG, for loopback and the hosts in DANCE_INSECURE_HOSTS{no_path}).",
        )

    def _resolve_urls(self) -> Iterator[Problem]:
        """Fill in the facts that texts name in braces, and yield the problems of these texts."""
        values = self._values()
        yield from self._check_named_facts(values)
        for name in self._facts_with("url"):
            yield from self._resolve_url(name, values)
        try:
            self.__dict__["account_url"] = str(self.account_url or "").format(**values)
            self.__dict__["request_headers"] = {
                header: Secret(text.format(**values))
                for header, text in self.request_headers.items()
            }
        except _FORMAT_ERRORS as error:
            yield self._problem(
                "django_dance.E004",
                f"ACCOUNT_URL or REQUEST_HEADERS cannot be filled in: {error}.",
                _NAMES_A_FACT,
            )
        yield from self._resolve_origins(values)

    def _values(self) -> dict[str, Any]:
        """Return the values of the facts, for texts that name them."""
        values = {name: getattr(self, name, None) for name in self.facts()}
        if self.place_kind and self._needs_place:
            values["place"] = self.place_kind.example
        return values

    def _resolve_url(self, name: str, values: dict[str, Any]) -> Iterator[Problem]:
        template = getattr(self, name)
        if template is None or template == "":
            if name in self._facts_with("required") or (name == "base_url" and self._needs_base()):
                yield self._missing(name)
            return
        if not isinstance(template, str):
            yield self._bad_url(name, template)
            return
        try:
            url = template.format(**values)
        except _FORMAT_ERRORS as error:
            yield self._problem(
                "django_dance.E003",
                f"{name.upper()} is {template!r}, which cannot be filled in: {error}.",
                _NAMES_A_FACT,
            )
            return
        if url and name != "base_url" and self.base_url and "://" not in url:
            url = f"{self.base_url.rstrip('/')}/{url.lstrip('/')}"
        values[name] = self.__dict__[name] = url
        # A relative URL without a base URL, and a copy of another URL, have one problem already.
        is_reported = ("://" not in url and not self.base_url) or template == "{token_url}"
        if not is_reported and not good_url(url):
            yield self._bad_url(name, url)

    def _resolve_origins(self, values: Mapping[str, Any]) -> Iterator[Problem]:
        given = self.api_origins or ()
        try:
            origins = [o.format(**values) for o in ((given,) if isinstance(given, str) else given)]
        except (*_FORMAT_ERRORS, TypeError):
            yield self._bad_url("api_origins", given)
            origins = []
        self.__dict__["api_origins"] = tuple(origins)
        for url in origins:
            if not good_url(url) or urlsplit(url).path not in ("", "/"):
                yield self._bad_url("api_origins", url)

    def _check_named_facts(self, values: dict[str, Any]) -> Iterator[Problem]:
        """Check the facts that URLs name. A wrong value is replaced by a host that does not exist,
        so that it is reported once and not again for each URL."""
        urls = self._facts_with("url")
        templates = [text for name in urls if isinstance(text := getattr(self, name), str)]
        hosts = [text.partition("://")[2].partition("/")[0] for text in templates]
        for name in dict.fromkeys(name for text in templates for name in _names(text)):
            if name in urls or name not in values:
                continue
            value = values[name]
            if value is None or value == "":
                yield self._missing(
                    name,
                    f"Add {name.upper()} to its options. The provider's URLs contain it."
                    + (" If users choose the server, add PLACES instead." * bool(self.place_kind)),
                )
            elif any(name in _names(host) for host in hosts) and not (
                isinstance(value, str) and _HOST.fullmatch(value)
            ):
                yield self._problem(
                    "django_dance.E003",
                    f"{name.upper()} is {value!r}, which is not a valid host name.",
                    'Write it without "https://" and without a path, such as "gitlab.example.com".',
                )
            else:
                continue
            values[name] = "invalid.invalid"

    def _needs_base(self) -> bool:
        """Return whether a required URL is relative to ``base_url``."""
        urls = (getattr(self, name) for name in self._facts_with("required"))
        return any(isinstance(url, str) and url and "://" not in url for url in urls)

    def find_problems(self) -> Iterator[Problem]:
        """Yield the problems of this provider's options. Subclasses add to them."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            yield self._problem(
                "django_dance.E001",
                "this is not a valid name for a provider.",
                "Use at most 50 lower-case letters, digits, hyphens and underscores, and begin "
                "with a letter.",
            )
        elif self.name in _METHODS_OF_THE_CONTAINER:
            yield self._problem(
                "django_dance.E001",
                f"request.oauth.{self.name} is a method of request.oauth.",
                "Choose another name.",
            )
        yield from self._find_unknown_options()
        if self.sign_in and self.account_workspace:
            yield self._problem(
                "django_dance.E026",
                "SIGN_IN needs an account id that never changes, and ACCOUNT_WORKSPACE adds the "
                "workspace to it.",
                'Set ACCOUNT_WORKSPACE to "", or remove SIGN_IN.',
            )
        elif self.sign_in and self.account_id not in self.permanent_account_ids:
            permanent = " or ".join(map(repr, self.permanent_account_ids))
            yield self._problem(
                "django_dance.E026",
                f"SIGN_IN needs an account id that never changes and that no other account gets, "
                f"and {type(self).__name__} does not say so of ACCOUNT_ID {self.account_id!r}.",
                f"Use {permanent} as ACCOUNT_ID." if permanent else "Remove SIGN_IN.",
            )
        for name in self._facts_with("reserved"):
            reserved = self._declarations[name].reserved & set(getattr(self, name) or ())
            if reserved:
                yield self._problem(
                    "django_dance.E004",
                    f"{name.upper()} names {', '.join(sorted(reserved))}.",
                    "The protocol sets these parameters; a fixed value would allow forgery. "
                    "Remove them.",
                )
        if self.listed not in (True, False, None):
            yield self._problem(
                "django_dance.E004",
                f"LISTED is {self.listed!r}.",
                "True lists the provider on the page of connections, False hides it, and None "
                "lists it if the connections are those of the user.",
            )
        yield from self._find_wrong_places()
        yield from self._find_wrong_routes()

    def _find_wrong_places(self) -> Iterator[Problem]:
        kind, allowed = self.place_kind, self._allowed_places
        if kind is None and self.places is not None:
            yield self._problem(
                "django_dance.E029",
                f"PLACES is set, and {type(self).__name__} has no places.",
                "Remove it: the preset has one server, or its options name the server.",
            )
        elif self._needs_place and self.places is None:
            yield self._problem(
                "django_dance.E029",
                "there is no PLACES, so users cannot connect to any server.",
                f"Set PLACES to a list of places such as {kind and kind.example!r}, a function of "
                'the request and the place, or "any".',
            )
        elif allowed is not None and (problem := allowed.problem()):
            yield self._problem(
                "django_dance.E029",
                f"PLACES cannot be used. {problem}",
                "It must be a list of places, and of suffixes that begin with a dot; a function of "
                'the request and the place, or its dotted path; or "any".',
            )

    @cached_property
    def _allowed_places(self) -> AllowedPlaces | None:
        """The places that PLACES allows; ``None`` without PLACES."""
        if self.place_kind is None or self.places is None:
            return None
        name = f"DANCE_PROVIDERS[{self.name!r}]: PLACES"
        return AllowedPlaces(self.place_kind, self.places, name)

    # --- places -------------------------------------------------------------------------------

    def _lacks_server(self) -> bool:
        """Return whether neither the settings nor the class name the server to call."""
        kind = self.place_kind
        if kind is None:
            return False
        stated = [fact for fact in kind.facts if "{" not in str(self.__dict__.get(fact, "{"))]
        # Without facts for it, the URLs of the class contain the place itself.
        return not stated and (self.places is not None or not kind.facts)

    def _facts_of(self, place: str) -> dict[str, str]:
        """Return the facts that a place decides. An option with braces names them itself."""
        facts = self.place_kind.facts_of(place) if self.place_kind else {}
        return {fact: text for fact, text in facts.items() if "{" not in str(self._given.get(fact))}

    def _is_at(self, place: str) -> bool:
        """Return whether the settings name this place as the provider's server."""
        facts = self._facts_of(place)
        if self._needs_place or not facts:
            return False
        return all(getattr(self, fact) == facts[fact] for fact in facts)

    def variant(self, place: str) -> Self:
        """Return this provider at a place in normal form; ``""`` is the provider of the settings.

        Unlike :meth:`Provider.at`, it accepts a place that PLACES does not allow, such as that of a
        stored connection. Nothing is called or stored.

        :raises ImproperlyConfigured: the provider has no places.
        """
        if place == self.place and not self._server:
            return self
        current = self._original._with_current_settings()
        if not place:
            return current
        if (found := current._places.find(place)) is not None:
            return found
        if current._is_at(place):
            return current
        if current.place_kind is None:
            raise ImproperlyConfigured(
                f"{current.label} has no places, so there is none with the name {place!r}: has "
                f"the PROVIDER of DANCE_PROVIDERS[{self.name!r}] changed?"
            )
        return current._places.add(place, current._make_variant(place))

    def _make_variant(self, place: str) -> Self:
        facts = {"place": place, "_needs_place": False, "_places": Variants()}
        return self._derive({**facts, **self._facts_of(place)})

    def _derive(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with other facts. The texts that name them are filled in again.

        The texts are not checked again: those of this provider were. It takes microseconds, because
        users may name many places.
        """
        made = object.__new__(type(self))
        kept = self.__dict__.keys() - self._cached - changes.keys()
        made.__dict__.update({name: self.__dict__[name] for name in kept}, **changes)
        values = {name: getattr(made, name, None) for name in self._named_facts}
        for name, template in self._templates.items():
            if name in changes:
                continue
            if isinstance(template, str):
                text = template.format_map(values)
                is_joined = name not in ("base_url", "account_url") and made.base_url
                if text and is_joined and "://" not in text:
                    text = f"{(made.base_url or '').rstrip('/')}/{text.lstrip('/')}"
                values[name] = made.__dict__[name] = text
            elif isinstance(template, Mapping):
                filled = {key: Secret(text.format_map(values)) for key, text in template.items()}
                made.__dict__[name] = filled
            else:
                made.__dict__[name] = tuple(text.format_map(values) for text in template)
        return made

    def _find_wrong_routes(self) -> Iterator[Problem]:
        for name in ("login_url", "authorized_url", "disconnect_url"):
            try:
                route = self._route(name)
            except ImproperlyConfigured as error:
                yield self._problem(
                    "django_dance.E004",
                    str(error),
                    'Only the provider can be named in it: "{provider.name}/".',
                )
                continue
            if route.startswith(_PAGE_OF_CONNECTIONS) and self.name not in (
                _METHODS_OF_THE_CONTAINER
            ):
                yield self._problem(
                    "django_dance.E004",
                    f"{name.upper()} begins with {_PAGE_OF_CONNECTIONS!r}.",
                    "The page of connections has this address. Choose another route.",
                )

    def _find_unknown_options(self) -> Iterator[Problem]:
        options = sorted(self.options())
        for option in self._given:
            if option in options:
                continue
            near = difflib.get_close_matches(option, options, n=1)
            yield self._problem(
                "django_dance.E002",
                f"{type(self).__name__} has no option {option.upper()}.",
                f"Did you mean {near[0].upper()}?"
                if near
                else f"Its options are {', '.join(o.upper() for o in options)}.",
            )
        for local in self.from_config:
            root, dot, attribute = local.partition(".")
            if (dot and (root != "session" or not attribute)) or (not dot and local not in options):
                yield self._problem(
                    "django_dance.E004",
                    f"FROM_CONFIG names {local!r}.",
                    'A local name is an option of the provider, or "session." and an attribute '
                    "of its sessions.",
                )

    def problems(self) -> tuple[Problem, ...]:
        """Return all problems of this provider's options. With any, it cannot be used."""
        return self._problems

    def ending_facts(self) -> Iterator[Problem]:
        """Yield the facts that the provider ends within 90 days, or has ended already."""
        last_day = datetime.fromtimestamp(time.time(), UTC).date() + _NOTICE
        if self.closes and date.fromisoformat(self.closes) <= last_day:
            yield self._problem(
                "django_dance.W021",
                f"{self.label} ends this API on {self.closes}.",
                f"Use {self.replaced_by or 'another provider'} instead.",
            )
        for name, day in self.supported_until.items():
            if name not in self._given and date.fromisoformat(day) <= last_day:
                yield self._problem(
                    "django_dance.W021",
                    f"{self.label} does not support {name.upper()} {getattr(self, name)!r} from "
                    f"{day} on.",
                    f"Set {name.upper()} to a current value, or upgrade django-dance.",
                )

    def _route(self, option: str) -> str:
        route = str(getattr(self, option))
        try:
            return route.format(provider=self).lstrip("/")
        except _FORMAT_ERRORS as error:
            raise ImproperlyConfigured(f"{option.upper()} is {route!r}: {error}.") from error

    # --- current settings ---------------------------------------------------------------------

    def current(self) -> Self:
        """Return this provider with the values that ``from_config`` reads from the settings now.

        :raises ImproperlyConfigured: there are problems in its options.
        """
        current = self._with_current_settings()
        if current._problems:
            raise ImproperlyConfigured("\n".join(map(str, current._problems)))
        return current

    def _with_current_settings(self) -> Self:
        original = self._original
        values = [
            (local, value)
            for local, setting in original.from_config.items()
            if "." not in local and (value := settings.project_setting(setting))
        ]
        if not values:
            return original.variant(self.place) if self.place else original
        made = original._variant
        if made is None or made[0] != values:
            variant = type(original)(original.name, **{**original._given, **dict(values)})
            variant.__dict__["_original"] = original
            made = original.__dict__["_variant"] = (values, variant)
        return made[1].variant(self.place) if self.place else made[1]


def _parts(value: Any) -> list[str]:
    """Return the texts in the value of a fact."""
    if isinstance(value, Mapping):
        return list(map(str, value.values()))
    return list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value or "")]


def _depends_on_facts(value: Any) -> bool:
    """Return whether a text names facts, or is relative to the base URL."""
    return any("{" in text or "://" not in text for text in _parts(value) if text)


def _names(template: str) -> list[str]:
    """Return the facts that a text names in braces."""
    try:
        return [name for _, name, _, _ in Formatter().parse(template) if name]
    except ValueError:
        return []


def good_url(url: str) -> bool:
    """Return whether a protocol call may be sent to this URL."""
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.password is None and "#" not in url
    except ValueError:
        return False
    return plain and is_secure(url) and not re.search(r"[\x00-\x20\x7f\\]", url)
