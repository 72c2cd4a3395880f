"""Models of clients, codes, tokens and consents, and abstract models for a site's own tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from .. import forbid_in_templates
from ..tokens import Secret
from . import client_secrets
from .conf import settings as server_settings
from .hashing import fingerprint_matches, new_family
from .redirects import loopback_uri_without_port, registration_error

#: The clocks of two machines may differ by this much: a code from the near future is valid.
_SKEW = timedelta(seconds=5)
#: A second use of a refresh token within this time may come from another thread of the client, or
#: the response to the first use was lost. A later use counts as an attack.
REUSE_LEEWAY = timedelta(seconds=10)
#: RFC 6749 §1.3 and §6, without the implicit grant.
GRANT_TYPES = frozenset({"authorization_code", "client_credentials", "password", "refresh_token"})


def new_client_id() -> str:
    # Letters and digits only: a command would read an id that begins with a hyphen as an option.
    return get_random_string(24)


class AbstractClient(models.Model):
    """An application that acts for this site's users (RFC 6749 §2)."""

    client_id = models.CharField(
        _("client id"), max_length=255, unique=True, default=new_client_id, editable=False
    )
    name = models.CharField(_("name"), max_length=100)
    #: A hash; ``rotate_secret()`` sets it. For a secret that a person chose, store the result of
    #: Django's ``make_password()``.
    client_secret = models.CharField(max_length=255, blank=True, default="", editable=False)
    is_confidential = models.BooleanField(
        _("confidential"),
        default=True,
        help_text=_("A server can keep a secret, an app on a phone cannot."),
    )
    registered_redirect_uris = models.TextField(
        _("redirect URIs"), blank=True, help_text=_("One to a line; each must match exactly.")
    )
    scope = models.TextField(
        _("scope"),
        blank=True,
        help_text=_(
            "The scopes that the client may request, separated by spaces. It also gets them if it "
            "requests none."
        ),
    )
    grant_types = models.CharField(
        _("grant types"), max_length=200, default="authorization_code refresh_token"
    )
    #: The user who registered the client. The client's own tokens do not stand for this user.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_trusted = models.BooleanField(
        _("trusted"),
        default=False,
        db_default=False,
        help_text=_("It belongs to this site: users are not asked for their consent."),
    )
    #: The way in which a client became known that this site has not registered.
    registration = models.CharField(
        _("registration"),
        max_length=10,
        blank=True,
        default="",
        db_default="",
        editable=False,
        choices=[
            ("", _("by this site")),
            ("document", _("by its metadata document")),
            ("dynamic", _("by itself")),
        ],
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.client_id}>"

    @property
    def redirect_uris(self) -> list[str]:
        return self.registered_redirect_uris.split()

    @property
    def default_redirect_uri(self) -> str | None:
        """The redirect URI, if there is only one (RFC 6749 §3.1.2.3)."""
        uris = self.redirect_uris
        return uris[0] if len(uris) == 1 else None

    def validate_redirect_uri(self, uri: str) -> bool:
        """Whether the URI is registered; it must match exactly (RFC 9700 §2.1)."""
        if uri in self.redirect_uris:
            return True
        # RFC 8252 §7.3: an app on a device listens on any free port.
        anywhere = None if self.is_confidential else loopback_uri_without_port(uri)
        return anywhere is not None and anywhere in map(
            loopback_uri_without_port, self.redirect_uris
        )

    @property
    def default_scopes(self) -> list[str]:
        return self.scope.split()

    @property
    def allowed_grant_types(self) -> list[str]:
        return self.grant_types.split()

    def check_client_secret(self, secret: str) -> bool:
        """Whether this is the client's secret.

        The password hash of a generated secret, which earlier releases stored, is replaced.
        """
        if not client_secrets.is_correct(secret, self.client_secret):
            return False
        if not self.has_fast_secret and client_secrets.is_generated(secret):
            self._replace_password_hash(secret)
        return True

    @property
    def has_fast_secret(self) -> bool:
        """Whether the secret is compared without a password hasher."""
        return client_secrets.is_fast(self.client_secret)

    def _replace_password_hash(self, secret: str) -> None:
        old = self.client_secret
        new = client_secrets.hash_generated(secret, replaced=old)
        field: Any = self._meta.get_field("client_secret")
        if len(new) > field.max_length:
            return
        # The condition: another process may have set a new secret meanwhile.
        rows = type(self)._default_manager.filter(pk=self.pk, client_secret=old)
        if rows.update(client_secret=new):
            self.client_secret = new

    @forbid_in_templates
    def rotate_secret(self) -> Secret:
        """Set and return a new secret. Save the client, and show the secret once.

        All tokens of the client become invalid.

        :raises ValueError: the client is public.
        """
        if not self.is_confidential:
            raise ValueError(
                f"{self} is a public client, which has no secret. Set is_confidential first."
            )
        secret = client_secrets.generate()
        self.client_secret = client_secrets.hash_generated(secret)
        return secret

    def clean(self) -> None:
        super().clean()
        if not self.name.isprintable():
            # Such as the characters that reverse the direction of the text after them.
            raise ValidationError({"name": "It has characters that cannot be printed."})
        if unknown := set(self.allowed_grant_types) - GRANT_TYPES:
            raise ValidationError(
                {
                    "grant_types": f"There is no {', '.join(sorted(unknown))}. There are "
                    f"{', '.join(sorted(GRANT_TYPES))}."
                }
            )
        known = server_settings.scopes
        if known and (unknown := set(self.default_scopes) - set(known)):
            raise ValidationError(
                {
                    "scope": f"DANCE_SERVER_SCOPES has no {', '.join(sorted(unknown))}. It has "
                    f"{', '.join(sorted(known))}."
                }
            )
        problems = {
            uri: problem for uri in self.redirect_uris if (problem := registration_error(uri))
        }
        if problems:
            raise ValidationError(
                {"registered_redirect_uris": [f"{uri}: {why}" for uri, why in problems.items()]}
            )


class AbstractCredential(models.Model):
    """The fields that a code and a token have in common (RFC 6749 §1.3, §1.4).

    A subclass adds ``client``: a foreign key to the client model with ``to_field="client_id"``.
    """

    scope = models.TextField(_("scope"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires = models.DateTimeField(_("expires"), db_index=True)
    #: The resources that it is for, separated by spaces (RFC 8707).
    resource = models.TextField(
        _("resource"), blank=True, default="", db_default="", editable=False
    )
    #: The name of the server that issued it.
    server = models.CharField(max_length=50, editable=False)
    #: A fingerprint of the client's secret and the user's password.
    bound_to = models.CharField(max_length=64, editable=False)

    client_id: str

    class Meta:
        abstract = True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} id={self.pk} client={self.client_id!r}>"

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()

    @property
    def resources(self) -> list[str]:
        return self.resource.split()


class AbstractGrant(AbstractCredential):
    """An authorization code (RFC 6749 §4.1). The row stays after the code is redeemed.

    Inherit it and add ``client``: a foreign key to the client model with
    ``to_field="client_id"``.
    """

    code_digest = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("user"),
    )
    #: "" if the authorization request had none (RFC 6749 §4.1.3).
    redirect_uri = models.TextField(blank=True)
    code_challenge = models.CharField(max_length=128, blank=True, editable=False)
    code_challenge_method = models.CharField(max_length=10, blank=True, editable=False)
    used_at = models.DateTimeField(_("used at"), null=True, blank=True)
    #: The family of the tokens that are issued for the code, and of those that replace them.
    family = models.CharField(max_length=32, default=new_family, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"code of {self.client_id}"

    def in_force_for(self, client: Any) -> bool:
        """Whether neither the client nor the user has changed, and the code has not expired.

        A used code is still in force: its second use must be detected.
        """
        now = timezone.now()
        return (
            # A clock that was set back does not make an old code valid.
            self.created_at - _SKEW <= now
            and (self.used_at is not None or now < self.expires)
            and fingerprint_matches(self.bound_to, client, self.user)
        )

    @forbid_in_templates
    def redeem(self) -> bool:
        """Mark the code as used. Of several calls at once, one returns ``True``."""
        unused = type(self)._default_manager.filter(pk=self.pk, used_at=None)
        return bool(unused.update(used_at=timezone.now()))


class AbstractToken(AbstractCredential):
    """An access token, and the refresh token beside it.

    Inherit it and add ``client``: a foreign key to the client model with
    ``to_field="client_id"``. A refreshed row stays, marked as spent, until its refresh token
    expires, so that a second use of the refresh token is detected.
    """

    access_digest = models.CharField(max_length=64, unique=True, editable=False)
    refresh_digest = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001  a client credentials token has none
    #: ``None`` if the client acts for itself (RFC 6749 §4.4).
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    #: The scopes that the user granted. A refresh may ask for fewer of them (RFC 6749 §6).
    granted_scope = models.TextField(blank=True, editable=False)
    #: The resources that the user granted. A refresh may ask for fewer of them (RFC 8707 §2.2).
    granted_resource = models.TextField(blank=True, default="", db_default="", editable=False)
    refresh_expires = models.DateTimeField(_("refresh expires"), null=True, blank=True)
    spent_at = models.DateTimeField(_("refreshed at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    family = models.CharField(max_length=32, db_index=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"token of {self.client_id}"

    @property
    def granted_scopes(self) -> list[str]:
        return self.granted_scope.split()

    @property
    def granted_resources(self) -> list[str]:
        return self.granted_resource.split()

    def in_force_for(self, client: Any) -> bool:
        """Whether the token, the client and the user are unchanged since the token was issued."""
        return self.spent_at is None and self.refreshable_for(client)

    def refreshable_for(self, client: Any) -> bool:
        """As :meth:`in_force_for`, but a spent token counts, so that its second use is detected."""
        return self.revoked_at is None and fingerprint_matches(self.bound_to, client, self.user)

    @property
    def just_spent(self) -> bool:
        """Whether the first use of the refresh token was within :data:`REUSE_LEEWAY`."""
        # Not from a replica, which may lag behind the first use.
        self.refresh_from_db(using=router.db_for_write(type(self)), fields=["spent_at"])
        return self.spent_at is not None and timezone.now() - self.spent_at < REUSE_LEEWAY

    def use_again(self, seconds: int) -> bool:
        """Whether the first response may have been lost, so that the client may repeat the refresh.

        It may do so once, within ``seconds`` of the first use, and only if the refresh token of the
        first response was not used. The tokens of the first response end.
        """
        within = timedelta(seconds=seconds)
        self.refresh_from_db(using=router.db_for_write(type(self)), fields=["spent_at"])
        if self.spent_at is None or timezone.now() - self.spent_at >= within:
            return False
        family = type(self)._default_manager.using(router.db_for_write(type(self)))
        newer = family.filter(family=self.family, created_at__gte=self.spent_at).exclude(pk=self.pk)
        if newer.count() != 1:
            return False
        # As if it had been used before this time: its refresh token cannot be repeated, and a use
        # of it revokes the family. Of several calls at once, one returns True.
        unused = newer.filter(spent_at=None, revoked_at=None)
        return bool(unused.update(spent_at=self.spent_at - max(within, REUSE_LEEWAY)))

    @forbid_in_templates
    def spend(self) -> bool:
        """Mark the refresh token as used. Of several calls at once, one returns ``True``."""
        unspent = type(self)._default_manager.filter(pk=self.pk, spent_at=None, revoked_at=None)
        return bool(unspent.update(spent_at=timezone.now()))


class Client(AbstractClient):
    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")


class Grant(AbstractGrant):
    client = models.ForeignKey(
        Client,
        on_delete=models.CASCADE,
        to_field="client_id",
        related_name="grants",
        verbose_name=_("client"),
    )

    class Meta:
        verbose_name = _("authorization code")
        verbose_name_plural = _("authorization codes")


class Token(AbstractToken):
    client = models.ForeignKey(
        Client,
        on_delete=models.CASCADE,
        to_field="client_id",
        related_name="tokens",
        verbose_name=_("client"),
    )

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")


class Consent(models.Model):
    """The scopes that a user granted to a client, for the next request and for the page
    *Connected applications*."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("user"),
    )
    server = models.CharField(max_length=50, editable=False)
    client_id = models.CharField(_("client id"), max_length=255)
    scope = models.TextField(_("scope"), blank=True)
    redirect_uri = models.TextField(_("redirect URI"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "server", "client_id"], name="django_dance_one_consent_per_client"
            ),
        ]

    def __str__(self) -> str:
        return f"consent to {self.client_id}"

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()
