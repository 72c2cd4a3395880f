"""Print what is stored about a user's connections, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from ..arguments import user_id_of
from ..export import export_connections


class Command(BaseCommand):
    help = "Prints what is stored about a user's connections, as JSON, without secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="The login name or the primary key")

    def handle(self, *, user: str, **options: Any) -> None:
        found = get_user_model()._default_manager.get(pk=user_id_of(user))
        exported = export_connections(found)
        self.stdout.write(json.dumps(exported, cls=DjangoJSONEncoder, indent=2))
