"""Token tables of a site's own."""

from django.conf import settings
from django.db import models

from django_dance.models import OAuthConsumerMixin


class TeamToken(OAuthConsumerMixin):
    """The least that a table for users needs."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)


class Identity(models.Model):
    """The table of the page on signals: the user whom each account logs in."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    provider = models.CharField(max_length=50)
    account_id = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "account_id"], name="one_user_per_account"),
        ]

    def __str__(self):
        return f"{self.provider} {self.account_id}"


class SiteToken(OAuthConsumerMixin):
    """One token per provider, for the site itself."""
