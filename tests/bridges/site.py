"""A process with the site of ``site_settings`` and its provider; it plays the steps of one test.

A step is the name of a method of ``World`` with its arguments. The process prints their results.
"""

import io
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

import requests

from django_dance.testing.loopback import Loopback
from django_dance.testing.served import answer_over_http

PLANTED = "planted-"


class World:
    def __init__(self, library, provider):
        from django.test import Client

        self.library, self.provider, self.client = library, provider, Client()

    # --- the visitor ---------------------------------------------------------------------------

    def sign_in(self):
        """Sign in with the library; return the name of the user who is logged in then."""
        begin = {
            "allauth": lambda: self.client.post("/accounts/gitlab/login/"),
            "social_auth": lambda: self.client.post("/social/login/gitlab/"),
            "mozilla_oidc": lambda: self.client.get("/oidc/authenticate/"),
        }[self.library]
        return self.finish(begin())

    def connect(self):
        """Connect the account, as a user who is logged in."""
        begin = {
            "allauth": lambda: self.client.post("/accounts/gitlab/login/?process=connect"),
            "social_auth": lambda: self.client.post("/social/login/gitlab/"),
        }[self.library]
        return self.finish(begin())

    def finish(self, response):
        assert response.status_code == 302, response.content
        answer = requests.get(response["Location"], allow_redirects=False, timeout=10)
        callback = urlsplit(answer.headers["Location"])
        ended = self.client.get(f"{callback.path}?{callback.query}")
        assert ended.status_code in (200, 302), ended.content
        return self.user()

    def user(self):
        """The name of the user who is logged in."""
        return self.client.get("/").json()["user"]

    def log_out(self):
        self.client.logout()

    def log_in(self, name):
        from django.contrib.auth.models import User

        user, _ = User.objects.get_or_create(username=name)
        self.client.force_login(user, "django.contrib.auth.backends.ModelBackend")

    def call(self):
        """Call the API in a view; return the status of the view, and the account."""
        response = self.client.get("/me/", HTTP_ACCEPT="application/json")
        return response.status_code, response.json().get("id")

    # --- the site ------------------------------------------------------------------------------

    def copy_database(self, path):
        from django.conf import settings

        shutil.copy(settings.DATABASES["default"]["NAME"], path)

    def set_active(self, active):
        from django.contrib.auth.models import User

        User.objects.update(is_active=active)

    def check(self):
        from django.core.management import call_command
        from django.core.management.base import SystemCheckError

        out = io.StringIO()
        try:
            call_command("check", stdout=out, stderr=out)
        except SystemCheckError as error:
            out.write(str(error))
        return out.getvalue()

    def rows(self):
        """Our rows, with the tokens opened."""
        from django_dance.models import OAuthToken

        return [
            {
                "pk": row.pk,
                "user": row.user.username,
                "account": row.account,
                "label": row.label,
                "state": row.state,
                "may_sign_in": row.may_sign_in,
                "scope": row.scope,
                **{
                    name: (row.token or {}).get(name)
                    for name in ("access_token", "refresh_token", "connected_account")
                },
                "expires": row.expires_at is not None,
                "claims": (row.token or {}).get("id_claims") is not None,
            }
            for row in OAuthToken.objects.select_related("user").order_by("pk")
        ]

    def plain_tokens(self):
        """The tables with a token in plain text."""
        from django.db import connection

        found = {}
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                found[table] = repr(cursor.fetchall()).count(PLANTED)
        return {table: True for table, number in found.items() if number}

    def theirs(self):
        """The access token and the refresh token in the row of the library."""
        from allauth.socialaccount.models import SocialToken
        from social_django.models import UserSocialAuth

        if self.library == "allauth":
            return [[row.token, row.token_secret] for row in SocialToken.objects.all()]
        return [
            [row.extra_data.get("access_token"), row.extra_data.get("refresh_token")]
            for row in UserSocialAuth.objects.all()
        ]

    def use_theirs(self):
        """Let social-auth use its own token after it has expired; return the error."""
        from social_django.models import UserSocialAuth
        from social_django.utils import load_strategy

        social = UserSocialAuth.objects.get()
        social.extra_data["auth_time"] -= 7200
        try:
            return social.get_access_token(load_strategy())
        except Exception as error:
            return f"{type(error).__name__}: {error.code}"

    def status_of_theirs(self):
        """The provider's answer to the access token of the library."""
        token = self.theirs()[0][0]
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(
            f"{self.provider.url}/gitlab.com/api/v4/user", headers=headers, timeout=10
        ).status_code

    def expire(self):
        from django_dance.models import OAuthToken

        for row in OAuthToken.objects.all():
            row.token = {**row.token.fields_to_store, "expires_at": time.time() - 5}
            row.save()

    def store_for_visitor(self, account, fields):
        """Store a token of ours for the user who is logged in."""
        self.store(self.user(), account, fields)

    def store(self, name, account, fields):
        """Store a token of ours for a user."""
        from django.contrib.auth.models import User

        from django_dance.providers import providers

        user, _ = User.objects.get_or_create(username=name)
        session = providers["gitlab"].session(user=user, account=account)
        session.storage.set(session.owner, {"expires_at": time.time() + 3600, **fields})

    def call_concurrently(self, number):
        """Call the API in so many threads; return each status, and the number of refreshes."""
        from django.contrib.auth.models import User
        from django.db import connections

        from django_dance.providers import providers

        user, before, found = User.objects.get(), self.refreshes(), []

        def call():
            try:
                found.append(providers["gitlab"].session(user=user).get("user").status_code)
            except Exception as error:
                found.append(repr(error))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=call) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return found, self.refreshes() - before

    def refreshes(self):
        return sum(
            dict(received.form).get("grant_type") == "refresh_token"
            for received in self.provider.received
            if received.path.endswith("/oauth/token")
        )

    def disconnect(self):
        from django.contrib.auth.models import User

        from django_dance.providers import providers

        providers["gitlab"].session(user=User.objects.get()).disconnect()
        return [grant.ended for grant in self.provider.grants]

    def use_transactions(self):
        from django.db import connection

        connection.settings_dict["ATOMIC_REQUESTS"] = True

    def sign_in_without_bridge(self):
        from django.conf import settings
        from django.test import override_settings

        excluded = dict.fromkeys(settings.DANCE_PROVIDERS)
        with override_settings(DANCE_BRIDGES=excluded):
            return self.sign_in()

    def add_app(self, client_id):
        from allauth.socialaccount.models import SocialApp

        SocialApp.objects.create(
            provider="gitlab", name="GitLab", client_id=client_id, secret="planted-client-secret"
        )

    def credentials(self):
        from django.core.exceptions import ImproperlyConfigured

        from django_dance.providers import providers

        provider = providers["gitlab"]
        try:
            client = provider.get_client_credentials(provider.session().owner)
        except ImproperlyConfigured as error:
            return str(error)
        return client.client_id

    def confirm_email(self):
        """Open the link in the mail of allauth."""
        from django.core import mail

        link = next(word for word in mail.outbox[-1].body.split() if "/confirm-email/" in word)
        return self.client.post(urlsplit(link).path).status_code

    # --- the provider --------------------------------------------------------------------------

    def grant_refresh_tokens(self, granted):
        self.provider.refreshable = granted

    def expire_in(self, seconds):
        self.provider.expires_in = seconds

    def become(self, account):
        """Sign in with another account from now on."""
        self.provider.account = account

    def end_grants(self):
        self.provider.end_grants()


def make_provider(server):
    """The provider that answers at the address of ``server``."""
    from django_dance.contrib.gitlab import GitLab
    from django_dance.testing import FakeOAuth2Provider

    class Provider(FakeOAuth2Provider):
        client_id, client_secret, secret_prefix = "the-client", "planted-client-secret", PLANTED

        def is_client(self, received):
            sent = received.fields()
            found = sent.get("client_id"), sent.get("client_secret")
            return found == (self.client_id, self.client_secret)

        def answer(self, received):
            # allauth and social-auth send the token in the query.
            token = dict(received.query).get("access_token")
            if token and "Authorization" not in received.headers:
                received.headers["Authorization"] = f"Bearer {token}"
            return super().answer(received)

        def account_body(self, account):
            person = {"email": f"{account}@example.com", "email_verified": True}
            return {**super().account_body(account), **person, "name": "Ada Lovelace"}

    made = Provider("gitlab", {"PROVIDER": GitLab})
    made.url = server.url
    return made


def play(library, steps):
    provider = []
    with (
        tempfile.TemporaryDirectory() as folder,
        # The settings name the provider's address, and the provider needs the settings.
        Loopback(lambda received: answer_over_http(provider[0], received)) as server,
    ):
        if template := os.environ.get("DANCE_BRIDGES_TEMPLATE"):
            shutil.copy(template, folder)
        os.environ["DANCE_BRIDGES_FOLDER"] = folder
        os.environ["DANCE_BRIDGES_PROVIDER"] = server.url

        import django

        django.setup()

        from django.core.management import call_command
        from django.db import connections

        provider.append(make_provider(server))
        if "DANCE_BRIDGES_HAS_TABLES" in os.environ:
            call_command("flush", interactive=False, verbosity=0)  # the rows of the test before
        elif not template:
            call_command("migrate", run_syncdb=True, verbosity=0)
        log = io.StringIO()
        logging.getLogger("django_dance").addHandler(logging.StreamHandler(log))
        world = World(library, provider[0])
        results = [getattr(world, name)(*arguments) for name, *arguments in steps]
        connections.close_all()
    print(json.dumps({"results": results, "log": log.getvalue()}))


if __name__ == "__main__":
    play(sys.argv[1], json.loads(sys.argv[2]))
