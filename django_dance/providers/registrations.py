"""Client registrations: this site's credentials at servers that are not in the settings.

Credentials belong to the authorization server that granted them, and to one tenant. They are sent
to no other server (RFC 6749 §2.2).
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, router, transaction
from django.utils import timezone

from ..cache import tenant as current_tenant
from ..conf import settings
from ..exceptions import PlaceError, ProviderError, ProviderUnavailable, failure_fields
from ..http import call_untrusted
from ..storage import (
    has_one_writer,
    may_roll_back,
    on_separate_connection,
    row_lease,
    share_tenant,
)
from ..tokens import ResourceOwner, scope_list
from .base import ClientCredentials
from .client_assertion import client_assertion
from .client_metadata import client_document_url, document_redirect_uris
from .dynamic_registration import can_register, register
from .oauth2 import BasicAuth
from .server_metadata import ServerMetadata, check_limit, discover_authorization_server

if TYPE_CHECKING:
    from .base import Provider

logger = logging.getLogger("django_dance")

#: Registrations for one user, and for all, within a minute.
PER_USER, FOR_ALL = 5, 30
#: A registration that is refused is replaced if it is older. So a server that refuses each one
#: cannot make the site register again and again.
_YOUNG = timedelta(minutes=1)


def owner_tenant(owner: ResourceOwner) -> str:
    """Return the tenant whose registrations a resource owner uses; ``""`` without tenants.

    It is the result of the function in ``DANCE_OWNER_TENANT``, which also gets owners without a
    request, or else the current tenant (``DANCE_TENANT``).
    """
    if settings.owner_tenant is not None:
        found = settings.owner_tenant(owner)
    else:
        found = current_tenant(connections[DEFAULT_DB_ALIAS])
    return "" if found is None else str(found)


def find_or_register(
    provider: Provider,
    metadata: ServerMetadata,
    redirect_uri: str,
    *,
    tenant: str = "",
    place: str = "",
    scope: Collection[str] = (),
    asked_by: str = "",
    added_by: Any = None,
) -> ClientCredentials:
    """Return this site's credentials at a server: configured, of the document, or registered.

    The order is that of MCP, "Client Registration Approaches".

    :param metadata: the metadata of the authorization server.
    :param scope: the scopes that the dance asks for.
    :param asked_by: the user, whose registrations are limited; ``""`` for nobody.
    :param added_by: the primary key of the user whose dance needs the credentials.
    :raises PlaceError: there are no credentials, and the site cannot register itself.
    """
    model = _model()
    names = provider.name, tenant, metadata.issuer
    configured, registered = _find(names, redirect_uri, place)
    if configured is not None:
        return credentials_of(configured)
    document = client_document_url() if metadata.client_id_metadata_document_supported else None
    if document and (settings.client_document or redirect_uri in document_redirect_uris()):
        return ClientCredentials(document, "", "none", document)
    if registered is not None and _is_usable(registered, scope):
        return credentials_of(registered)
    if not can_register(metadata):
        scopes = f", and the scopes {' '.join(scope)}" if scope else ""
        raise PlaceError(
            f"{metadata.issuer} does not know this site, and the site cannot register itself "
            f"there. Register it by hand with the redirect URI {redirect_uri}{scopes}; then run "
            f"{_command(provider, metadata, tenant)}.",
            "place_needs_client",
        )
    wanted = set(scope)
    if registered is not None and metadata.app_registration_endpoint:
        wanted |= set(scope_list(registered.scope))  # one registration serves all users
    check_limit("registration", PER_USER, FOR_ALL, asked_by)
    using = router.db_for_write(model)

    def make() -> ClientCredentials:
        return _register_once(
            provider, metadata, redirect_uri, names, place, sorted(wanted), added_by
        )

    if may_roll_back(using) and not has_one_writer(using):
        # If the view's transaction rolls back, the server still has the registration.
        table = provider.token_storage.model_storage
        prepare = table.prepare if table is not None else share_tenant
        return on_separate_connection(using, make, prepare)
    return make()


def configured_credentials(
    provider: Provider, metadata: ServerMetadata, *, tenant: str = "", place: str = ""
) -> ClientCredentials:
    """Return this site's credentials at a server, as an administrator has added them.

    They are those for each redirect URI: the site asks for a token for itself.

    :raises PlaceError: there are none.
    """
    configured, _ = _find((provider.name, tenant, metadata.issuer), "", place)
    if configured is None:
        raise PlaceError(
            f"{metadata.issuer} does not know this site. Register it by hand; then run "
            f"{_command(provider, metadata, tenant)}.",
            "place_needs_client",
        )
    return credentials_of(configured)


def _command(provider: Provider, metadata: ServerMetadata, tenant: str) -> str:
    """Return the command that adds credentials, in quotation marks."""
    for_tenant = f" --tenant {shlex.quote(tenant)}" if tenant else ""
    where = f"{provider.name} {metadata.issuer} CLIENT_ID{for_tenant}"
    return f'"manage.py dance_clients add {where}"'


def registered_credentials(
    registration_id: str, *, issuer: str, provider: str, tenant: str
) -> ClientCredentials:
    """Return the credentials that a connection was made with.

    :param registration_id: the ``registration_id`` of the credentials.
    :param issuer: the issuer of the connection.
    :raises PlaceError: they were deleted, or are those of another issuer, provider or tenant.
    """
    if registration_id.startswith("https://"):
        return ClientCredentials(registration_id, "", "none", registration_id)
    row = _rows().filter(pk=_uuid(registration_id)).first()
    if row is None or (row.issuer, row.provider, row.tenant) != (issuer, provider, tenant):
        raise PlaceError(
            f"The credentials with which this connection to {issuer} was made are not those of "
            "this issuer and tenant any more, or were deleted. The user has to connect again.",
            "place_needs_client",
        )
    return credentials_of(row)


def credentials_of(row: Any) -> ClientCredentials:
    """Return the credentials in a row.

    :raises SealBroken: no configured key opens the secret.
    """
    secret = row.secrets.get("client_secret", "") if row.has_secret else ""
    method = row.token_endpoint_auth_method
    key = ""
    if method == "private_key_jwt":
        secret, key = "", secret
    return ClientCredentials(row.client_id, secret, method, str(row.pk), row.issuer, key)


def forget_registration(registration_id: str) -> None:
    """Replace a registration at the next dance, because the server does not know it any more.

    An administrator's registration is kept, and so is one that was made a moment ago.
    """
    if not registration_id or registration_id.startswith("https://"):
        return
    model = _model()
    forgotten = (
        _rows()
        .filter(
            pk=_uuid(registration_id),
            source=model.REGISTERED,
            created_at__lt=timezone.now() - _YOUNG,
        )
        .update(current=None)
    )
    if forgotten:
        logger.warning(
            "the server does not know the registration %s: the site registers again",
            registration_id,
            extra=failure_fields(code="invalid_client"),
        )


def try_registration(provider: Provider, row: Any) -> tuple[bool, str]:
    """Ask an authorization server whether it accepts credentials.

    The question is a token request with a code that does not exist. A server that accepts the
    credentials answers ``invalid_grant`` (RFC 6749 §5.2).

    :returns: whether it accepts them, and its words.
    :raises PlaceError: the server has no metadata, cannot be reached, or answers something else.
    """
    verify = provider.ca_bundle or True
    metadata = discover_authorization_server(row.issuer, verify=verify)
    client = credentials_of(row)
    data = {
        "grant_type": "authorization_code",
        "code": "django-dance-asks-whether-the-client-is-known",
        "redirect_uri": row.redirect_uri or metadata.issuer,
        "code_verifier": "x" * 43,
    }
    auth, method = None, client.token_endpoint_auth_method
    if method == "client_secret_basic":
        auth = BasicAuth(client, urlencode=True)
    else:
        data["client_id"] = client.client_id
        if method == "client_secret_post":
            data["client_secret"] = client.client_secret
        elif method == "private_key_jwt":
            data |= client_assertion(client)
    try:
        answer = call_untrusted(
            "POST", metadata.token_endpoint, data=data, auth=auth, verify=verify
        )
        refused = answer.json().get("error")
    except ProviderError as error:
        raise PlaceError(str(error), "place_unreachable") from None
    if refused in ("invalid_client", "unauthorized_client"):
        return False, answer.words()
    if refused != "invalid_grant":
        raise PlaceError(
            f"{row.issuer} says neither that it knows the client nor that it does not: "
            f"{answer.words()}"
        )
    return True, ""


# --- rows -----------------------------------------------------------------------------------------


def _model() -> Any:
    return apps.get_model("django_dance", "ClientRegistration")


def _rows() -> Any:
    # A replica may lag behind.
    model = _model()
    return model._default_manager.using(router.db_for_write(model))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _find(names: tuple[str, str, str], redirect_uri: str, place: str) -> tuple[Any, Any]:
    """Return the configured and the registered row; ``None`` if there is none.

    The row of the place and of the redirect URI is preferred to one for all of them.
    """
    model = _model()
    rows = [
        row
        for row in _rows().filter(server=model.digest(*names), current__isnull=False)
        if row.redirect_uri in ("", redirect_uri) and row.place in ("", place) and row.client_id
    ]
    rows.sort(key=lambda row: (row.place, row.redirect_uri), reverse=True)
    sources = (model.CONFIGURED, model.REGISTERED)
    configured, registered = (
        next((row for row in rows if row.source == source), None) for source in sources
    )
    return configured, registered


def _is_usable(row: Any, scope: Collection[str]) -> bool:
    """Whether a dance with these scopes can be begun with a registration."""
    limits = scope_list(row.scope)
    return (row.expires_at is None or row.expires_at > timezone.now()) and (
        not limits or set(scope) <= set(limits)
    )


def _register_once(
    provider: Provider,
    metadata: ServerMetadata,
    redirect_uri: str,
    names: tuple[str, str, str],
    place: str,
    scope: Collection[str],
    added_by: Any,
) -> ClientCredentials:
    """Register the site, or wait while another thread or process does.

    A row without a client id is written first. Its lease lets the others wait.
    """
    model, rows = _model(), _rows()
    # Mastodon's apps and the clients of RFC 7591 belong to the issuer, not to one of its places.
    current = model.digest(*names, redirect_uri, "")
    limit = 2 * float(settings.timeout)
    while True:
        with transaction.atomic(using=rows.db):
            claimed = rows.filter(current=current)
            for row in claimed:
                if row.client_id and not _is_usable(row, scope):
                    # Connections that were made with it still refresh with it.
                    claimed.filter(pk=row.pk).update(current=None)
        row, _ = rows.get_or_create(
            current=current,
            defaults={
                **dict(zip(("provider", "tenant", "issuer"), names, strict=True)),
                "redirect_uri": redirect_uri,
                "source": model.REGISTERED,
                "added_by_id": added_by,
            },
        )
        this = rows.filter(pk=row.pk)
        try:
            with row_lease(this, ResourceOwner(provider), limit, wait=True):
                row = this.first()
                if row is None:
                    continue  # another registration has failed
                if row.client_id:
                    if _is_usable(row, scope):
                        return credentials_of(row)
                    continue
                try:
                    return _register(provider, metadata, row, scope)
                except BaseException:
                    this.filter(client_id="").delete()
                    raise
        except ProviderUnavailable as error:
            raise PlaceError(
                f"Another process is registering this site at {metadata.issuer}, and it takes too "
                "long.",
                "place_unreachable",
            ) from error


def _register(
    provider: Provider, metadata: ServerMetadata, row: Any, scope: Collection[str]
) -> ClientCredentials:
    found = register(metadata, row.redirect_uri, scope, verify=provider.ca_bundle or True)
    row.client_id = found.client_id
    row.token_endpoint_auth_method = found.token_endpoint_auth_method
    row.secrets = found.secrets
    row.scope = " ".join(found.scope)
    row.metadata = found.metadata
    if found.expires_at is not None:
        row.expires_at = datetime.fromtimestamp(found.expires_at, UTC)
    row.created_at = timezone.now()
    row.save(
        update_fields=[
            "client_id",
            "token_endpoint_auth_method",
            "sealed",
            "scope",
            "metadata",
            "expires_at",
            "created_at",
        ]
    )
    logger.info(
        "%s: this site has registered itself at %s",
        provider.name,
        row.issuer,
        extra=failure_fields(provider=provider.name),
    )
    return credentials_of(row)
