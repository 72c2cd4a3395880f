"""The option PLACES, the normal forms of the presets, and a class of one's own."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_dance.exceptions import PlaceError
from django_dance.providers import HostPlace, OAuth2Provider, UrlPlace, places, providers
from django_dance.providers.registry import provider_class

pytestmark = pytest.mark.one_database("These tests store nothing")


def preset(name, **options):
    module, _, cls = name.partition(".")
    path = f"django_dance.contrib.{module}.{cls}"
    return provider_class(module, path)(module, **{"places": "any", **options})


def code(call):
    with pytest.raises(PlaceError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "typed", "place", "token_url"),
    [
        (
            "mastodon.Mastodon",
            " Mastodon.Social ",
            "mastodon.social",
            "https://mastodon.social/oauth/token",
        ),
        ("mastodon.Mastodon", "@me@example.org", "example.org", "https://example.org/oauth/token"),
        (
            "mastodon.Mastodon",
            "bücher.example",
            "xn--bcher-kva.example",
            "https://xn--bcher-kva.example/oauth/token",
        ),
        (
            "shopify.Shopify",
            "Acme",
            "acme.myshopify.com",
            "https://acme.myshopify.com/admin/oauth/access_token",
        ),
        (
            "zendesk.Zendesk",
            "acme_1",
            "acme_1.zendesk.com",
            "https://acme_1.zendesk.com/oauth/tokens",
        ),
        (
            "gitlab.GitLab",
            "https://x.example/git/",
            "x.example/git",
            "https://x.example/git/oauth/token",
        ),
        (
            "gitea.Gitea",
            "codeberg.org:443",
            "codeberg.org",
            "https://codeberg.org/login/oauth/access_token",
        ),
        (
            "nextcloud.Nextcloud",
            "x.example/Cloud",
            "x.example/Cloud",
            "https://x.example/Cloud/index.php/apps/oauth2/api/v1/token",
        ),
        (
            "salesforce.Salesforce",
            "acme--test.sandbox.my.salesforce.com",
            "acme--test.sandbox.my.salesforce.com",
            "https://acme--test.sandbox.my.salesforce.com/services/oauth2/token",
        ),
        (
            "salesforce.Salesforce",
            "test.salesforce.com",
            "test.salesforce.com",
            "https://test.salesforce.com/services/oauth2/token",
        ),
    ],
)
def test_a_place_has_one_normal_form(name, typed, place, token_url):
    provider = preset(name)
    assert provider.problems() == ()
    at_place = provider.at(typed)
    assert (at_place.place, at_place.token_url) == (place, token_url)
    assert provider.at(place) is at_place
    assert at_place.trusted_origins == {("https", place.partition("/")[0], 443)}


@pytest.mark.parametrize(
    ("name", "typed", "issuer"),
    [
        ("okta.Okta", "acme.okta.com", "https://acme.okta.com"),
        ("okta.Okta", "acme.okta.com/oauth2/default", "https://acme.okta.com/oauth2/default"),
        ("auth0.Auth0", "login.acme.example", "https://login.acme.example/"),
        ("keycloak.Keycloak", "x.example/realms/a", "https://x.example/realms/a"),
        (
            "keycloak.Keycloak",
            "https://x.example/auth/realms/a/",
            "https://x.example/auth/realms/a",
        ),
        ("gitlab.GitLab", "git.example", "https://git.example"),
    ],
)
def test_a_place_decides_the_issuer(name, typed, issuer):
    provider = preset(name)
    assert provider.problems() == ()
    assert provider.at(typed).issuer == issuer
    assert provider.at(typed).base_url.startswith(
        issuer.partition("/realms")[0].partition("/oauth2")[0].partition("/auth")[0]
    )


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("salesforce.Salesforce", "acme.lightning.force.com"),
        ("salesforce.Salesforce", "my.salesforce.com.evil.example"),
        ("zendesk.Zendesk", "a.b.zendesk.com"),
        ("keycloak.Keycloak", "x.example"),
        ("keycloak.Keycloak", "x.example/realms/a/b"),
        ("okta.Okta", "acme.okta.com/oauth2/a/b"),
        ("gitlab.GitLab", "x.example/a/../b"),
        ("gitlab.GitLab", "x.example/a//b"),
        ("gitlab.GitLab", "x.example/%2e%2e/b"),
        ("auth0.Auth0", "x.example/path"),
    ],
)
def test_a_text_of_another_form_is_refused(name, typed):
    assert code(lambda: preset(name).at(typed)) == "place_invalid"


def test_the_error_does_not_repeat_the_text():
    with pytest.raises(PlaceError) as caught:
        preset("mastodon.Mastodon").at("https://me:planted-password@x.example/")
    assert "planted" not in str(caught.value)


# --- PLACES ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "allowed", "refused"),
    [
        ("any", ["a.example", "b.example"], []),
        (["A.example", "https://b.example/"], ["a.example", "b.example"], ["c.example"]),
        ([".a.example", "b.example"], ["x.a.example", "b.example"], ["a.example", "xa.example"]),
        (".a.example", ["x.a.example"], ["a.example", "a.example.evil.example"]),
        (lambda request, place: place == "a.example", ["a.example"], ["b.example"]),
    ],
    ids=["any", "list", "list with a suffix", "suffix", "function"],
)
def test_places_says_which_places_are_allowed(value, allowed, refused):
    provider = preset("mastodon.Mastodon", places=value)
    assert provider.problems() == ()
    for place in allowed:
        assert provider.at(place).is_allowed
    for place in refused:
        assert code(lambda place=place: provider.at(place)) == "place_refused"
        assert not provider.variant(place).is_allowed


def test_a_function_gets_the_request_and_the_normal_form(rf):
    asked = []

    def allowed(request, place):
        asked.append((request, place))
        return True

    request = rf.get("/")
    preset("mastodon.Mastodon", places=allowed).at("https://A.example/", request)
    assert asked == [(request, "a.example")]


def allow_a(request, place):
    return place == "a.example"


def test_a_function_may_be_a_dotted_path():
    provider = preset("mastodon.Mastodon", places=f"{__name__}.allow_a")
    assert provider.at("a.example").place == "a.example"
    assert code(lambda: provider.at("b.example")) == "place_refused"


async def asynchronous(request, place):
    return True


@pytest.mark.parametrize(
    "value",
    [
        "mastodon.social",
        "no.such.module",
        [],
        [1],
        1,
        ["http://a.example"],
        ["localhost"],
        asynchronous,
    ],
)
def test_a_mistake_in_places_is_a_problem(value):
    (problem,) = preset("mastodon.Mastodon", places=value).problems()
    assert problem.id == "django_dance.E029"
    assert "PLACES" in problem.message and "list of places" in problem.hint


def test_places_of_a_provider_with_one_server_is_a_problem():
    (problem,) = preset("github.GitHub").problems()
    assert problem.id == "django_dance.E029"
    provider = preset("github.GitHub", places=None)
    with pytest.raises(ImproperlyConfigured, match="has no places"):
        provider.at("github.example")


def test_without_places_the_error_says_what_to_set():
    provider = preset("mastodon.Mastodon", places=None)
    with pytest.raises(ImproperlyConfigured, match=r"has no PLACES.*set it to a list"):
        provider.at("one.example")


class Anything(OAuth2Provider):
    place_kind = UrlPlace()
    base_url = "{place}"
    authorization_url = "{place}/authorize"
    token_url = "{place}/token"


def test_a_provider_without_a_server_of_its_own_needs_places():
    (problem,) = Anything("remote").problems()
    assert problem.id == "django_dance.E029" and '"any"' in problem.hint
    assert Anything("remote", places="any").problems() == ()


def test_a_place_that_is_a_url_keeps_its_path():
    provider = Anything("remote", places="any")
    assert provider.at("HTTPS://A.example/Mcp/x").place == "https://a.example/Mcp/x"
    assert provider.at("a.example/mcp").token_url == "https://a.example/mcp/token"
    assert provider.at("https://a.example/").place == "https://a.example"
    for typed in ("https://a.example/mcp?x=1", "https://a.example/mcp#x", "https://a.example/../x"):
        assert code(lambda typed=typed: provider.at(typed)) == "place_invalid"


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("https://a.example/%6Dcp", "https://a.example/mcp"),
        ("https://a.example/%7Eme/%c3%a9", "https://a.example/~me/%C3%A9"),
        ("https://a.example/a%2fb", "https://a.example/a%2Fb"),
        ("https://a.example/%2emcp", "https://a.example/.mcp"),
    ],
)
def test_a_place_has_one_spelling_although_its_path_may_be_encoded(typed, place):
    provider = Anything("remote", places="any")
    assert provider.at(typed).place == provider.at(place).place == place


@pytest.mark.parametrize("dots", ["%2e%2e", "%2E.", ".%2e", "%2e"])
def test_an_encoded_path_does_not_lead_out_of_an_allowed_one(dots):
    """An HTTP client decodes the dots, and then removes them."""
    provider = Anything(
        "remote", places=lambda request, place: place.startswith("https://a.example/public/")
    )
    assert code(lambda: provider.at(f"https://a.example/public/{dots}/private")) == "place_invalid"


# --- HOST and places ------------------------------------------------------------------------------


def test_host_in_the_settings_works_as_before():
    provider = preset("zendesk.Zendesk", places=None, host="acme.zendesk.com")
    assert provider.problems() == () and not provider.needs_place
    assert provider.token_url == "https://acme.zendesk.com/oauth/tokens"


def test_without_host_and_places_the_check_names_both():
    (problem,) = preset("zendesk.Zendesk", places=None).problems()
    assert problem.id == "django_dance.E003" and "PLACES" in problem.hint


def test_the_place_in_host_is_the_provider_of_the_settings():
    """So connections from the time before PLACES are kept."""
    provider = preset("mastodon.Mastodon", host="one.example")
    assert not provider.needs_place
    assert provider.at("https://one.example/") is provider and provider.place == ""
    assert provider.at("two.example").place == "two.example"


def test_an_option_may_name_the_facts_of_the_place():
    provider = preset("okta.Okta", issuer="https://{host}/oauth2/default")
    assert provider.problems() == ()
    assert provider.at("acme.okta.com").issuer == "https://acme.okta.com/oauth2/default"


def test_credentials_of_the_settings_are_not_sent_to_a_place():
    from django_dance.tokens import ResourceOwner

    secret = {"client_id": "at-gitlab.com", "client_secret": "planted"}
    at_place = preset("gitlab.GitLab", **secret).at("git.example")
    assert code(lambda: at_place.get_client_credentials(ResourceOwner(at_place))) == (
        "place_needs_client"
    )
    shop = preset("shopify.Shopify", **secret).at("acme")
    assert shop.get_client_credentials(ResourceOwner(shop)).client_id == "at-gitlab.com"


# --- variants -------------------------------------------------------------------------------------


def test_a_variant_is_frozen_and_keeps_the_other_facts():
    provider = preset("mastodon.Mastodon", scope="read write", ca_bundle="/x.pem")
    at_place = provider.at("one.example")
    assert (at_place.name, at_place.scope, at_place.ca_bundle) == (
        "mastodon",
        "read write",
        "/x.pem",
    )
    assert at_place.token_storage is provider.token_storage
    with pytest.raises(AttributeError, match="frozen"):
        at_place.place = "two.example"


def test_the_number_of_variants_has_a_bound():
    provider = preset("mastodon.Mastodon")
    first = provider.at("m0.example")
    for number in range(1, places.MAX_VARIANTS + 1):
        provider.at(f"m{number}.example")
        assert provider.at("m0.example") is first  # it is used all the time
    assert len(provider._places) == places.MAX_VARIANTS
    assert provider.at("m1.example").place == "m1.example"


def test_a_variant_follows_the_settings(settings):
    settings.DANCE_PROVIDERS = {
        "shopify": {"PROVIDER": "django_dance.contrib.shopify.Shopify", "PLACES": "any"}
    }
    settings.SHOPIFY_OAUTH_CLIENT_ID = "first"
    at_place = providers["shopify"].at("acme")
    assert at_place.client_id == "first"
    settings.SHOPIFY_OAUTH_CLIENT_ID = "second"
    assert at_place.current().client_id == "second"
    assert at_place.current().place == "acme.myshopify.com"


def test_facts_of_a_server_change_a_copy_only():
    at_place = Anything("remote", places="any").at("https://a.example")
    copy = at_place.with_server({"token_url": "https://auth.example/t", "client_secret": "x"})
    assert copy.token_url == copy.auto_refresh_url == "https://auth.example/t"
    assert copy.client_secret == "" and copy.place == "https://a.example"
    assert at_place.token_url == "https://a.example/token"
    assert dict(copy.server) == {"token_url": "https://auth.example/t"}
    assert at_place.with_server({}) is at_place


def test_the_groups_of_a_path_fill_in_facts():
    kind = HostPlace(path="/t/(?P<team>[a-z]+)", facts={"host": "{host}", "team": "{team}"})
    assert kind.facts_of(kind.normalise("https://x.example/t/red/")) == {
        "host": "x.example",
        "team": "red",
    }
