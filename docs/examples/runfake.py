"""management/commands/runfake.py: the development server, with a fake provider."""

from django.core.management import call_command
from django.core.management.base import BaseCommand

from django_dance.testing import fake_provider


class Command(BaseCommand):
    help = "Runs the site with a fake GitHub, which needs neither credentials nor a network."

    def handle(self, *args, **options):
        with fake_provider("github", served=True) as github:
            github.route("GET", "/user", {"id": 1, "login": "ada"})
            self.stdout.write(f"The fake GitHub is at {github.url}.")
            call_command("runserver", "localhost:8000", use_reloader=False)
