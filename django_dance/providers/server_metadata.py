"""The metadata of servers that are not in the settings: RFC 8414, OpenID Connect, RFC 9728.

A user or the answer of a server names these servers, so every call passes the guard of
:mod:`~django_dance.http.guard`, and so does every endpoint in an answer. Answers and failures are
kept in memory for a while; their number is limited, and so are the fetches for each user.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..cache import cache_name, is_within_limit
from ..conf import settings
from ..exceptions import (
    AddressRefused,
    InvalidResponse,
    PlaceError,
    ProviderUnavailable,
)
from ..http import call_untrusted, check_url, time_limit
from .discovery import FRESH, Documents

#: The largest document, in bytes.
MAX_METADATA = 64 * 1024
#: The longest text and the longest list in a document that are kept.
_MAX_TEXT, _MAX_LIST = 2048, 500
#: The documents in the memory of a process.
MOST_DOCUMENTS = 500
#: Seconds that a document is kept at least, whatever its answer says, and that a failure is kept.
_SHORTEST, _FAILURE = 60, 60
#: Discoveries for one user, and for all, within a window of seconds.
PER_USER, FOR_ALL, WINDOW = 10, 100, 60

_Metadata = TypeVar("_Metadata")


@dataclass(frozen=True, kw_only=True)
class ServerMetadata:
    """The metadata of an authorization server (RFC 8414 §2, OpenID Connect Discovery 3).

    An endpoint that the server does not have is ``""``; a list that it does not state is ``None``.
    """

    #: As the document names it, which is as it was asked for.
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str = ""
    #: Dynamic registration (RFC 7591), and that of Mastodon.
    registration_endpoint: str = ""
    app_registration_endpoint: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    device_authorization_endpoint: str = ""
    jwks_uri: str = ""
    scopes_supported: tuple[str, ...] | None = None
    response_types_supported: tuple[str, ...] | None = None
    grant_types_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    #: RFC 9207 §3
    authorization_response_iss_parameter_supported: bool = False
    #: draft-ietf-oauth-client-id-metadata-document, section 5
    client_id_metadata_document_supported: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any], issuer: str) -> ServerMetadata:
        """Return the checked members of a document.

        :param issuer: the issuer that the document must name.
        :raises PlaceError: the document is one of another issuer, or has no usable endpoints.
        """
        # RFC 8414 §3.3 and OpenID Connect Discovery 4.3: a simple comparison of the strings.
        if document.get("issuer") != issuer:
            raise PlaceError(
                f"The metadata of {urlsplit(issuer).hostname} name another issuer: "
                f"{str(document.get('issuer'))[:200]!a}.",
                "issuer_mismatch",
            )
        values: dict[str, Any] = {}
        for each in fields(cls):
            value = document.get(each.name)
            if each.name.endswith(("_endpoint", "_uri")):
                values[each.name] = _endpoint(each.name, value)
            elif each.name.endswith("_supported"):
                values[each.name] = (
                    value is True if each.type == "bool" else _texts(each.name, value)
                )
        for name in ("authorization_endpoint", "token_endpoint"):
            if not values[name]:
                raise PlaceError(f"The metadata of {issuer} have no {name}.")
        return cls(issuer=issuer, **values)


@dataclass(frozen=True, kw_only=True)
class ResourceMetadata:
    """The metadata of a protected resource (RFC 9728 §2)."""

    #: The identifier: the value of ``resource`` in requests (RFC 8707 §2).
    resource: str
    #: The issuers of the authorization servers; at least one.
    authorization_servers: tuple[str, ...]
    scopes_supported: tuple[str, ...] | None = None
    resource_name: str = ""

    @classmethod
    def read(cls, document: Mapping[str, Any], accepted: tuple[str, ...]) -> ResourceMetadata:
        """Return the checked members of a document.

        :param accepted: the identifiers that the document may name.
        :raises PlaceError: the document is one of another resource, or names no server.
        """
        resource = document.get("resource")
        # RFC 9728 §3.3 and §6: the code points are compared.
        if not isinstance(resource, str) or resource not in accepted:
            raise PlaceError(
                f"The metadata of the resource {accepted[0]} name another resource: "
                f"{str(resource)[:200]!a}."
            )
        servers = _texts("authorization_servers", document.get("authorization_servers"))
        if not servers:
            raise PlaceError(f"The metadata of {resource} name no authorization server.")
        name = document.get("resource_name")
        return cls(
            resource=resource,
            authorization_servers=servers,
            scopes_supported=_texts("scopes_supported", document.get("scopes_supported")),
            resource_name=name[:100] if isinstance(name, str) else "",
        )


def discover_authorization_server(
    issuer: str, *, openid: bool = False, asked_by: str = "", verify: bool | str = True
) -> ServerMetadata:
    """Return the metadata of an authorization server, fetched or from memory.

    :param issuer: its identifier, exactly as its document must name it.
    :param openid: whether a document of OpenID Connect is preferred, which names the userinfo
        endpoint.
    :param asked_by: the user, whose discoveries are limited; ``""`` for nobody.
    :param verify: ``True``, or the path of a CA bundle.
    :raises PlaceError: there are no usable metadata.
    """
    base = _checked(issuer)
    if "?" in base:
        # RFC 8414 §2
        raise PlaceError("An issuer has no query.", "place_refused")
    urls = list(_server_urls(base))
    return _discover(
        urls[::-1] if openid else urls,
        lambda document, at: ServerMetadata.read(document, issuer),
        key=("openid" if openid else "server", issuer, str(verify)),
        asked_by=asked_by,
        verify=verify,
    )


def discover_resource(
    url: str,
    challenge: str | None = None,
    *,
    asked_by: str = "",
    verify: bool | str = True,
    fresh: bool = False,
) -> ResourceMetadata:
    """Return the metadata of a protected resource, fetched or from memory.

    :param url: the URL of the resource, in its normal form.
    :param challenge: the ``resource_metadata`` of its challenge (RFC 9728 §5.1), if it has one.
    :param fresh: fetch them in any case, because the resource has sent a challenge (RFC 9728 §5.2).
        The caller calls :func:`count_discovery` first.
    :raises PlaceError: there are no usable metadata.
    """
    base = _checked(url)
    parts = urlsplit(base)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    well_known = f"{root}/.well-known/oauth-protected-resource"
    #: The identifiers whose document is at the root: one with and one without the slash (RFC 9728
    #: §3.1). A request to both is the same (RFC 9110 §4.2.3).
    roots = (url, root, f"{root}/")
    #: URL of a document → the identifiers that the document may name.
    accepted: dict[str, tuple[str, ...]] = {}
    if challenge is not None:
        accepted[_checked(challenge)] = (url,) if path or query else roots
    else:
        # The order of MCP, "Protected resource metadata discovery requirements".
        accepted[f"{well_known}{path}{query}"] = (url,)
        accepted[well_known] = roots

    def read(document: dict[str, Any], at: str) -> ResourceMetadata:
        return ResourceMetadata.read(document, accepted[at])

    if fresh:
        found: ResourceMetadata = _value_of(_fetch(list(accepted), read, verify))
        return found
    return _discover(
        list(accepted),
        read,
        key=("resource", url, challenge, str(verify)),
        asked_by=asked_by,
        verify=verify,
    )


def _server_urls(base: str) -> Iterator[str]:
    """The URLs of the documents of an issuer, in the order of MCP."""
    parts = urlsplit(base)
    root = f"{parts.scheme}://{parts.netloc}"
    # RFC 8414 §3.1: the terminating slash is removed.
    path = parts.path.rstrip("/")
    yield f"{root}/.well-known/oauth-authorization-server{path}"
    yield f"{root}/.well-known/openid-configuration{path}"
    if path:
        # OpenID Connect Discovery 4.1
        yield f"{root}{path}/.well-known/openid-configuration"


# --- documents ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """The result of a discovery, which may be a failure, and the seconds for which it is kept."""

    value: Any
    failure: PlaceError | None
    seconds: float


_documents: Documents[_Found] = Documents(most=MOST_DOCUMENTS, lifetime=lambda found: found.seconds)


def forget() -> None:
    """Forget all documents. Tests call it."""
    _documents.forget()


def _discover(
    urls: list[str],
    read: Callable[[dict[str, Any], str], _Metadata],
    *,
    key: tuple[str | None, ...],
    asked_by: str,
    verify: bool | str,
) -> _Metadata:
    if not _documents.is_fresh(key):
        count_discovery(asked_by)
    value: _Metadata = _value_of(_documents.get(key, lambda: _fetch(urls, read, verify)))
    return value


def _value_of(found: _Found) -> Any:
    """:raises PlaceError: the discovery has failed."""
    if found.failure is not None:
        # A copy: each thread that raises an exception adds to its traceback.
        raise copy.copy(found.failure)
    return found.value


def count_discovery(asked_by: str) -> None:
    """Count a discovery, which is one call or several.

    :raises PlaceError: ``place_limit``: there were too many within :data:`WINDOW` seconds.
    """
    check_limit("discovery", PER_USER, FOR_ALL, asked_by)


def check_limit(event: str, per_user: int, for_all: int, asked_by: str) -> None:
    """Count a call to a server that a user has named.

    :raises PlaceError: there were too many within :data:`WINDOW` seconds.
    """
    limits = [(per_user, asked_by)] if asked_by else []
    for most, cause in (*limits, (for_all, None)):
        key = f"django_dance:events:{cache_name('default', event, cause)}"
        effect = "no new place can be connected"
        if not is_within_limit(settings.cache or "default", key, most, WINDOW, effect=effect):
            raise PlaceError(
                "Too many servers were asked within a minute: try again later.", "place_limit"
            )


def _fetch(
    urls: list[str], read: Callable[[dict[str, Any], str], Any], verify: bool | str
) -> _Found:
    """Return the first document that there is, or the failure.

    :param read: reads a document that was found at a URL.
    """
    failures: list[PlaceError] = []
    host = urlsplit(urls[0]).hostname
    try:
        # All together take no longer than one call.
        with time_limit(float(settings.timeout)):
            for url in urls:
                try:
                    answer = call_untrusted("GET", url, verify=verify, max_answer=MAX_METADATA)
                    if answer.status != 200:
                        continue
                    document = answer.json()
                except AddressRefused as error:
                    raise PlaceError(str(error), "place_refused") from None
                except ProviderUnavailable as error:
                    failures.append(PlaceError(str(error), "place_unreachable"))
                except InvalidResponse as error:
                    failures.append(PlaceError(f"The metadata of {host} are invalid: {error}"))
                else:
                    seconds = FRESH if answer.max_age is None else answer.max_age
                    return _Found(read(document, url), None, min(max(seconds, _SHORTEST), FRESH))
    except PlaceError as error:
        return _Found(None, error, _FAILURE)
    nothing = PlaceError(f"{host} publishes no metadata at {' or '.join(urls)}.")
    return _Found(None, (failures or [nothing])[0], _FAILURE)


def _checked(url: str) -> str:
    try:
        return check_url(url)
    except AddressRefused as error:
        raise PlaceError(str(error), "place_refused") from None


def _endpoint(name: str, value: object) -> str:
    """Return an endpoint as the document names it.

    :raises PlaceError: it must not be called, or a browser must not be sent there.
    """
    if value in (None, ""):
        return ""
    try:
        if not isinstance(value, str):
            raise AddressRefused("It is not a text.")
        check_url(value)
    except AddressRefused as error:
        raise PlaceError(f"The {name} in the metadata cannot be used: {error}") from None
    return value


def _texts(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or len(value) > _MAX_LIST
        or not all(isinstance(text, str) and 0 < len(text) <= _MAX_TEXT for text in value)
    ):
        raise PlaceError(f"The {name} in the metadata are not a list of texts.")
    return tuple(map(str, value))
