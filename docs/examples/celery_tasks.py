"""tasks.py: a Celery task that acts for a user."""

from celery import shared_task
from django.conf import settings
from django.contrib.auth import get_user_model

from django_dance.exceptions import AuthorizationRequired, ProviderUnavailable
from django_dance.registry import providers


@shared_task(bind=True, max_retries=8)
def count_repositories(self, user_id):
    """Given the user's key: a session cannot be queued, and a token must not lie in a broker."""
    github = providers["github"].session(user_id=user_id)
    try:
        response = github.get("/user/repos", params={"per_page": 100})
    except ProviderUnavailable as error:
        # The token has ended, and GitHub cannot be asked for a new one now.
        raise self.retry(exc=error, countdown=60 * 2**self.request.retries) from error
    except AuthorizationRequired:
        # To try again would not help; only the user can.
        get_user_model().objects.get(pk=user_id).email_user(
            "Please connect GitHub again",
            f"Your repositories wait for it: {settings.DANCE_BASE_URL}{github.login_url}",
        )
        return None
    response.raise_for_status()
    return len(response.json())
