// oauth4webapi: code with PKCE, an API call, introspection, refresh and revocation.
import * as oauth from "oauth4webapi";
import { tell, visit } from "./person.mjs";

const { issuer, api, client_id, client_secret, method, redirect_uri } = JSON.parse(process.argv[2]);
const http = { [oauth.allowInsecureRequests]: true }; // the server listens on loopback
const client = { client_id };
const authentication = {
  client_secret_basic: () => oauth.ClientSecretBasic(client_secret),
  client_secret_post: () => oauth.ClientSecretPost(client_secret),
  none: () => oauth.None(),
}[method]();

const expected = new URL(issuer);
const server = await oauth.processDiscoveryResponse(
  expected,
  await oauth.discoveryRequest(expected, { algorithm: "oauth2", ...http }),
);

/** The status and the answer of the API. */
async function call(token) {
  try {
    const response = await oauth.protectedResourceRequest(token, "GET", new URL(api), undefined, undefined, http);
    return [response.status, await response.json()];
  } catch (error) {
    return [error.status, error.cause[0].parameters.error];
  }
}

async function introspect(token) {
  const response = await oauth.introspectionRequest(server, client, authentication, token, http);
  return oauth.processIntrospectionResponse(server, client, response);
}

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const url = new URL(server.authorization_endpoint);
url.search = new URLSearchParams({
  client_id,
  redirect_uri,
  response_type: "code",
  scope: "read",
  state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
const answer = await visit(url);
let parameters;
try {
  parameters = oauth.validateAuthResponse(server, client, answer, state);
} catch (error) {
  tell({ refused: error.error });
  process.exit();
}
const first = await oauth.processAuthorizationCodeResponse(
  server,
  client,
  await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, redirect_uri, verifier, http),
);
const report = { first, calls: [await call(first.access_token)], introspected: [] };
const confidential = method !== "none";
if (confidential) report.introspected.push(await introspect(first.access_token));

const second = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(server, client, authentication, first.refresh_token, http),
);
report.second = second;
report.calls.push(await call(first.access_token), await call(second.access_token));
if (confidential) report.introspected.push(await introspect(first.access_token));

const revoked = await oauth.revocationRequest(server, client, authentication, second.refresh_token, http);
await oauth.processRevocationResponse(revoked);
report.calls.push(await call(second.access_token));
if (confidential) report.introspected.push(await introspect(second.access_token));
tell(report);
