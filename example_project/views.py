"""The client: a site that acts for its users at two providers. Start reading here."""

from concurrent.futures import ThreadPoolExecutor
from inspect import getsource
from typing import Any

import requests
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from django_dance.decorators import authorization_required
from django_dance.providers import Provider
from django_dance.sessions import OAuth
from django_dance.signals import oauth_authorized, token_refreshed, token_revoked

from . import jobs


class Request(HttpRequest):
    """Declare for type checkers the attribute that the middleware sets on each request."""

    oauth: OAuth


def home(request: Request) -> HttpResponse:
    if request.get_host() == settings.DEMO_PROVIDERS_HOST:
        return redirect(settings.DEMO_ORIGIN)
    return render(request, "steps.html" if request.user.is_authenticated else "welcome.html")


@login_required
@authorization_required("notebook")
def profile(request: Request) -> HttpResponse:
    notebook = request.oauth.notebook
    answer = notebook.get("/me")
    context = {"answer": answer, "provider": notebook.provider}
    return render(request, "profile.html", context)


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


@authorization_required("album")
def profile_at_album(request: Request) -> HttpResponse:
    """Call an OAuth 1 provider. An anonymous visitor has the token in the session."""
    album = request.oauth.album
    answer = album.get("/me")
    context = {"answer": answer, "provider": album.provider}
    return render(request, "profile.html", context)


@authorization_required("github")
def profile_at_github(request: Request) -> HttpResponse:
    github = request.oauth.github
    answer = github.get("/user")
    context = {"answer": answer, "provider": github.provider}
    return render(request, "profile.html", context)


@require_POST
@authorization_required("notebook")
def expire(request: Request) -> HttpResponse:
    """Let the token expire now instead of in five minutes. The next call refreshes it."""
    notebook = request.oauth.notebook
    notebook.token = {**(notebook.token or {}), "expires_in": 0}
    return redirect("home")


@login_required
def job(request: Request) -> HttpResponse:
    """Run a job in a thread, which has no request, as the worker of a task queue has none."""
    with ThreadPoolExecutor(1) as worker:
        count = worker.submit(jobs.count_notes, request.user.get_username()).result()
    return render(request, "job.html", {"count": count, "job_source": getsource(jobs.count_notes)})


def program(request: Request) -> HttpResponse:
    """Open a page of this site as a program does: without cookies, and not asking for HTML."""
    answer = requests.get(settings.DEMO_ORIGIN + reverse("profile_json"), timeout=10)
    return render(request, "program.html", {"answer": answer})


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
