from django.apps import AppConfig


class DjangoDanceServerConfig(AppConfig):
    name = "django_dance.server"
    label = "django_dance_server"
    verbose_name = "OAuth server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers them
        from . import token_cache as verified

        verified.watch()
