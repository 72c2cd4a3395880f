"""Scopes in a login link. They are signed, so that a stranger cannot add scopes to the link."""

from __future__ import annotations

from collections.abc import Iterable

from django.core import signing

from .token import scope_list


def sign_scope(provider_name: str, scopes: Iterable[str]) -> str:
    """Return the scopes, signed, for the ``scope`` parameter of a login URL."""
    return signing.Signer(salt=f"django_dance.scope.{provider_name}").sign(" ".join(scopes))


def unsign_scope(provider_name: str, value: str) -> list[str]:
    """Return the scopes that :func:`sign_scope` signed.

    :raises django.core.signing.BadSignature: the value was not signed with our key.
    """
    return scope_list(signing.Signer(salt=f"django_dance.scope.{provider_name}").unsign(value))
