"""management/commands/count_stars.py: a command that acts for every user with a connection."""

import requests
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from django_dance.exceptions import AuthorizationRequired, ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import providers


class Command(BaseCommand):
    help = "Prints how many repositories each user has starred at GitHub."

    def handle(self, *args, **options):
        # The row of a connection stays if the provider ends it: only active ones can be used.
        connected = OAuthToken.objects.active().filter(provider="github")
        users = get_user_model().objects.filter(oauth_tokens__in=connected).distinct()
        for user in users.iterator():
            github = providers["github"].session(user=user)
            try:
                response = github.get("/user/starred", params={"per_page": 100})
                response.raise_for_status()
            except AuthorizationRequired:
                self.stderr.write(f"{user}: has to connect again")
            except ProviderUnavailable:
                self.stderr.write(f"{user}: not now; the next run will do it")
            except requests.RequestException as error:  # of the call, or of raise_for_status()
                self.stderr.write(f"{user}: the call failed ({type(error).__name__})")
            else:
                self.stdout.write(f"{user}: {len(response.json())}")
