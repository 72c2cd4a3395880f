from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from . import site

urlpatterns = [
    path("oauth/", include(site.server.urls)),
    path("accounts/login/", auth.LoginView.as_view(template_name="login.html"), name="login"),
    path("admin/", admin.site.urls),
    path("email/", site.email),
    path("both/", site.both),
    path("either/", site.either),
    path("nested/", site.nested),
    path("anything/", site.anything),
    path("untouched/", site.untouched),
    path("async/", site.asynchronous),
    path("verified/", site.verified),
]
