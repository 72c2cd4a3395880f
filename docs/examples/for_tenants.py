"""management/commands/for_tenants.py: runs a command for each tenant of django-tenants."""

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django_tenants.utils import get_public_schema_name, get_tenant_model, tenant_context


class Command(BaseCommand):
    help = "Runs a command for each tenant. It goes on if the command fails for one of them."

    def add_arguments(self, parser):
        parser.add_argument("command")

    def handle(self, *args, command, **options):
        failed = []
        for tenant in get_tenant_model().objects.exclude(schema_name=get_public_schema_name()):
            with tenant_context(tenant):
                try:
                    call_command(command)
                except CommandError as error:
                    failed.append(f"{tenant.schema_name}: {error}")
        if failed:
            raise CommandError("\n".join(failed))
