"""The views of a site that uses us, and one of a provider."""

from django.http import HttpResponse, JsonResponse
from django.views.generic import View
from oauth2_provider.decorators import protected_resource

from django_dance.decorators import authorization_required
from django_dance.mixins import AuthorizationRequiredMixin


@authorization_required("github")
def profile(request):
    return JsonResponse(request.oauth.github.get("/user").json())


@authorization_required("github", scope=["repo"])
async def async_profile(request):
    response = await request.oauth.github.aget("/user")
    return JsonResponse(response.json())


class ClassProfile(AuthorizationRequiredMixin, View):
    provider = "github"

    def get(self, request):
        return JsonResponse(request.oauth.github.get("/user").json())


class AsyncClassProfile(AuthorizationRequiredMixin, View):
    provider = "github"

    async def get(self, request):
        response = await request.oauth.github.aget("/user")
        return JsonResponse(response.json())


def uncaught(request):
    return JsonResponse(request.oauth.github.get("/user").json())


def failing(request):
    request.oauth.github.get("/user")
    raise ZeroDivisionError


def plain(request):
    return HttpResponse("plain")


def whoami(request):
    return HttpResponse(str(request.user.pk))


@protected_resource(scopes=["read"])
def api_me(request):
    return JsonResponse({"login": request.resource_owner.get_username()})
