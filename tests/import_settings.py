"""A site that moves: the tables of those who kept its tokens before stand beside ours."""

import os

_FOLDER = os.environ["DANCE_IMPORT_FOLDER"]

SECRET_KEY = "a-key-for-the-import-and-for-nothing-else-at-all"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_dance",
]
if os.environ.get("DANCE_IMPORT_BEFORE"):
    # Later they are gone, and their tables are still there.
    INSTALLED_APPS += ["allauth", "allauth.account", "allauth.socialaccount", "social_django"]
    MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{_FOLDER}/{alias}.sqlite3"}
    for alias in ("default", "flask")
}

DANCE_PROVIDERS = {
    name: {"PROVIDER": f"django_dance.contrib.{name}.{label}"}
    for name, label in [
        ("github", "GitHub"),
        ("gitlab", "GitLab"),
        ("google", "Google"),
        ("twitter", "Twitter"),
        ("reddit", "Reddit"),
        ("trello", "Trello"),
    ]
} | {
    "elsewhere": {
        "PROVIDER": "django_dance.providers.OAuth2Provider",
        "AUTHORIZATION_URL": "https://example.com/authorize",
        "TOKEN_URL": "https://example.com/token",
        "STORAGE": "django_dance.storage.SessionStorage",
    }
}
