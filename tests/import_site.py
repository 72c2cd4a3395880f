"""A process that runs commands on the site of ``import_settings``."""

import io
import json
import sys
from datetime import UTC, datetime

#: In 2017 and in 2096.
PAST, FUTURE = 1_500_000_000, 4_000_000_000
HOUR = 3600


def prepare():
    """Make all tables, each by its own library, and fill them."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    users = [User.objects.create(username=name) for name in ("ada", "grace", "linus")]
    _allauth(*users)
    _social_auth(*users)
    _flask_dance(*users)


def _allauth(ada, grace, linus):
    from allauth.socialaccount.models import SocialAccount, SocialToken

    def token(user, provider, uid, secret="", ends_at=None, text="planted-allauth"):
        SocialToken.objects.create(
            account=SocialAccount.objects.create(user=user, provider=provider, uid=uid),
            token=text,
            token_secret=secret,
            expires_at=ends_at and datetime.fromtimestamp(ends_at, UTC),
        )

    token(ada, "github", "42")
    token(ada, "google", "sub-of-ada", "planted-refresh", PAST)
    token(grace, "google", "sub-of-grace", "", PAST)
    token(grace, "twitter_oauth2", "7", "planted-refresh", FUTURE)
    token(grace, "twitter", "8", "planted-secret")
    token(linus, "trello", "9", "planted-secret")
    token(linus, "facebook", "10")
    token(linus, "reddit", "linus-at-reddit", "planted-refresh")
    token(linus, "gitlab", "11", text="a token with spaces")


def _social_auth(ada, grace, linus):
    from social_django.models import UserSocialAuth

    def token(user, provider, uid, **extra):
        UserSocialAuth.objects.create(user=user, provider=provider, uid=uid, extra_data=extra)

    plain = {"access_token": "planted-social", "token_type": "bearer"}
    token(ada, "github", "42", **plain, expires_in=None, refresh_token=None, login="ada")
    token(
        ada,
        "google-oauth2",
        "ada@example.com",
        **plain,
        refresh_token="planted-refresh",
        expires_in=HOUR,
        auth_time=FUTURE,
        scope="openid email",
    )
    token(grace, "gitlab", "11", **plain, expires=FUTURE, auth_time=FUTURE - HOUR)
    token(grace, "trello", "12", access_token={"oauth_token": "planted-social"})
    both = {"oauth_token": "planted-social", "oauth_token_secret": "planted-secret"}
    token(linus, "trello", "13", access_token={**both, "user_id": "13"})
    token(linus, "twitter-oauth2", "14", id=14)
    token(linus, "gitlab", "15", **plain, expires_on=PAST)


def _flask_dance(ada, grace, linus):
    from django.conf import settings
    from flask import Flask
    from flask_dance.consumer.storage.sqla import OAuthConsumerMixin, SQLAlchemyStorage
    from flask_dance.contrib.github import make_github_blueprint
    from flask_sqlalchemy import SQLAlchemy

    app = Flask("site")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{settings.DATABASES['flask']['NAME']}"
    db = SQLAlchemy(app)

    class OAuth(OAuthConsumerMixin, db.Model):
        user_id = db.Column(db.Integer)

    class SiteOAuth(OAuthConsumerMixin, db.Model):
        """Without users."""

    class AccountOAuth(OAuthConsumerMixin, db.Model):
        """With the account, as in the examples of Flask-Dance."""

        user_id = db.Column(db.Integer)
        provider_user_id = db.Column(db.String(256))

    granted = {
        "access_token": "planted-flask",
        "refresh_token": "planted-refresh",
        "token_type": "bearer",
        "scope": ["repo"],
        "expires_in": HOUR,
        "expires_at": FUTURE,
        "id_claims": {"sub": "somebody else"},
    }
    blueprint = make_github_blueprint("id", "secret")
    with app.app_context():
        db.create_all()
        for user, name in ((ada, "github"), (grace, "github"), (linus, "elsewhere")):
            blueprint.name = name
            SQLAlchemyStorage(OAuth, db.session).set(blueprint, granted, user_id=user.pk)
        db.session.add(OAuth(provider="github", user_id=4711, token=granted))
        db.session.add(OAuth(provider="github", token=granted))
        db.session.add(OAuth(provider="gitlab", user_id=ada.pk, token={"error": "x"}))
        for user, name, uid in (
            (ada, "github", "42"),
            (ada, "github", "43"),
            (grace, "google", "grace@example.com"),
            (linus, "github", None),
            (linus, "gitlab", ""),
        ):
            fields = {"provider": name, "user_id": user.pk, "token": granted}
            db.session.add(AccountOAuth(provider_user_id=uid, **fields))
        db.session.commit()
        SQLAlchemyStorage(SiteOAuth, db.session).set(blueprint, granted)


def run(commands):
    """Run the commands one after the other; print their output, and the stored tokens."""
    from django.core.management import CommandError, call_command

    from django_dance.models import OAuthToken

    said = []
    for command in commands:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*command, stdout=out, stderr=err)
        except CommandError as error:
            out.write(f"CommandError: {error}")
        said.append(out.getvalue() + err.getvalue())
    stored = {}
    for row in OAuthToken.objects.select_related("user"):
        ends_at = row.expires_at and row.expires_at.timestamp()
        name = f"{row.user.username} {row.provider} {row.account}".strip()
        stored[name] = {**row.token.fields_to_store, "ends_at": ends_at}
    assert not {"allauth", "social_django", "flask_dance"} & set(sys.modules)
    print(json.dumps({"said": said, "stored": stored}))


if __name__ == "__main__":
    import django

    django.setup()
    commands = json.loads(sys.argv[1])
    prepare() if commands is None else run(commands)
