"""A site with a server, which uses the models of the package, and protected views."""

from django.contrib.auth import get_user
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from django_dance.server import AuthorizationServer, bind_models

SCOPES = {
    "email": "see your email address",
    "address": "see where you live",
    "admin": "change everything",
}
MODELS = {
    "client": "django_dance_server.Client",
    "token": "django_dance_server.Token",
    "grant": "django_dance_server.Grant",
}

server = AuthorizationServer(issuer="https://testserver", scopes=SCOPES)
bind_models(server, user="auth.User", current_user=get_user, **MODELS)


def whoami(request):
    return JsonResponse(
        {
            "user": str(request.user),
            "granted_by": str(request.oauth_token.user),
            "client": request.oauth_token.client.name,
            "scopes": sorted(request.oauth_token.scopes),
        }
    )


email = server.require_oauth("email")(whoami)
both = server.require_oauth("email", "address")(whoami)
either = server.require_oauth("email", "address", any=True)(whoami)
nested = server.require_oauth("email")(server.require_oauth("admin")(whoami))
anything = server.require_oauth()(whoami)


@server.require_oauth("email")
def untouched(request):
    """Uses neither the user nor the client."""
    return HttpResponse("in")


@server.require_oauth("email")
async def asynchronous(request):
    return JsonResponse({"user": str(await request.auser())})


@csrf_exempt
def verified(request):
    valid, request = server.verify_request(request, ["email"])
    return JsonResponse({"valid": valid, "message": request.error_message})
