"""The token model."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .fields import SealedTokenField


class OAuthConsumerMixin(models.Model):
    """The columns every token table has. Inherit it for a table of your own."""

    provider = models.CharField(_("provider"), max_length=50)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    token = SealedTokenField(_("token"))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.provider} token"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} id={self.pk} provider={self.provider!r}>"

    def save(self, **options: Any) -> None:
        """As a model does; but the token of an instance that was read a while ago is not written
        over one that was refreshed meanwhile, unless it was set."""
        if not self._state.adding and options.get("update_fields") is None:
            kept = {"lease", "lease_until"}
            if self._meta.get_field("token").is_as_loaded(self):  # type: ignore[union-attr]
                kept |= {"token", "expires_at", "scope", "last_error"}
            deferred = self.get_deferred_fields()
            options["update_fields"] = [
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key
                and field.name not in kept
                and field.attname not in deferred
            ]
        super().save(**options)

    def refresh_from_db(self, *args: Any, **options: Any) -> None:
        """As a model does; the token that is read then counts as loaded, not as set."""
        before = self.__dict__.get("token")
        super().refresh_from_db(*args, **options)
        if self.__dict__.get("token") is not before:
            self._meta.get_field("token").mark_as_loaded(self)  # type: ignore[union-attr]


class OAuthToken(OAuthConsumerMixin):
    """A user's token for an account at a provider."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="oauth_tokens",
        verbose_name=_("user"),
    )
    #: The account's immutable id at the provider; "" is the only one.
    account = models.CharField(_("account"), max_length=255, default="", blank=True)
    #: When the account was last danced with; the latest is the user's default one.
    connected_at = models.DateTimeField(_("connected at"), default=timezone.now, editable=False)
    scope = models.TextField(_("scope"), default="", blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    #: Why the last refresh failed; "" if it did not.
    last_error = models.CharField(_("last error"), max_length=100, default="", blank=True)
    #: Who refreshes the token now, and until when nobody else does.
    lease = models.CharField(max_length=32, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("OAuth token")
        verbose_name_plural = _("OAuth tokens")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "provider", "account"], name="django_dance_one_token_per_account"
            ),
        ]
        indexes = [
            models.Index(fields=["provider", "account"], name="django_dance_whose_account"),
            models.Index(fields=["expires_at"], name="django_dance_expires_at"),
        ]
