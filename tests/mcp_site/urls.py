import os

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.http import HttpResponse
from django.urls import include, path

from django_dance.interop import mcp_client


def sign_in(request):
    user, _ = get_user_model().objects.get_or_create(username=request.GET["name"])
    login(request, user)
    return HttpResponse()


async def whoami(request):
    """The name that the MCP server knows the user by, and the process that has asked it."""
    session = request.oauth.mcp.at(settings.MCP_SERVER)
    async with mcp_client(session) as client:
        result = await client.call_tool("whoami", {})
    return HttpResponse(f"{result.content[0].text} {os.getpid()}")


urlpatterns = [
    path("login/", include("django_dance.urls")),
    path("sign-in/", sign_in),
    path("whoami/", whoami),
]
