"""tasks.py: a task for Django's task framework (Django 6.0) that acts for a user."""

from django.tasks import task

from django_dance.exceptions import AuthorizationRequired
from django_dance.providers import providers


@task()
def count_repositories(user_id):
    """Takes a user id: a session cannot be pickled, and a queue must not store a token."""
    github = providers["github"].session(user_id=user_id)
    try:
        response = github.get("/user/repos", params={"per_page": 100})
    except AuthorizationRequired as required:
        return {"connect_again": github.login_url, "reason": required.reason}
    response.raise_for_status()
    return {"repositories": len(response.json())}
