"""ConnectedAccountBackend: users who sign in with an account that they have connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

    from .connections import ProvenAccount


class ConnectedAccountBackend(ModelBackend):
    """Finds the user who signs in with an account. Name it in ``AUTHENTICATION_BACKENDS``.

    Permissions and ``is_active`` are those of Django's ``ModelBackend``.
    """

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, connected_account: ProvenAccount, **kwargs: Any
    ) -> AbstractBaseUser | None:
        """Return the user, if exactly one active user signs in with the account.

        :param connected_account: the account that the visitor has proved to have.
        """
        user_id = connected_account.user_id
        return None if user_id is None else self.get_user(user_id)
