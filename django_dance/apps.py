from django.apps import AppConfig


class DjangoDanceConfig(AppConfig):
    name = "django_dance"
    verbose_name = "OAuth"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.apps import apps
        from django.contrib.auth.signals import user_logged_in
        from django.db.models.signals import post_delete, post_save

        from . import checks  # noqa: F401  (registers the system checks)
        from .cache import invalidate_row
        from .connections import note_deletion, note_login
        from .models import OAuthConsumerMixin
        from .notices import tell_about_sign_in
        from .signals import sign_in_allowed

        user_logged_in.connect(note_login, dispatch_uid="django_dance.connections")
        sign_in_allowed.connect(tell_about_sign_in, dispatch_uid="django_dance.notices")
        for model in apps.get_models():
            if issubclass(model, OAuthConsumerMixin):
                post_delete.connect(
                    note_deletion, sender=model, dispatch_uid="django_dance.connections"
                )
                for signal in (post_save, post_delete):
                    signal.connect(
                        invalidate_row, sender=model, dispatch_uid="django_dance.storage"
                    )
