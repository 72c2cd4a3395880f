"""The settings of the example. For django-dance, a site needs those below "The client"."""

import os
from pathlib import Path

PORT = os.environ.get("DEMO_PORT", "8000")
# Client and providers run in one process, under two names of this machine: browsers treat them as
# different sites, so that a visitor logs in at each of them.
DEMO_ORIGIN = f"http://localhost:{PORT}".removesuffix(":80")
DEMO_PROVIDERS_HOST = f"127.0.0.1:{PORT}".removesuffix(":80")
DEMO_PROVIDERS = f"http://{DEMO_PROVIDERS_HOST}"
# The users who can log in without a password: user name → full name.
DEMO_PEOPLE = {"ada": "Ada Lovelace", "grace": "Grace Hopper"}
DEMO_ADMINS = ["grace"]

# This key protects only demo tokens. Your site should read its key from the environment.
SECRET_KEY = "a-secret-key-that-everybody-may-know-for-it-guards-a-demo"
DEBUG = True
ROOT_URLCONF = "example_project.urls"
LOGIN_URL = "sign_in"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_COOKIE_SAMESITE = os.environ.get("DEMO_SAMESITE", "Lax")

INSTALLED_APPS = [
    "example_project",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_dance",
    "django_dance.server",
]
MIDDLEWARE = [
    "example_project.middleware.send_policy",
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
                "example_project.context_processors.demo",
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
    "notebook": {
        "PROVIDER": "example_project.providers.Notebook",
        "ORIGIN": DEMO_PROVIDERS,
        "SIGN_IN": True,
    },
    "album": {"PROVIDER": "example_project.providers.Album", "ORIGIN": DEMO_PROVIDERS},
}
NOTEBOOK_OAUTH_CLIENT_ID = "the-example-site"
NOTEBOOK_OAUTH_CLIENT_SECRET = "a-client-secret-that-everybody-may-know"
ALBUM_OAUTH_CLIENT_ID = "TheExampleSiteAtAlbum"
ALBUM_OAUTH_CLIENT_SECRET = "another-client-secret-that-everybody-may-know"

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_dance.backends.ConnectedAccountBackend",  # for SIGN_IN
]
# The time between a login and the connection of an account for sign-in: here as long as a session.
DANCE_SIGN_IN_LOGIN_AGE = 14 * 24 * 60 * 60

# If you register an OAuth app at GitHub, the demo has the real GitHub, too. The callback URL of the
# app is http://localhost:8000/login/github/authorized/.
if "GITHUB_OAUTH_CLIENT_ID" in os.environ:
    DANCE_PROVIDERS["github"] = {"PROVIDER": "django_dance.contrib.github.GitHub"}
    GITHUB_OAUTH_CLIENT_ID = os.environ["GITHUB_OAUTH_CLIENT_ID"]
    GITHUB_OAUTH_CLIENT_SECRET = os.environ["GITHUB_OAUTH_CLIENT_SECRET"]

# --- The provider Notebook, as another site would run it ------------------------------------------

DANCE_SERVER_ISSUER = DEMO_PROVIDERS
DANCE_SERVER_SCOPES = {"read": "See your name and your notes", "write": "Add a note"}
# Short, so that you can watch a refresh. In seconds.
DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 300
