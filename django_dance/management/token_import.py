"""Convert the tokens of another library, or give the reason why a token is not imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from ..conf import settings
from ..exceptions import InvalidResponse, StorageError, UntrustedOrigin
from ..providers import OAuth1Provider, Provider, providers
from ..storage import MemoryStorage, NullStorage, SessionStorage
from ..tokens import (
    ResourceOwner,
    Token,
    check_token_fields,
    is_account_id,
    scope_list,
    strip_internal_fields,
)
from .sources import Source


class NotImported(Exception):
    """A token is not imported; the message is the reason that the command prints."""


class TokenImporter:
    """Convert the rows of one source to owners and tokens of this site.

    :param names: the library's name of a provider → the name in ``DANCE_PROVIDERS``.
    :param users: the library's primary key of a user → the key on this site; ``None``: the keys
        are the same.
    :param replace: also import a token that replaces a token of this site.
    """

    def __init__(
        self,
        source: Source,
        names: Mapping[str, str],
        users: Mapping[str, str] | None,
        *,
        replace: bool,
    ) -> None:
        self.source, self._names, self._users, self._replace = source, names, users, replace

    def existing_users(self, rows: Sequence[Any]) -> frozenset[Any]:
        """The primary keys of those users of the rows who exist on this site."""
        wanted = {self._mapped_user_id(row) for row in rows} - {None}
        users = get_user_model()._base_manager.filter(pk__in=wanted)
        return frozenset(users.values_list("pk", flat=True))

    def convert(self, row: Any, users: Collection[Any]) -> tuple[ResourceOwner, Token]:
        """Return the owner and the token of a row.

        :param users: the primary keys from :meth:`existing_users`.
        :raises NotImported: the token cannot be imported.
        """
        provider = self._provider(self.source.provider(row))
        owner = ResourceOwner(provider, user_id=self._existing_user_id(row, provider, users))
        token = convert_token(self.source.token(row, provider), provider)
        account = self._account(row, owner)
        self._check_conflicts(owner, account)
        if account:
            token = Token({**token.fields_to_store, "connected_account": account})
        return owner.for_account(account), token

    def _provider(self, theirs: str) -> Provider:
        ours = self.source.name_here(theirs, self._names)
        if ours is None:
            raise NotImported(
                f"DANCE_PROVIDERS has no {theirs!r}; if it has another name there, pass "
                f"--provider {theirs}=…"
            )
        provider = providers[ours]
        if isinstance(provider.token_storage, (SessionStorage, MemoryStorage, NullStorage)):
            raise NotImported(f"the storage of {provider.name!r} stores no tokens for users")
        return provider

    def _mapped_user_id(self, row: Any) -> Any:
        """The primary key on this site, even if the user does not exist; ``None`` if invalid."""
        user_id = self.source.user_id(row)
        if self._users is not None:
            user_id = self._users.get(str(user_id))
        try:
            return get_user_model()._meta.pk.to_python(user_id)
        except ValidationError:
            return None

    def _existing_user_id(self, row: Any, provider: Provider, users: Collection[Any]) -> Any:
        storage = provider.token_storage.model_storage
        if storage is not None and not storage.has_users:
            return None  # the table stores one token for the whole site
        if self.source.user_id(row) is None:
            raise NotImported("the token belongs to no user")
        user_id = self._mapped_user_id(row)
        if user_id is None and self._users is not None:
            raise NotImported("the user is not in the file of --user-map")
        if user_id not in users:
            raise NotImported(
                "the user does not exist here; if users have other keys now, pass --user-map"
            )
        return user_id

    def _account(self, row: Any, owner: ResourceOwner) -> str:
        """The account that a dance would store; ``""`` if the row does not tell it."""
        provider = owner.provider
        known = (
            provider.account_id
            and provider.token_storage.keeps_accounts(owner)
            and self.source.has_our_ids(self.source.provider(row), provider)
        )
        account = self.source.uid(row) if known else ""
        if account and not is_account_id(account):
            raise NotImported("several accounts may have the id of the account, or it is too long")
        return account

    def _check_conflicts(self, owner: ResourceOwner, account: str) -> None:
        storage = owner.provider.token_storage
        here = storage.connections([owner])
        # The storage takes a token without an account for a token of the same account.
        same = [c for c in here if not account or c.account in ("", account)]
        if not self._replace and any(connection.active for connection in same):
            raise NotImported("the user has a token here already; to replace it, pass --replace")
        if not account and any(connection.account for connection in same):
            raise NotImported("the row does not name the account, and the user has accounts here")
        if account and settings.account_conflict != "share" and storage.others(owner, account):
            raise NotImported("another user has connected the account here")


def save(owner: ResourceOwner, token: Token) -> None:
    """Store the token.

    :raises NotImported: the storage refuses it.
    """
    try:
        owner.provider.token_storage.set(owner, token.fields_to_store)
    except StorageError as error:
        raise NotImported(f"the token cannot be stored: {error}") from error


def convert_token(fields: dict[str, Any], provider: Provider) -> Token:
    """Build a token, with the checks that a token response of the provider has to pass.

    :raises NotImported: the fields do not pass, or the token has expired for good.
    """
    strip_internal_fields(fields)
    if not fields.get("refresh_token"):
        fields.pop("refresh_token", None)
    optional = ("refresh_token",) if "refresh_token" in fields else ()
    scope = fields.pop("scope", None)
    if isinstance(scope, (str, list)) and (scopes := scope_list(scope)):
        fields["scope"] = scopes
    try:
        check_token_fields(fields, *provider.token_credentials, *optional)
        token = Token(fields)
        provider.base_url_for(lambda: token)
    except (InvalidResponse, UntrustedOrigin, ValueError) as error:
        version = 1 if isinstance(provider, OAuth1Provider) else 2
        raise NotImported(f"the row has no valid token of OAuth {version}") from error
    if not provider.is_usable(token):
        raise NotImported("the token has expired and cannot be refreshed")
    return token
