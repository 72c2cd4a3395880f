"""The settings of the example: below "The client" is what a site needs for django-dance."""

import os
from pathlib import Path

# The provider lives in this very process, so its addresses follow the port it is run on.
DEMO_ORIGIN = os.environ.get("DEMO_ORIGIN", "http://localhost:8000")
#: Who may walk in without a password.
DEMO_PEOPLE = {"ada": "Ada Lovelace", "grace": "Grace Hopper"}

# It seals nothing worth stealing. A site of yours reads its own from the environment.
SECRET_KEY = "a-secret-key-that-everybody-may-know-for-it-guards-a-demo"
DEBUG = True
ROOT_URLCONF = "example_project.urls"
LOGIN_URL = "home"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_COOKIE_SAMESITE = os.environ.get("DEMO_SAMESITE", "Lax")

INSTALLED_APPS = [
    "example_project",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_dance",
    "oauth2_provider",
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
        # Client and provider write at the same time: let one wait for the other.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}

# --- The client: the site that acts for its users ------------------------------------------------

DANCE_PROVIDERS = {
    "demo": {
        "PROVIDER": "example_project.providers.Demo",
        "ORIGIN": DEMO_ORIGIN,
        "ISSUER": DEMO_ORIGIN,
    },
}
DEMO_OAUTH_CLIENT_ID = "demo-client"
DEMO_OAUTH_CLIENT_SECRET = "a-client-secret-that-everybody-may-know"

# --- The provider: django-oauth-toolkit, as another site would run it ----------------------------

OAUTH2_PROVIDER = {
    "SCOPES": {"read": "See your name and your notes", "write": "Add a note"},
    # Short, so that a refresh can be watched.
    "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
    "ROTATE_REFRESH_TOKEN": True,
    # RFC 9207: a callback with a code says who it is from (with an error it does not, in 3.4).
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "OIDC_ISS_ENDPOINT": DEMO_ORIGIN,
}
