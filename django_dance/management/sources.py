"""The tokens of other libraries: their fields, and the tables that store them.

The libraries are not imported, so they need not be installed. Each table is read through an
unmanaged model in an app registry of its own, so that Django converts the types of the database.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from django.apps.registry import Apps
from django.core.management.base import CommandError
from django.db import connections, models

from ..conf import settings
from ..providers import OAuth1Provider, Provider, providers

#: social-auth's ``expires`` is a lifetime up to this number of seconds, and a Unix time above it.
_TWO_YEARS = 2 * 365 * 24 * 3600


class Source:
    """A library that stores tokens in a table of one of the site's databases."""

    #: The library's name of a provider → the name of our preset, if the names differ.
    names: ClassVar[Mapping[str, str]] = {}
    #: The library's providers whose ``uid`` is the id that our preset uses for the account.
    same_ids: ClassVar[str] = ""

    #: A queryset of all rows, after :meth:`open`.
    rows: Any

    def open(self, alias: str, table: str | None = None) -> None:
        """Find the table.

        :param alias: the alias of the database.
        :param table: the name of the table, if it is not the library's usual one.
        :raises CommandError: there is no such table, or it has not the columns of the library.
        """
        raise NotImplementedError

    def name_here(self, theirs: str, names: Mapping[str, str | None]) -> str | None:
        """The name in ``DANCE_PROVIDERS`` of a provider of the library; ``None`` without one.

        ``DANCE_BRIDGES`` names it. Otherwise it is the provider with the same name, or with the
        name of our preset.

        :param theirs: the library's name of the provider.
        :param names: names that take precedence.
        """
        names = {**settings.bridges, **names}
        candidates = [names[theirs]] if theirs in names else [theirs, self.names.get(theirs)]
        return next((name for name in candidates if name and name in providers), None)

    def provider(self, row: Any) -> str:
        """The library's name of the provider."""
        return str(row.provider)

    def user_id(self, row: Any) -> Any:
        """The primary key of the user in the library's table; ``None`` if the row has no user."""
        return row.user_id

    def uid(self, row: Any) -> str:
        """The user's id at the provider; ``""`` if the table does not have it."""
        return ""

    def has_our_ids(self, theirs: str, provider: Provider) -> bool:
        """Whether :meth:`uid` is the id that ``provider`` uses for the account.

        :param theirs: the library's name of the provider.
        """
        preset = f"django_dance.contrib.{self.names.get(theirs, theirs).replace('-', '_')}"
        return (
            theirs in self.same_ids.split()
            and any(cls.__module__ == preset for cls in type(provider).__mro__)
            and provider.account_id == type(provider).account_id
            and not provider.account_workspace
        )

    def token(self, row: Any, provider: Provider) -> dict[str, Any]:
        """The fields of the token; empty if ``provider`` cannot have granted such a token.

        :param provider: our provider. Its class says whether the token is of OAuth 1 or OAuth 2.
        """
        raise NotImplementedError


class AllAuth(Source):
    """``SocialToken`` of django-allauth."""

    names = {
        "bitbucket_oauth2": "bitbucket",
        "eveonline": "eve_online",
        "linkedin_oauth2": "linkedin",
        "microsoft": "azure",
        "openstreetmap": "osm",
        "twitter_oauth2": "twitter",
        "vimeo_oauth2": "vimeo",
    }
    same_ids = """
        amazon apple asana atlassian auth0 authentiq basecamp box discogs discord dropbox
        eventbrite eveonline facebook figma flickr gitea github gitlab globus google lichess
        microsoft naver nextcloud okta orcid paypal snapchat soundcloud spotify strava tiktok
        trello twitch twitter_oauth2 yahoo yandex zoho zoom
    """
    #: The library's providers of OAuth 1; the table does not have the version of OAuth.
    _oauth1 = "500px discogs evernote flickr openstreetmap trello tumblr twitter vimeo xing"

    def open(self, alias: str, table: str | None = None) -> None:
        if table:
            raise CommandError(
                "--table cannot be used with django-allauth: its tables have fixed names."
            )
        tokens, accounts = "socialaccount_socialtoken", "socialaccount_socialaccount"
        _check_columns(alias, tokens, "account_id", "token", "token_secret", "expires_at")
        _check_columns(alias, accounts, "provider", "uid", "user_id")
        apps = Apps()
        account = _unmanaged_model(
            apps,
            accounts,
            provider=models.TextField(),
            uid=models.TextField(),
            user_id=models.TextField(),
        )
        self.rows = _rows(
            alias,
            _unmanaged_model(
                apps,
                tokens,
                account=models.ForeignKey(account, models.DO_NOTHING, related_name="+"),
                token=models.TextField(),
                token_secret=models.TextField(),
                expires_at=models.DateTimeField(null=True),
            ),
        ).select_related("account")

    def provider(self, row: Any) -> str:
        return str(row.account.provider)

    def user_id(self, row: Any) -> Any:
        return row.account.user_id

    def uid(self, row: Any) -> str:
        return str(row.account.uid)

    def token(self, row: Any, provider: Provider) -> dict[str, Any]:
        oauth1 = isinstance(provider, OAuth1Provider)
        if oauth1 != (row.account.provider in self._oauth1.split()):
            return {}
        if oauth1:
            return {"oauth_token": row.token, "oauth_token_secret": row.token_secret}
        fields = {"access_token": row.token, "refresh_token": row.token_secret}
        if row.expires_at is not None:
            fields["expires_at"] = row.expires_at.timestamp()
        return fields


class SocialAuth(Source):
    """``UserSocialAuth.extra_data`` of social-auth-app-django."""

    names = {
        "apple-id": "apple",
        "azuread-oauth2": "azure",
        "azuread-oauth2-v2": "azure",
        "bitbucket-oauth2": "bitbucket",
        "dropbox-oauth2": "dropbox",
        "google-oauth2": "google",
        "google-openidconnect": "google",
        "linkedin-oauth2": "linkedin",
        "linkedin-openidconnect": "linkedin",
        "microsoft-graph": "azure",
        "okta-oauth2": "okta",
        "okta-openidconnect": "okta",
        "openstreetmap-oauth2": "osm",
        "salesforce-oauth2": "salesforce",
        "twitter-oauth2": "twitter",
        "yahoo-oauth2": "yahoo",
        "yandex-oauth2": "yandex",
        "zoom-oauth2": "zoom",
    }
    same_ids = """
        apple-id asana bitbucket-oauth2 box discord dropbox-oauth2 facebook fitbit github gitlab
        google-oauth2 google-openidconnect linkedin-openidconnect microsoft-graph orcid patreon
        spotify strava twitch twitter-oauth2 yahoo-oauth2 yandex-oauth2 zoom-oauth2
    """

    def open(self, alias: str, table: str | None = None) -> None:
        table = table or "social_auth_usersocialauth"
        _check_columns(alias, table, "provider", "uid", "user_id", "extra_data")
        self.rows = _rows(
            alias,
            _unmanaged_model(
                Apps(),
                table,
                provider=models.TextField(),
                uid=models.TextField(),
                user_id=models.TextField(),
                extra_data=models.TextField(),
            ),
        )

    def uid(self, row: Any) -> str:
        uid = str(row.uid)
        # By default the uid of a Google user is the email address, which can change.
        return uid if "@" not in uid else str(_json_object(row.extra_data).get("sub") or "")

    def token(self, row: Any, provider: Provider) -> dict[str, Any]:
        extra = _json_object(row.extra_data)
        found = extra.get("access_token")
        if isinstance(provider, OAuth1Provider):
            return dict(found) if isinstance(found, dict) else {}
        if not isinstance(found, str):
            return {}
        names = ("access_token", "refresh_token", "token_type", "scope", "id_token")
        fields = {name: extra[name] for name in names if extra.get(name)}
        expires_at = _expires_at(extra)
        return fields if expires_at is None else {**fields, "expires_at": expires_at}


class FlaskDance(Source):
    """The table of a model that is built on Flask-Dance's ``OAuthConsumerMixin``.

    The examples of Flask-Dance add two columns to it: ``user_id``, and ``provider_user_id`` for the
    user's id at the provider.
    """

    _columns = ("user_id", "provider_user_id")

    def open(self, alias: str, table: str | None = None) -> None:
        if not table:
            raise CommandError(
                "Pass the name of the table of your Flask-Dance model, such as "
                "--table flask_dance_oauth."
            )
        columns = _check_columns(alias, table, "id", "provider", "token")
        optional = {name: models.TextField() for name in self._columns if name in columns}
        self.rows = _rows(
            alias,
            _unmanaged_model(
                Apps(), table, provider=models.TextField(), token=models.TextField(), **optional
            ),
        )

    def user_id(self, row: Any) -> Any:
        return getattr(row, "user_id", None)

    def uid(self, row: Any) -> str:
        uid = getattr(row, "provider_user_id", None)
        # The id is never an email address, which can change.
        return "" if uid is None or "@" in str(uid) else str(uid)

    def has_our_ids(self, theirs: str, provider: Provider) -> bool:
        return True  # the site has chosen what the column has

    def token(self, row: Any, provider: Provider) -> dict[str, Any]:
        return _json_object(row.token)


SOURCES = {"allauth": AllAuth, "social_auth": SocialAuth, "flask_dance": FlaskDance}


def _check_columns(alias: str, table: str, *needed: str) -> set[str]:
    """Return the columns of a table.

    :param needed: columns that the table must have.
    :raises CommandError: the table does not exist, or lacks a needed column.
    """
    connection = connections[alias]
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            raise CommandError(
                f"There is no table {table!r} in the database {alias!r}: name another alias of "
                "DATABASES by --database, or another table by --table."
            )
        description = connection.introspection.get_table_description(cursor, table)
    found = {column.name for column in description}
    missing = [name for name in needed if name not in found]
    if missing:
        raise CommandError(
            f"The table {table!r} has no column {' or '.join(missing)}, so it is not a table of "
            "this library."
        )
    return found


def _unmanaged_model(apps: Apps, table: str, **fields: models.Field[Any, Any]) -> Any:
    options = {"apps": apps, "app_label": "others", "db_table": table, "managed": False}
    meta = type("Meta", (), options)
    return type(table.title(), (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


def _rows(alias: str, model: Any) -> Any:
    return model._base_manager.using(alias)


def _json_object(value: Any) -> dict[str, Any]:
    """A JSON object as a dict, from text or from a decoded value; empty if it is no object."""
    try:
        value = json.loads(value) if isinstance(value, (str, bytes)) else value
    except ValueError:
        return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _expires_at(extra: Mapping[str, Any]) -> float | None:
    """The Unix time at which a token of social-auth expires, by the rules of that library.

    ``None`` if the row does not have the time.
    """
    for name in ("expires_on", "expires_in", "expires"):
        number = _number(extra.get(name))
        if number is None:
            continue
        if name == "expires_on" or (name == "expires" and number > _TWO_YEARS):
            return number
        began = _number(extra.get("auth_time"))
        return None if began is None else began + number
    return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
