from django.urls import include, path

urlpatterns = [path("login/", include("django_dance.urls"))]
