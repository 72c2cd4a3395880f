"""Scopes in a login link: signed, so that nobody else can make a link that asks for more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core import signing

from .token import scope_list

if TYPE_CHECKING:
    from ..providers import Provider


def signed_scope(provider: Provider, scopes: Iterable[str]) -> str:
    """Scopes as a login URL carries them."""
    return signing.Signer(salt=f"django_dance.scope.{provider.name}").sign(" ".join(scopes))


def verified_scope(provider: Provider, value: str) -> list[str]:
    """What :func:`signed_scope` was given.

    :raises django.core.signing.BadSignature: somebody else made it.
    """
    return scope_list(signing.Signer(salt=f"django_dance.scope.{provider.name}").unsign(value))
