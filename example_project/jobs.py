"""Work without a request: a task queue, such as Celery or Django's tasks, runs such functions."""

from django.contrib.auth import get_user_model
from django.db import connections

from django_dance.providers import providers


def count_notes(username: str) -> int:
    """Count the notes that a user has at Notebook."""
    try:
        user = get_user_model().objects.get(username=username)
        notebook = providers["notebook"].session(user=user)
        return len(notebook.get("/notes").json()["notes"])
    finally:
        connections.close_all()  # the connections of a thread that ends
