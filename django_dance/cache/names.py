"""cache_name: the part of a cache key that differs for each database, tenant and site.

A primary key identifies a user of one database and, with a schema for each tenant, of one tenant.
Several sites and all tenants may share a cache and a ``SECRET_KEY``. So every key in Django's
cache, and every seal of a cache entry, contains a result of this function.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import connections

from ..conf import settings


def cache_name(using: str | None, *parts: str | None) -> str:
    """The SHA-256 digest, in hexadecimal, of the site, the database, the tenant and the parts.

    The digest has no secret key, because hosts rotate their keys at different times. Host and port
    of the database are not in it: a process behind a connection pooler, and one that connects
    directly, share their entries.

    :param using: the alias of the database that the entry is about. ``None`` for an entry that all
        databases and tenants of this site share.
    :param parts: the subject of the entry, such as a provider and a user.
    """
    database = None
    if using is not None:
        connection = connections[using]
        database = str(connection.settings_dict["NAME"]), tenant(connection)
    named = (settings.site_key or None, database, parts)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def tenant(connection: Any) -> str | None:
    """The tenant at the moment of the call; ``None`` for a site without tenants.

    It is the result of the function in ``DANCE_TENANT``, or without one the schema, or else the
    tenant, that django-tenants has set on the connection.

    :param connection: Django's connection to the database.
    """
    if settings.tenant is not None:
        found = settings.tenant()
    else:
        found = getattr(connection, "schema_name", None)
        if found is None:
            found = getattr(connection, "tenant", None)
            found = getattr(found, "schema_name", getattr(found, "pk", found))
    return None if found is None else str(found)
