"""The settings of a site whose users connect one MCP server. Several processes run it.

``tests.integration.test_mcp_users`` sets the variable that they read.
"""

import json
import os

_GIVEN = json.loads(os.environ["MCP_SITE"])

DEBUG = True  # the MCP server is at a port of this machine, on http
SECRET_KEY = "the-processes-of-this-site-share-this-key"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "tests.mcp_site.urls"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_dance",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": _GIVEN["database"]}
CACHES = {"default": _GIVEN["cache"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MCP_SERVER = _GIVEN["server"]
DANCE_PROVIDERS = {"mcp": {"PROVIDER": "django_dance.contrib.mcp.MCP", "PLACES": [MCP_SERVER]}}
DANCE_BASE_URL = _GIVEN["base_url"]
DANCE_PRIVATE_HOSTS = ["localhost"]
DANCE_CACHE = "default"
DANCE_TIMEOUT = 60  # a busy machine may be slow
