"""ModelStorage: in a table, by any model built on ``OAuthConsumerMixin``."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.utils import timezone
from django.utils.module_loading import import_string

from ..exceptions import OwnerRequired, SealBroken
from ..owner import ResourceOwner
from ..tokens import Token
from .base import BaseStorage
from .session import SessionStorage

logger = logging.getLogger("django_dance")


class ModelStorage(BaseStorage):
    """Keeps tokens, sealed, in a table.

    :param model: the model, or its label. It needs the fields of ``OAuthConsumerMixin``; with a
        ``user`` field it keeps a token for each user, without one a single token for the site.
    :param user: whose tokens, if not the owner's: a user, or a function of the owner (or its
        dotted path) that returns one. For tokens that belong to a team or a tenant.
    :param user_id: the same by primary key; it takes precedence.
    :param user_required: refuse anonymous visitors by ``OwnerRequired``. Else their tokens are
        kept in their sessions, never in the table. The default is ``True`` if the model has a
        ``user`` field.
    """

    def __init__(
        self,
        model: str | type[models.Model] = "django_dance.OAuthToken",
        user: Any = None,
        user_id: Any = None,
        user_required: bool | None = None,
    ) -> None:
        self._model = model
        self._user = _function(user)
        self._user_id = _function(user_id)
        self._user_required = user_required
        self._anonymous = SessionStorage()

    @cached_property
    def model(self) -> Any:
        """The model class."""
        if isinstance(self._model, type) and issubclass(self._model, models.Model):
            return self._model
        if not isinstance(self._model, str):
            raise ImproperlyConfigured(f"MODEL is {self._model!r}, which is no model.")
        try:
            return apps.get_model(self._model)
        except (LookupError, ValueError) as error:
            raise ImproperlyConfigured(
                f"DANCE_STORAGE names the model {self._model!r}, which is not installed: {error}. "
                'Write it as "app_label.ModelName".'
            ) from error

    @property
    def keeps_anonymous(self) -> bool:
        """Whether visitors without a user have their tokens kept in their sessions."""
        return "user" in self._fields and self._user_required is False

    @cached_property
    def _fields(self) -> frozenset[str]:
        return frozenset(
            name
            for name in ("user", "account", "scope", "expires_at", "lease")
            if _has_field(self.model, name)
        )

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        where = self._where(owner)
        if where is None:
            return self._anonymous.get(owner)
        row = self._rows(where).first()
        if row is None:
            return None
        try:
            token: Mapping[str, Any] = row.token
        except SealBroken as error:
            logger.error("%s: the token of row %s cannot be read: %s", where, row.pk, error)
            return None
        return token

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        where = self._where(owner)
        if where is None:
            self._anonymous.set(owner, token)
            return
        values: dict[str, Any] = {"token": dict(token)}
        if "scope" in self._fields:
            scope = token.get("scope") or ()
            values["scope"] = scope if isinstance(scope, str) else " ".join(map(str, scope))
        if "expires_at" in self._fields:
            expires_at = Token(token).expires_at
            values["expires_at"] = (
                None
                if expires_at is None
                # Aware or naive, as Django's own "now" is.
                else datetime.fromtimestamp(expires_at, tz=timezone.now().tzinfo)
            )
        self.model._default_manager.update_or_create(**where, defaults=values)

    def delete(self, owner: ResourceOwner) -> None:
        where = self._where(owner)
        if where is None:
            self._anonymous.delete(owner)
        else:
            self._rows(where).delete()

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Also holds off other processes and hosts, by a lease beside the token.

        It is taken by a conditional ``UPDATE``, which every database can do, and no lock is held
        over the call to the provider. The lease of a process that died runs out.
        """
        with super().lease(owner, seconds):
            where = self._where(owner)
            if where is None or "lease" not in self._fields:
                yield
                return
            rows = self.model._default_manager.filter(**where)
            name, pause = secrets.token_hex(16), 0.01
            while not self._taken(rows, name, seconds) and rows.exists():
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  only spreads the load
                pause = min(pause * 1.5, 0.25)
            try:
                yield
            finally:
                rows.filter(lease=name).update(lease="", lease_until=None)

    def _taken(self, rows: Any, name: str, seconds: float) -> bool:
        now = timezone.now()
        free = models.Q(lease="") | models.Q(lease_until__lt=now)
        until = now + timedelta(seconds=seconds)
        return bool(rows.filter(free).update(lease=name, lease_until=until))

    def _rows(self, where: Mapping[str, Any]) -> Any:
        return self.model._default_manager.filter(**where).order_by("pk")

    def _where(self, owner: ResourceOwner) -> dict[str, Any] | None:
        """What finds the owner's row; ``None`` for a visitor who can have none."""
        where: dict[str, Any] = {"provider": owner.provider.name}
        if "account" in self._fields:
            where["account"] = owner.account
        if "user" in self._fields:
            user_id = self._owner_id(owner)
            if user_id is None:
                if self._user_required is not False:
                    raise OwnerRequired(
                        "There is no user to keep the token for: log the visitor in first, or "
                        "use FallbackStorage."
                    )
                return None
            where["user_id"] = user_id
        return where

    def _owner_id(self, owner: ResourceOwner) -> Any:
        user_id = self._user_id(owner)
        if user_id is not None:
            return user_id
        user = self._user(owner)
        if user is not None and getattr(user, "is_authenticated", True):
            return user.pk
        return owner.user_id


def _function(value: Any) -> Callable[[ResourceOwner], Any]:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ImproperlyConfigured(f"ModelStorage cannot import {value!r}: {error}.") from error
    return value if callable(value) else lambda owner: value


def _has_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
