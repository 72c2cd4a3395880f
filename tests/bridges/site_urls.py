from django.http import JsonResponse
from django.urls import include, path


def me(request):
    return JsonResponse(request.oauth.gitlab.get("user").json())


urlpatterns = [
    path("", lambda request: JsonResponse({"user": request.user.get_username()})),
    path("me/", me),
    path("dance/", include("django_dance.urls")),
    path("accounts/", include("allauth.urls")),
    path("social/", include("social_django.urls", namespace="social")),
    path("oidc/", include("mozilla_django_oidc.urls")),
]
