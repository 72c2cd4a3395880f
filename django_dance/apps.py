from django.apps import AppConfig


class DjangoDanceConfig(AppConfig):
    name = "django_dance"
    verbose_name = "OAuth"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers them
