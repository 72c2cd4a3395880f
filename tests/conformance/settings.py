"""A small site whose users connect MCP servers. The conformance suite drives it."""

DEBUG = True
SECRET_KEY = "the-conformance-suite-of-mcp-needs-no-secret-key"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "tests.conformance.urls"
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
# A database in memory, which the threads of the process share.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "file:conformance?mode=memory&cache=shared",
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DANCE_PROVIDERS = {"mcp": {"PROVIDER": "django_dance.contrib.mcp.MCP", "PLACES": "any"}}
DANCE_BASE_URL = "http://localhost:8000"
# The suite expects this client id, and never fetches the document.
DANCE_CLIENT_DOCUMENT = "https://conformance-test.local/client-metadata.json"
# The servers of the suite.
DANCE_PRIVATE_HOSTS = ["localhost"]
