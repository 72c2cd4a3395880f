from ..providers import OAuth2Provider


class FreshBooks(OAuth2Provider):
    """https://www.freshbooks.com/api/authentication — your application at FreshBooks must have each
    scope that you request."""

    documentation = "https://www.freshbooks.com/api/authentication"
    registration_url = "https://my.freshbooks.com/#/developer"
    base_url = "https://api.freshbooks.com/"
    authorization_url = "https://auth.freshbooks.com/oauth/authorize"
    # PKCE: https://auth.freshbooks.com/.well-known/oauth-authorization-server
    # https://github.com/freshbooks/freshbooks-nodejs-sdk/blob/HEAD/packages/api/src/APIClient.ts
    token_url = "https://api.freshbooks.com/auth/oauth/token"
    token_request_format = "json"
    refresh_redirect_uri = True
    revocation_url = "https://api.freshbooks.com/auth/oauth/revoke"
    client_auth = "post"
    scope = "user:profile:read"
    refresh_rotates = True
    # https://www.freshbooks.com/api/me_endpoint
    account_url = "auth/api/v1/users/me"
    account_id = "response.id"
    account_label = "response.email"
