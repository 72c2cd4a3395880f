"""What a provider states: facts, frozen once made, and what may be wrong with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from ..conf import settings
from ..http import is_secure
from ..tokens import Secret

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")


@dataclass(frozen=True)
class Problem:
    """Something wrong with a provider's options: for a system check, or for an exception."""

    id: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class Facts:
    """What a provider class states.

    Every public attribute of a provider class is a fact, and every fact is an option, in upper
    case, of the provider's entry in ``DANCE_PROVIDERS``. A text may name other facts:
    ``"https://{host}/oauth/token"``. Once made, it is frozen: what belongs to a visitor hangs on a
    session, and what changes with the settings is read by :attr:`from_config`.
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
    _original: Self
    _variant: tuple[list[tuple[str, Any]], Self] | None
    _problems: tuple[Problem, ...]

    def __init__(self, name: str, /, **options: Any) -> None:
        """
        :param name: a slug, up to 50 characters.
        :param options: facts that differ from the class's; what is wrong with them is told by
            :meth:`problems`, and by ``ImproperlyConfigured`` when the provider is used.
        """
        known = self.facts()
        accepted = {k: v for k, v in options.items() if k in known and k not in self._fixed}
        odd = [option for option in accepted if not self._fits(option, accepted[option])]
        for option in odd:
            del accepted[option]
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
        for fact in known:
            # All requests share them: what can be changed is made what cannot.
            value = getattr(self, fact, None)
            if isinstance(value, dict):
                self.__dict__[fact] = MappingProxyType(dict(value))
            elif isinstance(value, (list, set)):
                self.__dict__[fact] = tuple(value)
        self.__dict__["_problems"] = (
            *(self._odd_option(option) for option in odd),
            *self._resolve_urls(),
            *self.find_problems(),
        )

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

    @classmethod
    def _fits(cls, option: str, value: Any) -> bool:
        """Whether an option's value is of the kind that the fact is of."""
        kind = getattr(cls, option, None)
        if option in cls._urls or kind is None or option in ("session_class", "storage"):
            return True  # these tell for themselves
        if isinstance(kind, bool):
            return isinstance(value, bool)
        if isinstance(kind, Mapping):
            return value is None or (
                isinstance(value, Mapping)
                and all(isinstance(name, str) for name in value)
                and (option != "from_config" or all(isinstance(v, str) for v in value.values()))
            )
        if isinstance(kind, (tuple, list)):
            return value is None or isinstance(value, (str, tuple, list))
        if option.endswith(("_view", "_class")):
            return isinstance(value, (str, type))
        return value is None or isinstance(value, (str, tuple, list))

    def _odd_option(self, option: str) -> Problem:
        # By their kinds: the value may be a secret.
        given = type(self._options[option]).__name__
        kind = type(getattr(type(self), option)).__name__
        return Problem(
            "django_dance.E004",
            f"DANCE_PROVIDERS[{self.name!r}]: {option.upper()} is a {given}.",
            f"It must be of another kind; the preset has a {kind} there.",
        )

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
                name: Secret(text.format(**values)) for name, text in self.request_headers.items()
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
        urls = (getattr(self, fact) for fact in self._required)
        return any(isinstance(url, str) and url and "://" not in url for url in urls)

    def _bad_url(self, fact: str, value: object) -> Problem:
        return Problem(
            "django_dance.E003",
            # Not the password that it may have in it.
            f"DANCE_PROVIDERS[{self.name!r}]: {fact.upper()} is "
            f"{re.sub(r'//[^/]*@', '//***@', repr(value))}.",
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
            except ImproperlyConfigured as error:
                yield Problem(
                    "django_dance.E004",
                    f"{where}: {error}",
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

    def _route(self, fact: str) -> str:
        route = str(getattr(self, fact))
        try:
            return route.format(provider=self).lstrip("/")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ImproperlyConfigured(f"{fact.upper()} is {route!r}: {error}.") from error

    # --- facts of this moment -----------------------------------------------------------------

    def current(self) -> Self:
        """The same with the facts that ``from_config`` reads from the settings of now.

        :raises ImproperlyConfigured: something is wrong with its options.
        """
        current = self._refreshed()
        if current._problems:
            raise ImproperlyConfigured("\n".join(map(str, current._problems)))
        return current

    def _refreshed(self) -> Self:
        original = self._original
        values = [
            (local, value)
            for local, setting in original.from_config.items()
            if "." not in local and (value := settings.project_setting(setting))
        ]
        if not values:
            return original
        made = original._variant
        if made is None or made[0] != values:
            variant = type(original)(original.name, **{**original._options, **dict(values)})
            variant.__dict__["_original"] = original
            made = original.__dict__["_variant"] = (values, variant)
        return made[1]


def _names(template: str) -> list[str]:
    """The facts that a text names."""
    try:
        return [name for _, name, _, _ in Formatter().parse(template) if name]
    except ValueError:
        return []


def good_url(url: str) -> bool:
    """Whether a protocol call may go there."""
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.password is None and "#" not in url
    except ValueError:
        return False
    return plain and is_secure(url) and not re.search(r"[\x00-\x20\x7f\\]", url)
