"""The URLs of the example site, and one page more."""

from django.db import transaction
from django.urls import path

from example_project import urls, views

urlpatterns = [
    path("profile/in-a-transaction/", transaction.atomic(views.profile)),
    *urls.urlpatterns,
]
