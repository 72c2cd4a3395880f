"""The smallest site: it shows that pages without OAuth cost nothing."""

SECRET_KEY = "a-key-for-the-tests-and-for-nothing-else-at-all"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.lean_urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_dance",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DANCE_PROVIDERS = {
    "github": {"PROVIDER": "django_dance.contrib.github.GitHub"},
    "jira": {
        "PROVIDER": "django_dance.contrib.jira.Jira",
        "BASE_URL": "https://jira.example.com",
    },
}
