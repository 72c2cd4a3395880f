"""A site that signs in with other libraries, at a GitLab on this machine.

The environment says which library stores tokens, and which settings differ.
"""

import json
import os

import pymysql

pymysql.install_as_MySQLdb()
_FOLDER = os.environ["DANCE_BRIDGES_FOLDER"]
_GITLAB = f"{os.environ['DANCE_BRIDGES_PROVIDER']}/gitlab.com"
_CLIENT = {"client_id": "the-client", "secret": "planted-client-secret"}

SECRET_KEY = "a-key-for-the-bridges-and-for-nothing-else-at-all"
DEBUG = True  # the provider is at plain http
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
ROOT_URLCONF = "tests.bridges.site_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_REDIRECT_URL = "/"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.gitlab",
    "social_django",
    "mozilla_django_oidc",
    "django_dance",
    "django_dance.bridges.allauth.AllAuthBridge",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_dance.middleware.OAuthMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "social_core.backends.gitlab.GitLabOAuth2",
    "django_dance.bridges.mozilla_oidc.OIDCAuthenticationBackend",
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
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{_FOLDER}/site.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=OFF",
        },
    }
}
# A database at a server.
if _AT_SERVER := os.environ.get("DANCE_BRIDGES_DATABASE"):
    DATABASES = {"default": json.loads(_AT_SERVER)}
# The tables are made from the models, which is faster than the migrations.
MIGRATION_MODULES = dict.fromkeys(
    [
        "account",
        "auth",
        "contenttypes",
        "django_dance",
        "sessions",
        "social_django",
        "socialaccount",
    ]
)
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = True
SOCIALACCOUNT_PROVIDERS = {"gitlab": {"GITLAB_URL": _GITLAB, "APPS": [_CLIENT]}}

SOCIAL_AUTH_PIPELINE = [
    "social_core.pipeline.social_auth.social_details",
    "social_core.pipeline.social_auth.social_uid",
    "social_core.pipeline.social_auth.auth_allowed",
    "social_core.pipeline.social_auth.social_user",
    "social_core.pipeline.user.get_username",
    "social_core.pipeline.user.create_user",
    "social_core.pipeline.social_auth.associate_user",
    "social_core.pipeline.social_auth.load_extra_data",
    "django_dance.bridges.social_auth.store_token",
]
SOCIAL_AUTH_GITLAB_API_URL = _GITLAB
SOCIAL_AUTH_GITLAB_KEY, SOCIAL_AUTH_GITLAB_SECRET = _CLIENT.values()

OIDC_OP_AUTHORIZATION_ENDPOINT = f"{_GITLAB}/oauth/authorize"
OIDC_OP_TOKEN_ENDPOINT = f"{_GITLAB}/oauth/token"
OIDC_OP_USER_ENDPOINT = f"{_GITLAB}/oauth/userinfo"
OIDC_OP_JWKS_ENDPOINT = f"{_GITLAB}/oauth/discovery/keys"
OIDC_RP_CLIENT_ID, OIDC_RP_CLIENT_SECRET = _CLIENT.values()
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid email read_user"
OIDC_STORE_ACCESS_TOKEN = True

DANCE_PROVIDERS = {
    "gitlab": {
        "PROVIDER": "django_dance.contrib.gitlab.GitLab",
        "BASE_URL": f"{_GITLAB}/api/v4/",
        "ISSUER": _GITLAB,
        "CLIENT_AUTH": "post",
        **{
            name: f"{_GITLAB}/oauth/{path}"
            for name, path in {
                "AUTHORIZATION_URL": "authorize",
                "TOKEN_URL": "token",
                "REVOCATION_URL": "revoke",
                "JWKS_URL": "discovery/keys",
                "USERINFO_URL": "userinfo",
            }.items()
        },
    }
}
GITLAB_OAUTH_CLIENT_ID, GITLAB_OAUTH_CLIENT_SECRET = _CLIENT.values()

# The settings of one test, and some short forms.
_settings = json.loads(os.environ.get("DANCE_BRIDGES_SETTINGS", "{}"))
DANCE_PROVIDERS["gitlab"] |= _settings.pop("GITLAB_OPTIONS", {})
SOCIALACCOUNT_PROVIDERS["gitlab"]["APPS"] = _settings.pop("GITLAB_APPS", [_CLIENT])
if _settings.pop("STEP_FIRST", False):
    SOCIAL_AUTH_PIPELINE.insert(0, SOCIAL_AUTH_PIPELINE.pop())
globals().update(_settings)
