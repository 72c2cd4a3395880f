"""A small site with every kind of provider, and django-oauth-toolkit as one of them."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pymysql

from . import keys

pymysql.install_as_MySQLdb()

SECRET_KEY = "a-key-for-the-tests-and-for-nothing-else-at-all"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", ".example.com"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "oauth2_provider",
    "django_dance",
    "django_dance.server",
    "tests",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def database(server):
    """The entry of ``DATABASES`` for a database of this process.

    :param server: a URL such as ``postgresql://postgres@127.0.0.1:5432``. With an empty string the
        database is a SQLite file.
    """
    if not server:
        name = Path(tempfile.gettempdir()) / f"django-dance-tests-{os.getpid()}.sqlite3"
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            # A file, because a live server's threads cannot share an in-memory database safely.
            "TEST": {"NAME": name},
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                # The database need not survive a power cut, and waiting for the disk is slow.
                "init_command": "PRAGMA synchronous=OFF",
            },
        }
    url = urlsplit(server)
    name = f"django_dance_tests_{os.getpid()}"
    options = {
        # The tests' data need not survive a power cut, and waiting for the disk takes long.
        "postgresql": {"options": "-c synchronous_commit=off"},
        # PyMySQL otherwise reads the certificates of the system for each connection: 20 ms.
        "mysql": {"ssl_disabled": True},
    }[url.scheme]
    return {
        "ENGINE": f"django.db.backends.{url.scheme}",
        "OPTIONS": options,
        "HOST": url.hostname,
        "PORT": url.port,
        "USER": url.username,
        "NAME": name,
        # The default of a MySQL server may be a character set without all characters.
        "TEST": {"NAME": name, **({"CHARSET": "utf8mb4"} if url.scheme == "mysql" else {})},
    }


# The tests go through several databases: see ``tests/databases.py``.
DATABASES = {"default": database("")}
# The tables of other packages are made from their models: their migrations are not tested here.
MIGRATION_MODULES = dict.fromkeys(["admin", "auth", "contenttypes", "oauth2_provider", "sessions"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/accounts/login/"
# Since Django 6.1, which otherwise warns.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
STATIC_URL = "/static/"  # a live server serves them
# Otherwise its views keep the server that they made first, with the settings of that test.
OAUTH2_PROVIDER = {"ALWAYS_RELOAD_OAUTHLIB_CORE": True}

DANCE_PROVIDERS = {
    "github": {"PROVIDER": "django_dance.contrib.github.GitHub", "SCOPE": "read:user"},
    "gitlab": {"PROVIDER": "django_dance.contrib.gitlab.GitLab"},
    "google": {"PROVIDER": "django_dance.contrib.google.Google", "OFFLINE": True},
    "jira": {
        "PROVIDER": "django_dance.contrib.jira.Jira",
        "BASE_URL": "https://jira.example.com",
    },
    "tripit": {
        "PROVIDER": "django_dance.providers.OAuth1Provider",
        "BASE_URL": "https://api.example.org/v1/",
        "REQUEST_TOKEN_URL": "https://api.example.org/oauth/request_token",
        "AUTHORIZATION_URL": "https://example.org/oauth/authorize",
        "ACCESS_TOKEN_URL": "https://api.example.org/oauth/access_token",
    },
}
for _name in ("GITHUB", "GITLAB", "GOOGLE", "TRIPIT"):
    globals()[f"{_name}_OAUTH_CLIENT_ID"] = f"{_name.lower()}-client"
    globals()[f"{_name}_OAUTH_CLIENT_SECRET"] = f"planted-{_name.lower()}-client-secret"
JIRA_OAUTH_CONSUMER_KEY = "jira-client"
JIRA_OAUTH_RSA_KEY = keys.PRIVATE
