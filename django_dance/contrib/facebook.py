from ..providers import OAuth2Provider


class Facebook(OAuth2Provider):
    """https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow/ — set
    ``API_VERSION`` to the version of the Graph API that your site was written for."""

    documentation = (
        "https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow/"
    )
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/facebook.rst
    registration_url = "https://developers.facebook.com/apps/"
    base_url = "https://graph.facebook.com/{api_version}/"
    authorization_url = "https://www.facebook.com/{api_version}/dialog/oauth"
    token_url = "https://graph.facebook.com/{api_version}/oauth/access_token"
    client_auth = "post"
    # No refresh tokens: a token can be exchanged for a token that lasts two months.
    auto_refresh_url = None
    revocation_url = "https://graph.facebook.com/{api_version}/me/permissions"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    # https://developers.facebook.com/docs/graph-api/guides/error-handling/: the status is 400
    token_over = {"error.code": ("190",)}
    account_url = "me?fields=id,name"
    account_id = "id"
    account_label = "name"

    #: The version of the Graph API.
    api_version = "v24.0"
    #: Ask again for permissions that the user has declined before.
    rerequest_declined_permissions = False

    authorization_url_options = {"rerequest_declined_permissions": {"auth_type": "rerequest"}}
