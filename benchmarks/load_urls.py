"""The endpoints of the two servers, and a view that each of them protects."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource
from oauth2_provider.views import IntrospectTokenView, TokenView

from django_dance.server import AuthorizationServer, bind_models

server = AuthorizationServer()
bind_models(
    server,
    client="django_dance_server.Client",
    token="django_dance_server.Token",
    grant="django_dance_server.Grant",
)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


urlpatterns = [
    path("ours/", include(server.urls)),
    path("ours/page/", server.require_oauth("read")(page)),
    path("toolkit/token/", TokenView.as_view()),
    path("toolkit/introspect/", IntrospectTokenView.as_view()),
    path("toolkit/page/", protected_resource(scopes=["read"])(page)),
]
