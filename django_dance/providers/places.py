"""Places: the servers of a provider that has many, such as Mastodon, Shopify, or any MCP server.

A place is a text that a user may have typed. Its *normal form* names it in the table, in cache keys
and in URLs, so each server has one. Nothing here makes a call or resolves a name.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured

from ..conf import import_if_path
from ..exceptions import AddressRefused, PlaceError
from ..tokens import MAX_PLACE

if TYPE_CHECKING:
    from django.http import HttpRequest

#: The value of ``PLACES`` that allows each place in normal form.
ANY = "any"
#: The number of variants that a provider keeps.
MAX_VARIANTS = 500
#: A segment of a path that has one normal form: no ``.``, no ``..`` and nothing encoded.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+"
#: The path of a server that is not at the root of its host.
ANY_PATH = rf"(?:/{_SEGMENT})*"
#: ``@me@example.com``, as users of the fediverse name their account.
_HANDLE = re.compile(r"@?[^@\s/:?#\\]+@(?P<host>[^@\s/?#\\]+)")

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
#: RFC 3986 §2.3.
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")

_Variant = TypeVar("_Variant")


def _decode_unreserved(encoded: re.Match[str]) -> str:
    char = chr(int(encoded[0][1:], 16))
    return char if _UNRESERVED.fullmatch(char) else encoded[0].upper()


@dataclass(frozen=True)
class PlaceKind:
    """The form of a provider's places, and the facts that a place decides.

    ``facts`` has a template for each fact that differs for each place. The template may contain
    ``{place}``, the normal form; ``{host}``, its host with a port; and the names of the groups in
    ``path``.
    """

    facts: Mapping[str, str] = field(default_factory=lambda: {"host": "{place}"})
    #: A place of this form, for messages and for the checks of the facts.
    example: str = "example.com"

    def normalise(self, text: object) -> str:
        """Return the normal form of a place.

        :raises PlaceError: ``place_invalid``: it does not have the form of a place.
        """
        typed = text.strip() if isinstance(text, str) else ""
        if not typed or len(typed) > 2 * MAX_PLACE:
            raise self._invalid("It is empty or too long.")
        try:
            place = self._normal_form(typed)
        except AddressRefused as error:
            raise self._invalid(str(error)) from None
        if len(place) > MAX_PLACE:
            raise self._invalid(f"It is longer than {MAX_PLACE} characters.")
        return place

    def _invalid(self, reason: str) -> PlaceError:
        # The text is not in the message, because it may have a password.
        return PlaceError(
            f"This is not a place such as {self.example!r}. {reason}", "place_invalid"
        )

    def _normal_form(self, text: str) -> str:
        raise NotImplementedError

    def _check_text(self, text: str) -> str:
        """Return the normal form of a typed URL.

        :raises AddressRefused: it must not be called.
        """
        from ..http import check_url  # it imports requests

        return check_url(text if "://" in text else f"https://{text}")

    def facts_of(self, place: str) -> dict[str, str]:
        """Return the facts that a place in normal form decides."""
        names = {"place": place, "host": self.host_of(place), **self._groups(place)}
        return {fact: template.format_map(names) for fact, template in self.facts.items()}

    def host_of(self, place: str) -> str:
        """Return the host, with a port if it has one, of a place in normal form."""
        return place.partition("/")[0]

    def _groups(self, place: str) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class HostPlace(PlaceKind):
    """Places that are hosts: ``mastodon.social``. A typed ``https://mastodon.social/`` is the same.

    :ivar suffixes: the endings that a host must have. A text without a dot gets the first one.
    :ivar label: the pattern of the part before the suffix.
    :ivar hosts: hosts that are allowed besides those with a suffix.
    :ivar path: the pattern of a path that belongs to the place; empty for none.
    :ivar handles: whether ``@me@example.com`` names the place ``example.com``.
    """

    suffixes: Sequence[str] = ()
    label: str = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    hosts: Sequence[str] = ()
    path: str = ""
    handles: bool = False

    def _normal_form(self, text: str) -> str:
        if self.handles and (handle := _HANDLE.fullmatch(text)):
            text = handle["host"]
        if self.suffixes and re.fullmatch(r"[A-Za-z0-9_-]+", text):
            text += self.suffixes[0]
        parts = urlsplit(self._check_text(text))
        if parts.scheme != "https" or parts.query or "?" in text:
            raise self._invalid("It must be a host, without http:// and without a query.")
        if not self._accepts_host(parts.netloc):
            allowed = ", ".join([*self.hosts, *(f"*{suffix}" for suffix in self.suffixes)])
            raise self._invalid(f"The host must be one of {allowed}.")
        path = parts.path.removesuffix("/")
        if not re.fullmatch(self.path, path):
            raise self._invalid(
                "Its path is not one of this provider's." if path else "A path is missing."
            )
        return parts.netloc + path

    def _accepts_host(self, host: str) -> bool:
        if not self.suffixes or host in self.hosts:
            return True
        return any(
            host.endswith(suffix) and re.fullmatch(self.label, host.removesuffix(suffix))
            for suffix in self.suffixes
        )

    def _groups(self, place: str) -> Mapping[str, str]:
        match = re.fullmatch(self.path, place[len(self.host_of(place)) :]) if self.path else None
        return {} if match is None else {k: v or "" for k, v in match.groupdict().items()}


@dataclass(frozen=True)
class UrlPlace(PlaceKind):
    """Places that are URLs: ``https://mcp.example.com/mcp``. The path matters.

    A slash at the end is removed if there is nothing else in the path. A path may encode characters
    in several ways that lead to one resource: it is written as it is sent (RFC 3986 §6.2.2).
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    example: str = "https://example.com/mcp"

    def _normal_form(self, text: str) -> str:
        url = _ENCODED.sub(_decode_unreserved, self._check_text(text))
        parts = urlsplit(url)
        if "?" in text:
            raise self._invalid("It must not have a query.")
        if {".", ".."} & set(parts.path.split("/")):
            raise self._invalid('Its path has a part "." or "..".')
        return url.removesuffix("/") if parts.path == "/" else url

    def host_of(self, place: str) -> str:
        return urlsplit(place).netloc


class AllowedPlaces:
    """The places that the option ``PLACES`` allows.

    :param kind: the form of the provider's places.
    :param value: the option: a list of places and suffixes, a suffix such as ``".example.edu"``, a
        function of the request (or ``None``) and the place that returns a bool, or its dotted path,
        or ``"any"``.
    :param name: the name of the option, for errors.
    """

    def __init__(self, kind: PlaceKind, value: Any, name: str) -> None:
        self._kind, self._value, self._name = kind, value, name

    def problem(self) -> str | None:
        """Return the mistake in the option, or ``None``."""
        value = self._value
        if value == ANY or (callable(value) and not iscoroutinefunction(value)):
            return None
        texts = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
        if isinstance(value, str) and not value.startswith("."):
            try:
                _ = self._function
            except ImproperlyConfigured as error:
                return f"{error} A single place must be in a list."
            return None
        for text in texts:
            if not isinstance(text, str) or not text:
                return f"It is, or has, a {type(text).__name__}."
            if not text.startswith("."):
                try:
                    self._kind.normalise(text)
                except PlaceError as error:
                    return f"{text!r}: {error}"
        return None if texts else "It is empty."

    @cached_property
    def _function(self) -> Callable[[HttpRequest | None, str], object]:
        function = import_if_path(self._value, self._name)
        if not callable(function) or iscoroutinefunction(function):
            raise ImproperlyConfigured(
                f"{self._name} is {self._value!r}. It must be a function of the request and the "
                "place."
            )
        return function  # type: ignore[no-any-return]

    @cached_property
    def _texts(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The places in normal form, and the suffixes."""
        texts = [self._value] if isinstance(self._value, str) else list(self._value)
        suffixes = tuple(text.lower() for text in texts if text.startswith("."))
        places = [self._kind.normalise(text) for text in texts if not text.startswith(".")]
        return frozenset(places), suffixes

    def names(self, place: str) -> bool:
        """Whether the option is a list that has this place itself, and not only its suffix."""
        is_list = isinstance(self._value, (list, tuple, set, frozenset))
        return is_list and place in self._texts[0]

    def __contains__(self, asked: tuple[HttpRequest | None, str]) -> bool:
        request, place = asked
        if self._value == ANY:
            return True
        if callable(self._value) or (
            isinstance(self._value, str) and not self._value.startswith(".")
        ):
            return bool(self._function(request, place))
        places, suffixes = self._texts
        host = self._kind.host_of(place).partition(":")[0]
        return place in places or host.endswith(suffixes or ("\0",))


class Variants(Generic[_Variant]):
    """The variants of a provider by place. The one that was used the longest time ago is dropped.

    Users choose the places, so their number has a bound.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[str, _Variant] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, place: str) -> _Variant | None:
        """Return the variant of a place in normal form, if it is kept."""
        with self._lock:
            found = self._made.get(place)
            if found is not None:
                self._made.move_to_end(place)
            return found

    def add(self, place: str, made: _Variant) -> _Variant:
        """Keep a variant, and return it, or the one that another thread has added before."""
        with self._lock:
            made = self._made.setdefault(place, made)
            if len(self._made) > MAX_VARIANTS:
                self._made.popitem(last=False)
            return made

    def __len__(self) -> int:
        return len(self._made)
