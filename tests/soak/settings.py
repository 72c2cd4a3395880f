"""The settings of the example site in the soak. ``sites`` sets the variables that they read."""

import os

from example_project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.soak.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
DEMO_PEOPLE = {name: f"Soak {name}" for name in os.environ["SOAK_USERS"].split()}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["SOAK_DATABASE"],
        "HOST": os.environ["SOAK_POSTGRESQL_HOST"],
        "PORT": os.environ["SOAK_POSTGRESQL_PORT"],
        "USER": "postgres",
        # Of two servers, connect to the one that is the primary.
        "OPTIONS": {"connect_timeout": 5, "target_session_attrs": "read-write"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["SOAK_REDIS"],
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1},
    }
}
DANCE_PROVIDERS = {
    "notebook": {
        "PROVIDER": "example_project.providers.Notebook",
        "ORIGIN": os.environ["SOAK_PROVIDER"],
        # Each worker has its own address at the provider, which notes it with each refresh.
        "TOKEN_URL": f"{os.environ['SOAK_PROVIDER']}/notebook/token/{os.getpid()}/",
    }
}
# The lease of a refresh is three times as long and five seconds more: 17 seconds. If a worker is
# killed in the middle of a refresh, the user waits until its lease has ended.
DANCE_TIMEOUT = 4
