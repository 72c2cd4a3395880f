from django.conf import settings
from django.db import models


class AlbumToken(models.Model):
    """An access token of Album. Its secret is derived from it, see ``album.py``."""

    token = models.CharField(max_length=30, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"token of {self.user}"
