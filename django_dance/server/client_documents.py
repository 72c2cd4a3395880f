"""Client ID metadata documents: the id of a client is the URL of a document about the client.

draft-ietf-oauth-client-id-metadata-document; the revisions of MCP in :mod:`.mcp` use it. The
document is fetched when a user who is logged in meets an authorization request of the client, and
kept in the cache for a while. A row for the client is stored when the user consents.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.db import IntegrityError
from django.http import HttpRequest
from oauthlib.oauth2.rfc6749 import errors

from ..cache import MISS, ask_cache, open_entry, seal_entry
from ..exceptions import AddressRefused, InvalidResponse, ProviderError
from . import limits
from .bindings import client_model, rows_to_write
from .client_metadata import ClientMetadata, InvalidMetadata, read_metadata
from .conf import settings
from .rows import ClientRow, is_active

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

#: The value of ``Client.registration`` of these clients.
DOCUMENT = "document"
#: The largest document, in bytes (the draft, section 6.6).
MAX_DOCUMENT = 5 * 1024
#: The longest URL: the column of the client id.
MAX_URL = 255
#: Seconds that a document is kept: at least, at most, and if its answer does not say how long.
_SHORTEST, _LONGEST, _USUAL = 60, 24 * 3600, 3600
#: Seconds that a failure is kept.
_FAILURE = 60
#: Documents that are fetched for one user, and for all, within a minute.
_PER_USER, _FOR_ALL, _WINDOW = 10, 100, 60
_PURPOSE = "server client document"
#: The draft, section 4.1: these belong to clients with a secret.
_FORBIDDEN = ("client_secret", "client_secret_expires_at")


class DocumentRefused(errors.InvalidRequestFatalError):
    """The document about a client cannot be used. The user sees an error page."""


def is_document_id(client_id: str | None) -> bool:
    """Whether a client id is the URL of a document. The ids of registered clients are not URLs."""
    return (client_id or "").startswith("https://")


def document_host(client: Any) -> str | None:
    """The host of the document that describes a client; ``None`` for another client."""
    if ClientRow(client).registration != DOCUMENT:
        return None
    return str(urlsplit(client.client_id).netloc)


def is_login_needed(server: AuthorizationServer, request: HttpRequest) -> bool:
    """Whether the user must log in before the request is validated.

    Without a login the server fetches no document, so that strangers cannot make it send requests.
    """
    client_id = request.POST.get("client_id") or request.GET.get("client_id") or ""
    return (
        is_document_id(client_id)
        and server.option("client_documents")
        and not server.user_of(request).is_authenticated
        and "none" not in (request.GET.get("prompt") or "").split()
    )


def find(server: AuthorizationServer, client_id: str, request: HttpRequest | None) -> Any:
    """The client that a document describes, which may have no row yet; ``None`` if there is none.

    :param request: Django's request. Its user must be logged in.
    :raises DocumentRefused: the document cannot be used.
    """
    row = server.callbacks.required("clientgetter")(client_id)
    if row is not None and not is_active(row):
        return None
    if row is not None and ClientRow(row).registration != DOCUMENT:
        return row
    model = client_model(server)
    if not server.option("client_documents") or model is None or request is None:
        return None
    # The server validates a request twice; the second result must be the same.
    known = vars(request).setdefault("_oauth_documented_clients", {})
    if client_id not in known:
        metadata = _metadata(server, client_id, request)
        client = model(client_id=client_id, registration=DOCUMENT) if row is None else copy(row)
        for name, value in metadata.columns.items():
            setattr(client, name, value)
        known[client_id] = client
    return known[client_id]


def store(client: Any) -> None:
    """Store a client as its document describes it, because a user has consented.

    :raises DocumentRefused: the database takes its id for that of another client.
    """
    rows = rows_to_write(type(client))
    columns = {
        name: getattr(client, name)
        for name in (*ClientMetadata.column_names, "registration", "client_secret")
    }
    try:
        stored, created = rows.get_or_create(client_id=client.client_id, defaults=columns)
    except IntegrityError:
        stored, created = None, False
    if stored is None or stored.client_id != client.client_id:
        # Some databases ignore the case.
        raise DocumentRefused("Another client has the same client_id in another case.")
    changed = [name for name, value in columns.items() if getattr(stored, name) != value]
    for name in changed:
        setattr(stored, name, columns[name])
    if changed and not created:
        stored.save(update_fields=changed)
    vars(client).update(vars(stored))


# --- the document ---------------------------------------------------------------------------------


def _metadata(server: AuthorizationServer, client_id: str, request: HttpRequest) -> ClientMetadata:
    """:raises DocumentRefused: the document cannot be used."""
    if problem := _id_problem(client_id):
        raise DocumentRefused(problem)
    key = f"django_dance:server:client_document:{server.cache_name(client_id)}"
    entry = open_entry(_ask(lambda cache: cache.get(key)), purpose=_PURPOSE, key=key)
    if entry is MISS or entry["until"] <= time.time():
        entry, seconds = _fetch(server, client_id, request)
        entry["until"] = time.time() + seconds
        sealed = seal_entry(entry, purpose=_PURPOSE, key=key)
        _ask(lambda cache: cache.set(key, sealed, seconds))
    if "problem" in entry:
        raise DocumentRefused(entry["problem"])
    try:
        return _read(entry["document"], client_id, server)
    except InvalidMetadata as error:
        raise DocumentRefused(f"The document about the application is invalid: {error}") from None


def _ask(question: Callable[[Any], Any]) -> Any:
    effect = "the documents of clients are fetched each time"
    return ask_cache(settings.limit_cache, question, None, effect=effect)


def _id_problem(client_id: str) -> str | None:
    """The problem with the URL of a document (the draft, section 3)."""
    from ..http import check_url  # it imports requests

    try:
        normal = check_url(client_id)
    except AddressRefused as error:
        return f"The client_id cannot be used: {error}"
    path = urlsplit(client_id).path
    if len(client_id) > MAX_URL:
        return f"The client_id has more than {MAX_URL} characters."
    if normal != client_id:
        # It is compared as a string, so other spellings would be other clients.
        return f"The client_id must be written as {normal}"
    if path == "/" or {".", ".."} & set(path.lower().replace("%2e", ".").split("/")):
        return "The client_id must have a path, without . and .. in it."
    return None


def _fetch(
    server: AuthorizationServer, client_id: str, request: HttpRequest
) -> tuple[dict[str, Any], int]:
    """The cache entry about a document, and the seconds for which it is valid.

    The user does not see why the document cannot be read: it would tell which hosts there are.

    :raises DocumentRefused: nobody is logged in, or too many documents were fetched.
    """
    from ..http import call_untrusted  # it imports requests

    user = server.user_of(request)
    if not user.is_authenticated:
        raise DocumentRefused("Log in first: the application describes itself in a document.")
    who = user._meta.label_lower, str(user.pk)
    if not limits.is_allowed(server, "document", _PER_USER, _WINDOW, *who) or not limits.is_allowed(
        server, "document", _FOR_ALL, _WINDOW
    ):
        raise DocumentRefused("Too many new applications within a minute: try again later.")
    try:
        answer = call_untrusted("GET", client_id, max_answer=MAX_DOCUMENT)
        if answer.status != 200:
            raise InvalidResponse(f"The status is {answer.status}.")
        if answer.media_type != "application/json" and not answer.media_type.endswith("+json"):
            raise InvalidResponse(f"The media type is {answer.media_type[:100]!a}.")
        document = answer.json()
    except ProviderError as error:
        logger.warning(
            "%s: the document of a client cannot be read: %s",
            server.name,
            error,
            extra={"code": "invalid_request", "server": server.name},
        )
        return {"problem": "The document about the application cannot be read."}, _FAILURE
    seconds = _USUAL if answer.max_age is None else answer.max_age
    return {"document": document}, min(max(seconds, _SHORTEST), _LONGEST)


def _read(document: dict[str, Any], client_id: str, server: AuthorizationServer) -> ClientMetadata:
    """:raises InvalidMetadata: the document is not one of this client, or cannot be used."""
    if document.get("client_id") != client_id:
        raise InvalidMetadata("Its client_id is not its URL.")
    if wrong := [name for name in _FORBIDDEN if name in document]:
        raise InvalidMetadata(f"It has {', '.join(wrong)}, though the client is public.")
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise InvalidMetadata("Its token_endpoint_auth_method must be none.")
    return read_metadata(document, open_scopes=server.open_scopes, drop_unusable=True)
