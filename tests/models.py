"""Token tables of a site's own."""

from django.conf import settings
from django.db import models

from django_dance.models import OAuthConsumerMixin


class TeamToken(OAuthConsumerMixin):
    """The least that a table for users needs."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)


class SiteToken(OAuthConsumerMixin):
    """One token per provider, for the site itself."""
