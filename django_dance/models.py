"""The models: the tokens, and this site's registrations at authorization servers."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .fields import PlaceField, SealedTokenField
from .tokens import ACTIVE, NEEDS_RECONNECT, Secret, seal, unseal

#: The columns for the state of a connection, if a model has all of them.
_STATE_COLUMNS = {"state", "reason", "state_changed_at", "notified_at"}
#: The columns that only a storage changes, each by a statement of its own. An instance that was
#: loaded earlier must not undo the change.
_CHOICES = {"may_sign_in", "issuer", "chosen_at"}


class OAuthConsumerMixin(models.Model):
    """The columns that every token table has. Inherit from it for a table of your own."""

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
        """Save the instance. Its token and its state are written only if the token was set.

        Otherwise a token that was refreshed since the instance was loaded would be overwritten. A
        token that was set makes the connection active.
        """
        if not self._state.adding and options.get("update_fields") is None:
            kept = {"lease", "lease_until", "claim"}
            has_states = {field.name for field in self._meta.concrete_fields} >= _STATE_COLUMNS
            kept |= _CHOICES if has_states else set()
            if self._meta.get_field("token").is_as_loaded(self):  # type: ignore[union-attr]
                kept |= {"token", "expires_at", "scope", "last_error"}
                kept |= {*_STATE_COLUMNS, "checked_at"} if has_states else set()
            elif has_states and self.token is not None and self.state != ACTIVE:  # type: ignore[has-type]
                self.state, self.reason, self.notified_at = ACTIVE, "", None
                self.state_changed_at = timezone.now()
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
        """Load the row again. Its token is treated as loaded, not as set."""
        before = self.__dict__.get("token")
        super().refresh_from_db(*args, **options)
        if self.__dict__.get("token") is not before:
            self._meta.get_field("token").mark_as_loaded(self)  # type: ignore[union-attr]


class OAuthTokenQuerySet(models.QuerySet["OAuthToken"]):
    """The rows of connections."""

    def active(self) -> OAuthTokenQuerySet:
        """Return the connections that can be used; the others need to be reconnected."""
        return self.filter(state=ACTIVE)


class OAuthTokenManager(models.Manager["OAuthToken"]):
    """The connections. It has the methods of the queryset, which type checkers read here."""

    def get_queryset(self) -> OAuthTokenQuerySet:
        return OAuthTokenQuerySet(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]

    def active(self) -> OAuthTokenQuerySet:
        """Return the connections that can be used; the others need to be reconnected."""
        return self.get_queryset().active()


class OAuthToken(OAuthConsumerMixin):
    """A user's connection to an account at a provider, with its token.

    A row outlives its token: if the provider ends the grant, the token is wiped, and the row says
    why the user has to connect again.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="oauth_tokens",
        verbose_name=_("user"),
    )
    #: One server of many: its host or URL; "" for a provider with one server.
    place = PlaceField(_("place"))
    #: The account's immutable id at the provider; "" if it is not known.
    account = models.CharField(_("account"), max_length=255, default="", blank=True)
    #: The time of the account's last dance.
    connected_at = models.DateTimeField(_("connected at"), default=timezone.now, editable=False)
    scope = models.TextField(_("scope"), default="", blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    #: The reason why the last refresh failed; "" if it succeeded.
    last_error = models.CharField(_("last error"), max_length=100, default="", blank=True)
    #: The name of the process that refreshes the token now, and the end of its lease.
    lease = models.CharField(max_length=32, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    #: A digest of provider and account, if no other user may have the account. The database lets a
    #: transaction that claims the same account wait for the transaction that claimed it first.
    claim = models.CharField(  # noqa: DJ001  several rows may have no claim
        max_length=64, null=True, unique=True, editable=False
    )

    state = models.CharField(
        _("state"),
        max_length=16,
        choices={ACTIVE: _("active"), NEEDS_RECONNECT: _("needs reconnecting")},
        default=ACTIVE,
        db_default=ACTIVE,
    )
    #: Why the connection needs to be reconnected; "" if it is active.
    reason = models.CharField(
        _("reason"),
        max_length=16,
        choices={
            "revoked": _("ended at the provider"),
            "expired": _("expired"),
            "refused": _("refused by the provider"),
            "scopes": _("permissions missing"),
            "unreadable": _("unreadable"),
            "rejected": _("rejected by the provider"),
            "issuer_changed": _("the place has another authorization server"),
        },
        default="",
        db_default="",
        blank=True,
    )
    state_changed_at = models.DateTimeField(
        _("state changed at"), null=True, blank=True, editable=False
    )
    #: The time of the notice about the loss of the connection.
    notified_at = models.DateTimeField(_("notified at"), null=True, blank=True, editable=False)
    #: The last time that the provider was asked about the connection.
    checked_at = models.DateTimeField(_("checked at"), null=True, blank=True, editable=False)
    #: The member of a team who has connected the account; None if the user has.
    authorized_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("authorized by"),
    )
    #: Whether a dance with this account may log the user in.
    may_sign_in = models.BooleanField(
        _("may be used to sign in"), default=False, db_default=False, editable=False
    )
    #: The issuer of the account's ID token, if the connection may be used for sign-in.
    issuer = models.CharField(
        _("issuer"), max_length=255, default="", db_default="", editable=False
    )
    #: The account's name for people. It stays when the token is wiped.
    label = models.CharField(_("label"), max_length=255, default="", db_default="", blank=True)
    #: The time at which the account became the user's default account. If no account of the user
    #: has such a time, the default account is that of the last dance.
    chosen_at = models.DateTimeField(_("chosen at"), null=True, blank=True, editable=False)

    objects = OAuthTokenManager()

    class Meta:
        verbose_name = _("OAuth token")
        verbose_name_plural = _("OAuth tokens")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "provider", "place", "account"],
                name="django_dance_one_token_per_place",
            ),
        ]
        indexes = [
            models.Index(fields=["provider", "account"], name="django_dance_whose_account"),
            models.Index(fields=["expires_at"], name="django_dance_expires_at"),
            models.Index(fields=["state", "provider"], name="django_dance_state"),
        ]


class PendingRevocation(models.Model):
    """The token of a deleted user, until the provider has revoked it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(_("provider"), max_length=50)
    #: The primary key of the deleted user, as text. Credentials may depend on the user.
    owner = models.CharField(max_length=255, default="", editable=False)
    place = PlaceField(_("place"))
    account = models.CharField(_("account"), max_length=255, default="", blank=True)
    token = SealedTokenField(_("token"), bound_to=("id", "provider"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, editable=False)
    next_attempt_at = models.DateTimeField(
        _("next attempt at"), default=timezone.now, db_index=True, editable=False
    )
    #: The reason why the last attempt failed.
    last_error = models.CharField(_("last error"), max_length=100, default="", editable=False)

    class Meta:
        verbose_name = _("pending revocation")
        verbose_name_plural = _("pending revocations")

    def __str__(self) -> str:
        return f"{self.provider} token of a deleted user"


class ClientRegistration(models.Model):
    """This site's credentials at one authorization server, for one tenant.

    They are added by an administrator, or the site registers itself when a user first connects. A
    row that was replaced stays: connections that were made with it still refresh with it.
    """

    CONFIGURED, REGISTERED = "configured", "registered"
    #: The purpose of the seal.
    PURPOSE = "client"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(_("provider"), max_length=50)
    #: The tenant that it is for, as ``DANCE_OWNER_TENANT`` names it; "" for a site without tenants.
    tenant = models.CharField(_("tenant"), max_length=255, default="", blank=True)
    #: The authorization server that granted the credentials. They are sent to no other one.
    issuer = models.CharField(_("issuer"), max_length=500)
    #: The redirect URI that it was registered with; "" if the server accepts each one of the site.
    redirect_uri = models.CharField(_("redirect URI"), max_length=500, default="", blank=True)
    #: The place that it is for; "" if it is for each place with this issuer.
    place = models.CharField(_("place"), max_length=255, default="", blank=True)
    source = models.CharField(
        _("source"),
        max_length=16,
        choices={CONFIGURED: _("added by hand"), REGISTERED: _("registered by the site")},
        default=CONFIGURED,
        editable=False,
    )
    client_id = models.CharField(_("client ID"), max_length=500)
    #: The client secret, or the private key as a JWK, and the registration access token (RFC 7592
    #: §3), sealed.
    sealed = models.TextField(default="", blank=True, editable=False)
    #: RFC 7591 §2
    token_endpoint_auth_method = models.CharField(
        _("authentication method"),
        max_length=32,
        choices={
            "client_secret_basic": _("client secret, HTTP Basic"),
            "client_secret_post": _("client secret in the form"),
            "private_key_jwt": _("private key, which signs a JWT"),
            "none": _("none: a public client"),
        },
        default="client_secret_basic",
    )
    #: The scopes that a dance may ask for; "" if the registration does not limit them.
    scope = models.TextField(_("scope"), default="", blank=True)
    #: The server's answer to the registration, without its secrets.
    metadata = models.JSONField(_("metadata"), default=dict, blank=True, editable=False)
    #: The time at which the secret expires; None if it does not.
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    #: The user whose dance made the registration, or the administrator who added it.
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("added by"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    #: A digest of provider, tenant and issuer: an index for the three long columns.
    server = models.CharField(max_length=64, db_index=True, editable=False)
    #: A digest of these, the redirect URI and the place; None if the row was replaced.
    current = models.CharField(  # noqa: DJ001  many rows may have been replaced
        max_length=64, null=True, unique=True, editable=False
    )
    #: The name of the process that registers the site now, and the end of its lease.
    lease = models.CharField(max_length=32, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("client registration")
        verbose_name_plural = _("client registrations")

    def __str__(self) -> str:
        return f"{self.provider} at {self.issuer}"

    def __repr__(self) -> str:
        return f"<ClientRegistration id={self.pk} provider={self.provider!r}>"

    def save(self, **options: Any) -> None:
        """Save the row with the digests of its columns. A row that was replaced stays so."""
        names = self.provider, self.tenant, self.issuer
        self.server = self.digest(*names)
        if self._state.adding or self.current is not None:
            self.current = self.digest(*names, self.redirect_uri, self.place)
        super().save(**options)

    def clean(self) -> None:
        """Check the issuer (RFC 8414 §2), and that there is no other registration for it."""
        if "?" in self.issuer or "#" in self.issuer or not self.issuer.startswith("http"):
            raise ValidationError({"issuer": _("An issuer is an https URL without a query.")})
        names = self.provider, self.tenant, self.issuer, self.redirect_uri, self.place
        others = type(self)._default_manager.filter(current=self.digest(*names))
        if others.exclude(pk=self.pk).exists():
            raise ValidationError(_("There is a registration for this server already."))

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets: ``client_secret`` and, if the server has sent one, others.

        :raises SealBroken: no configured key opens them, or they are those of another row.
        """
        if not self.sealed:
            return {}
        return {
            name: Secret(value)
            for name, value in json.loads(
                unseal(self.sealed, purpose=self.PURPOSE, identity=self.identity)
            ).items()
        }

    @secrets.setter
    def secrets(self, secrets: Mapping[str, str]) -> None:
        if not secrets:
            self.sealed = ""
            return
        text = json.dumps(dict(secrets)).encode()
        self.sealed = seal(text, purpose=self.PURPOSE, identity=self.identity)

    @property
    def has_secret(self) -> bool:
        """Whether the client authenticates with a secret or a private key."""
        return self.token_endpoint_auth_method != "none"  # noqa: S105

    @property
    def identity(self) -> str:
        """The identity that the seal is bound to: the credentials are of no use elsewhere."""
        return json.dumps(
            [self._meta.label_lower, str(self.pk), self.provider, self.tenant, self.issuer]
        )

    @staticmethod
    def digest(*parts: str) -> str:
        """Return the digest of the columns :attr:`server` and :attr:`current`."""
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
