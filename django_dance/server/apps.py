from django.apps import AppConfig


class DjangoDanceServerConfig(AppConfig):
    name = "django_dance.server"
    label = "django_dance_server"
    verbose_name = "OAuth server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, logins, token_cache  # noqa: F401  the import registers the checks

        token_cache.connect_signals()
        logins.connect_signals()
