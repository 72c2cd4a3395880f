"""tasks.py: a Celery task that acts for a user."""

from celery import shared_task
from django.conf import settings
from django.contrib.auth import get_user_model

from django_dance.exceptions import AuthorizationRequired, ProviderUnavailable
from django_dance.providers import providers


@shared_task(bind=True, max_retries=8)
def count_repositories(self, user_id):
    """Takes a user id: a session cannot be pickled, and a broker must not store a token."""
    github = providers["github"].session(user_id=user_id)
    try:
        response = github.get("/user/repos", params={"per_page": 100})
    except ProviderUnavailable as error:
        # The token has expired, and GitHub cannot refresh it now.
        raise self.retry(exc=error, countdown=60 * 2**self.request.retries) from error
    except AuthorizationRequired:
        # Do not retry: the user has to connect GitHub again.
        get_user_model().objects.get(pk=user_id).email_user(
            "Please connect GitHub again",
            f"Your repositories wait for it: {settings.DANCE_BASE_URL}{github.login_url}",
        )
        return None
    response.raise_for_status()
    return len(response.json())
