"""The settings of the example. For django-dance, a site needs those below "The client"."""

import os
from pathlib import Path
from urllib.parse import urlsplit

# The providers run in the same process as the client, so they have the same origin.
DEMO_ORIGIN = os.environ.get("DEMO_ORIGIN", "http://localhost:8000")
# The demo has a second origin at 127.0.0.1, which browsers treat as another site.
DEMO_ORIGINS = [DEMO_ORIGIN, f"http://127.0.0.1:{urlsplit(DEMO_ORIGIN).port or 80}"]
#: The users who can log in without a password: user name → full name.
DEMO_PEOPLE = {"ada": "Ada Lovelace", "grace": "Grace Hopper"}

# This key protects only demo tokens. Your site should read its key from the environment.
SECRET_KEY = "a-secret-key-that-everybody-may-know-for-it-guards-a-demo"
DEBUG = True
ROOT_URLCONF = "example_project.urls"
LOGIN_URL = "home"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_COOKIE_SAMESITE = os.environ.get("DEMO_SAMESITE", "Lax")

INSTALLED_APPS = [
    "example_project",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_dance",
    "django_dance.server",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.context_processors.source",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", Path(__file__).parent / "demo.sqlite3"),
        # The client and the providers write at the same time: wait for the lock of SQLite.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}

# --- The client: the site that acts for its users ------------------------------------------------

DANCE_PROVIDERS = {
    "notebook": {"PROVIDER": "example_project.providers.Notebook", "ORIGIN": DEMO_ORIGIN},
    "album": {"PROVIDER": "example_project.providers.Album", "ORIGIN": DEMO_ORIGIN},
}
NOTEBOOK_OAUTH_CLIENT_ID = "the-example-site"
NOTEBOOK_OAUTH_CLIENT_SECRET = "a-client-secret-that-everybody-may-know"
ALBUM_OAUTH_CLIENT_ID = "TheExampleSiteAtAlbum"
ALBUM_OAUTH_CLIENT_SECRET = "another-client-secret-that-everybody-may-know"

# --- The provider Notebook, as another site would run it ------------------------------------------

DANCE_SERVER_ISSUER = DEMO_ORIGIN
DANCE_SERVER_SCOPES = {"read": "See your name and your notes", "write": "Add a note"}
# Short, so that you can watch a refresh. In seconds.
DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 300
