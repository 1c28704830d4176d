// The full check of RFC 9068, found through the metadata of RFC 8414.
import * as oauth from "oauth4webapi";

export async function connect({ issuer, audience, algorithms }) {
  // Only for http on the same machine; leave it out with https.
  const options = { [oauth.allowInsecureRequests]: issuer.startsWith("http://127.0.0.1") };
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...options });
  const server = await oauth.processDiscoveryResponse(url, response);

  return async function verify(token) {
    const request = new Request("http://localhost/", { headers: { Authorization: `Bearer ${token}` } });
    const exact = { [oauth.clockTolerance]: 0, signingAlgorithms: algorithms };
    return oauth.validateJwtAccessToken(server, request, audience, { ...exact, ...options });
  };
}
