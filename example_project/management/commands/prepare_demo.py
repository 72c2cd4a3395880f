from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand
from django.urls import reverse

from django_dance.server.models import Client


class Command(BaseCommand):
    help = "Creates the users of the demo, and registers the client at Notebook."

    def handle(self, *args: Any, **options: Any) -> None:
        self.make_people()
        self.register_client()
        self.stdout.write(f"Open {settings.DEMO_ORIGIN}/")

    def make_people(self) -> None:
        users = get_user_model().objects
        for username, name in settings.DEMO_PEOPLE.items():
            first_name, last_name = name.split()
            user, created = users.update_or_create(
                username=username,
                defaults={
                    "first_name": first_name,
                    "last_name": last_name,
                    "is_staff": username in settings.DEMO_ADMINS,
                    "is_superuser": username in settings.DEMO_ADMINS,
                },
            )
            if created:
                user.set_unusable_password()
                user.save()

    def register_client(self) -> None:
        """Register the client, as a developer does at GitHub: "Register a new OAuth application".

        ``manage.py dance_server_client`` does the same, but it generates a secret and shows it
        once. The secret of the demo is in its settings.
        """
        client, _ = Client.objects.update_or_create(
            client_id=settings.NOTEBOOK_OAUTH_CLIENT_ID,
            defaults={
                "name": "The example site",
                "registered_redirect_uris": settings.DEMO_ORIGIN + reverse("notebook:authorized"),
                "scope": "read write",
            },
        )
        # A new hash of the same secret would invalidate the tokens of an earlier run.
        if not client.check_client_secret(settings.NOTEBOOK_OAUTH_CLIENT_SECRET):
            client.client_secret = make_password(settings.NOTEBOOK_OAUTH_CLIENT_SECRET)
            client.save()
