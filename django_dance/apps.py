from django.apps import AppConfig


class DjangoDanceConfig(AppConfig):
    name = "django_dance"
    verbose_name = "OAuth"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.apps import apps
        from django.db.models.signals import post_delete, post_save

        from . import checks  # noqa: F401  (registers the system checks)
        from .cache import invalidate_row
        from .models import OAuthConsumerMixin

        for model in apps.get_models():
            if issubclass(model, OAuthConsumerMixin):
                for signal in (post_save, post_delete):
                    signal.connect(
                        invalidate_row, sender=model, dispatch_uid="django_dance.storage"
                    )
