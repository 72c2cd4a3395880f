"""The views of a site that uses us, and one of a provider."""

from django.contrib.auth import get_user_model
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


@authorization_required("github", answer="json")
def answers_json(request):
    return HttpResponse()


@authorization_required("github", answer="page")
def answers_page(request):
    return HttpResponse()


@authorization_required("github", answer="json")
async def async_answers_json(request):
    return HttpResponse()


class ClassAnswersJson(AuthorizationRequiredMixin, View):
    provider = "github"
    answer = "json"

    def get(self, request):
        return HttpResponse()


def account(request, account):
    request.oauth.github.account(account).require(request.GET.get("scope", ""))
    return HttpResponse("granted")


@authorization_required("github")
def accounts(request):
    """The first example of docs/accounts.md, which does not catch the exception."""
    for account in request.oauth.github.accounts:
        account.require()
    return HttpResponse("all")


def user(request, pk):
    owner = get_user_model().objects.get(pk=pk)
    return JsonResponse(request.oauth.github.for_user(owner).get("/user").json())


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
