"""The client: a site that acts for its users at two providers. Start reading here."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from django_dance.decorators import authorization_required
from django_dance.providers import Provider
from django_dance.sessions import OAuth
from django_dance.signals import oauth_authorized, token_refreshed, token_revoked


class Request(HttpRequest):
    """Declare for type checkers the attribute that the middleware sets on each request."""

    oauth: OAuth


def home(request: Request) -> HttpResponse:
    return render(request, "home.html", {"people": settings.DEMO_PEOPLE})


@login_required
@authorization_required("notebook")
def profile(request: Request) -> HttpResponse:
    notebook = request.oauth.notebook
    answer = notebook.get("/me")
    return render(request, "profile.html", {"answer": answer, "provider": notebook.provider})


@login_required
@authorization_required("notebook")
async def profile_json(request: Request) -> HttpResponse:
    answer = await request.oauth.notebook.aget("/me")
    return JsonResponse(answer.json())


@login_required
@authorization_required("notebook", scope=["write"])
def notes(request: Request) -> HttpResponse:
    notebook = request.oauth.notebook
    if request.method == "POST":
        text = request.POST.get("text", "")
        if not notebook.post("/notes", json={"text": text}).ok:
            messages.error(request, "Notebook did not accept the note.")
        return redirect("notes")
    written = notebook.get("/notes").json()["notes"]
    return render(request, "notes.html", {"notes": written})


@login_required
@authorization_required("album")
def profile_at_album(request: Request) -> HttpResponse:
    """A view of an OAuth 1 provider is written like a view of an OAuth 2 provider."""
    album = request.oauth.album
    answer = album.get("/me")
    return render(request, "profile.html", {"answer": answer, "provider": album.provider})


@require_POST
@authorization_required("notebook")
def expire(request: Request) -> HttpResponse:
    """Let the token expire now instead of in five minutes. The next call refreshes it."""
    notebook = request.oauth.notebook
    notebook.token = {**(notebook.token or {}), "expires_in": 0}
    return redirect("home")


@receiver(oauth_authorized)
def say_connected(sender: type, request: HttpRequest, **kwargs: Any) -> None:
    messages.success(request, "Connected. Your token is stored, encrypted.")


@receiver(token_refreshed)
def say_refreshed(sender: type, request: HttpRequest | None, **kwargs: Any) -> None:
    if request is not None:  # a command or a queue worker has no request
        messages.info(request, "The token had expired, so this call refreshed it.")


@receiver(token_revoked)
def say_disconnected(
    sender: type, provider: Provider, request: HttpRequest | None, reason: str, **kwargs: Any
) -> None:
    if request is not None and reason == "disconnected":
        # OAuth 1 has no revocation endpoint.
        revoked = "revoked there and " if getattr(provider, "revocation_url", None) else ""
        messages.info(request, f"Disconnected. The token is {revoked}deleted here.")
