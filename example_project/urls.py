from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from . import accounts, album, notebook, views

urlpatterns = [
    # The client.
    path("", views.home, name="home"),
    path("profile/", views.profile, name="profile"),
    path("profile.json", views.profile_json, name="profile_json"),
    path("notes/", views.notes, name="notes"),
    path("profile/album/", views.profile_at_album, name="profile_at_album"),
    path("expire/", views.expire, name="expire"),
    path("job/", views.job, name="job"),
    path("program/", views.program, name="program"),
    path("login/", include("django_dance.urls")),
    path("admin/", admin.site.urls),
    # Users log in at the client and at the providers.
    path("sign-in/", accounts.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(next_page="home"), name="sign_out"),
    # Notebook, an OAuth 2 provider. RFC 8414 §3: the metadata is at the origin of the issuer.
    path(".well-known/oauth-authorization-server", notebook.server.view("metadata")),
    path("notebook/", include(notebook.server.urls)),
    path("notebook/api/me", notebook.me),
    path("notebook/api/notes", notebook.notes),
    # Album, an OAuth 1 provider.
    path("album/request-token/", album.request_token),
    path("album/authorize/", album.authorize),
    path("album/access-token/", album.access_token),
    path("album/api/me", album.me),
]

if "github" in settings.DANCE_PROVIDERS:
    urlpatterns.append(path("profile/github/", views.profile_at_github, name="profile_at_github"))
