from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.urls import reverse
from oauth2_provider.models import get_application_model


class Command(BaseCommand):
    help = "Makes the demo's people, and registers the client at the provider."

    def handle(self, *args: Any, **options: Any) -> None:
        self.make_people()
        self.register_client()
        self.stdout.write(f"Open {settings.DEMO_ORIGIN}/")

    def make_people(self) -> None:
        users = get_user_model().objects
        for username, name in settings.DEMO_PEOPLE.items():
            first_name, last_name = name.split()
            user, _ = users.update_or_create(
                username=username, defaults={"first_name": first_name, "last_name": last_name}
            )
            user.set_unusable_password()
            user.save()

    def register_client(self) -> None:
        """What one does at GitHub by hand, under "Register a new OAuth application"."""
        application = get_application_model()
        application.objects.update_or_create(
            client_id=settings.DEMO_OAUTH_CLIENT_ID,
            defaults={
                "name": "The example site",
                "client_secret": settings.DEMO_OAUTH_CLIENT_SECRET,
                "client_type": application.CLIENT_CONFIDENTIAL,
                "authorization_grant_type": application.GRANT_AUTHORIZATION_CODE,
                "redirect_uris": " ".join(self.redirect_uris()),
                "skip_authorization": False,
            },
        )

    def redirect_uris(self) -> set[str]:
        """The site's own address, and 127.0.0.1: under that name it is another site to browsers."""
        origin = urlsplit(settings.DEMO_ORIGIN)
        other = origin._replace(netloc=f"127.0.0.1:{origin.port or 80}")
        return {f"{site.geturl()}{reverse('demo:authorized')}" for site in (origin, other)}
