"""The settings of a site whose users connect one MCP server. Several processes run it.

``tests.integration.test_mcp_users`` sets the variable that they read.
"""

import json
import os

from tests.conformance.settings import (  # noqa: F401  settings of this module, too
    INSTALLED_APPS,
    MIDDLEWARE,
    TEMPLATES,
)

_GIVEN = json.loads(os.environ["MCP_SITE"])

DEBUG = True  # the MCP server is at a port of this machine, on http
SECRET_KEY = "the-processes-of-this-site-share-this-key"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "tests.mcp_site.urls"
USE_TZ = True
DATABASES = {"default": _GIVEN["database"]}
CACHES = {"default": _GIVEN["cache"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MCP_SERVER = _GIVEN["server"]
DANCE_PROVIDERS = {"mcp": {"PROVIDER": "django_dance.contrib.mcp.MCP", "PLACES": [MCP_SERVER]}}
DANCE_BASE_URL = _GIVEN["base_url"]
DANCE_PRIVATE_HOSTS = ["localhost"]
DANCE_CACHE = "default"
DANCE_TIMEOUT = 60  # a busy machine may be slow
