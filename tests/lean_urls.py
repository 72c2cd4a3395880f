from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("login/", include("django_dance.urls")),
    path("plain/", lambda request: HttpResponse("plain")),
]
