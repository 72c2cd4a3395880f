"""A project with a site. Its tests run in another process."""

from importlib import metadata
from pathlib import Path

import pytest

import django_dance

#: The folder that contains the package.
ROOT = Path(django_dance.__file__).parents[1]

SETTINGS = """
SECRET_KEY = "planted-key-of-the-project"
ROOT_URLCONF = "site_urls"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_dance"
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {}}
]
DANCE_PROVIDERS = {"github": {"PROVIDER": "django_dance.contrib.github.GitHub"}}
"""
URLS = """
from django.http import JsonResponse
from django.urls import include, path

from django_dance.decorators import authorization_required


@authorization_required("github")
def profile(request):
    return JsonResponse(request.oauth.github.get("/user").json())


urlpatterns = [path("profile/", profile), path("login/", include("django_dance.urls"))]
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a site. It runs its tests in a process of its own."""
    pytester.makepyfile(site_settings=SETTINGS, site_urls=URLS)
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = site_settings\npythonpath = .\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    installed = {entry.name for entry in metadata.entry_points(group="pytest11")}
    load = () if "django_dance" in installed else ("-p", "django_dance.pytest_plugin")
    others = ("-p", "no:pytest_flask_dance", "-p", "no:anyio")

    def run(tests, *arguments):
        pytester.makepyfile(**tests)
        return pytester.runpytest_subprocess(*load, *others, *arguments)

    return run
