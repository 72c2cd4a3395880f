from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from . import views

urlpatterns = [
    path("login/", include("django_dance.urls")),
    path("accounts/login/", auth.LoginView.as_view(template_name="login.html"), name="login"),
    path("admin/", admin.site.urls),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("api/me", views.api_me),
    path("profile/", views.profile),
    path("async-profile/", views.async_profile),
    path("class-profile/", views.ClassProfile.as_view()),
    path("async-class-profile/", views.AsyncClassProfile.as_view()),
    path("uncaught/", views.uncaught),
    path("failing/", views.failing),
    path("answers-json/", views.answers_json),
    path("answers-page/", views.answers_page),
    path("async-answers-json/", views.async_answers_json),
    path("class-answers-json/", views.ClassAnswersJson.as_view()),
    path("account/<account>/", views.account),
    path("accounts/", views.accounts),
    path("user/<int:pk>/", views.user),
    path("plain/", views.plain),
    path("whoami/", views.whoami),
]
