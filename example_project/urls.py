from django.contrib.auth.views import LogoutView
from django.urls import include, path
from oauth2_provider.urls import base_urlpatterns

from . import accounts, api, views

urlpatterns = [
    path("", views.home, name="home"),
    path("profile/", views.profile, name="profile"),
    path("profile.json", views.profile_json, name="profile_json"),
    path("notes/", views.notes, name="notes"),
    path("expire/", views.expire, name="expire"),
    path("login/", include("django_dance.urls")),
    path("sign-in/", accounts.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(next_page="home"), name="sign_out"),
    # The provider.
    path("o/", include((base_urlpatterns, "oauth2_provider"))),
    path("api/me", api.me),
    path("api/notes", api.notes),
]
