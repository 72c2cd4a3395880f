"""A small site with every kind of provider, and django-oauth-toolkit as one of them."""

import os
import tempfile
from pathlib import Path

from . import keys

_DATABASE = os.environ.get("DANCE_TEST_DATABASE") or (
    Path(tempfile.gettempdir()) / f"django-dance-tests-{os.getpid()}.sqlite3"
)

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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _DATABASE,
        # A file, because a live server's threads cannot share an in-memory database safely.
        "TEST": {"NAME": _DATABASE},
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/accounts/login/"
STATIC_URL = "/static/"  # a live server serves them

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
