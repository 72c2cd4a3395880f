"""The settings of one site that runs our server and django-oauth-toolkit's side by side."""

import json
import os

SECRET_KEY = "a-key-for-the-benchmarks-and-for-nothing-else"
USE_TZ = True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "benchmarks.load_urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
    "django_dance.server",
]
# As startproject has it, without messages and the admin.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        **json.loads(os.environ["BENCHMARK_DATABASE"]),
    }
}
# Django's default hasher, and one that costs the toolkit what a generated secret costs us.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "benchmarks.load_hasher.PlainSHA256",
]

DANCE_SERVER_ISSUER = "https://127.0.0.1"
DANCE_SERVER_SCOPES = {"read": "Read everything"}
OAUTH2_PROVIDER = {"SCOPES": DANCE_SERVER_SCOPES, "ACCESS_TOKEN_EXPIRE_SECONDS": 3600}
