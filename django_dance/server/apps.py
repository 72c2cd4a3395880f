from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class DjangoDanceServerConfig(AppConfig):
    name = "django_dance.server"
    label = "django_dance_server"
    verbose_name = "OAuth server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, logins, token_cache  # noqa: F401  the import registers the checks

        token_cache.connect_signals()
        # No URL needs to import the module with which an app registers its hooks.
        autodiscover_modules("oauth_hooks")
        logins.connect_signals()
