"""The settings of a small site. :mod:`.__main__` puts the server's URL in the environment."""

import os

_SERVER = os.environ["BENCHMARK_SERVER"]
CA_BUNDLE = os.environ["BENCHMARK_CA_BUNDLE"]
TOKEN = {"access_token": "an-access-token", "token_type": "bearer"}

SECRET_KEY = "a-key-for-the-benchmarks-and-for-nothing-else"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "benchmarks.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "oauth2_provider",
    "social_django",
    "django_dance",
    "django_dance.server",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

# Calls at the same time, in a benchmark.
DANCE_ASYNC_CALLS = 300
# The benchmarks measure the table, without a cache.
DANCE_CACHE = None
_PROVIDER = {
    "PROVIDER": "django_dance.providers.OAuth2Provider",
    "BASE_URL": _SERVER,
    "AUTHORIZATION_URL": f"{_SERVER}authorize",
    "TOKEN_URL": f"{_SERVER}token",
    "CA_BUNDLE": CA_BUNDLE,
    "SCOPE": "read:user",
}
DANCE_PROVIDERS = {
    # Sealed tokens in the table.
    "github": _PROVIDER,
    # Tokens in memory, as with the other libraries in these benchmarks.
    "memory": {
        **_PROVIDER,
        "STORAGE": {
            "BACKEND": "django_dance.storage.MemoryStorage",
            "OPTIONS": {"token": TOKEN},
        },
    },
}
GITHUB_OAUTH_CLIENT_ID = MEMORY_OAUTH_CLIENT_ID = "a-client"
GITHUB_OAUTH_CLIENT_SECRET = MEMORY_OAUTH_CLIENT_SECRET = "a-client-secret"

AUTHLIB_OAUTH_CLIENTS = {
    "github": {
        "client_id": GITHUB_OAUTH_CLIENT_ID,
        "client_secret": GITHUB_OAUTH_CLIENT_SECRET,
        "access_token_url": f"{_SERVER}token",
        "authorize_url": f"{_SERVER}authorize",
        "api_base_url": _SERVER,
        "client_kwargs": {
            "scope": "read:user",
            "code_challenge_method": "S256",
            "verify": CA_BUNDLE,
        },
    }
}

SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_PROVIDERS = {
    "github": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {"client_id": GITHUB_OAUTH_CLIENT_ID, "secret": GITHUB_OAUTH_CLIENT_SECRET, "key": ""}
        ],
    }
}
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "social_core.backends.github.GithubOAuth2",
]
SOCIAL_AUTH_GITHUB_KEY = GITHUB_OAUTH_CLIENT_ID
SOCIAL_AUTH_GITHUB_SECRET = GITHUB_OAUTH_CLIENT_SECRET
SOCIAL_AUTH_GITHUB_USE_PKCE = True

DANCE_SERVER_ISSUER = "https://testserver"
DANCE_SERVER_SCOPES = {"read": "Read everything"}
