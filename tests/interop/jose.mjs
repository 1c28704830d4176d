// Verifies the access tokens of one issuer, and refuses those on its revocation list.
import { createRemoteJWKSet, jwtVerify } from "jose";

export async function connect({ issuer, audience, algorithms, maxStaleness = 300 }) {
  const { origin, pathname } = new URL(issuer);
  const url = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
  const metadata = await (await fetch(url, { redirect: "error" })).json();
  if (metadata.issuer !== issuer) throw new Error(`${url} is the metadata of another issuer`);
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  let list, readAt;

  async function poll() {
    try {
      const signal = AbortSignal.timeout(5000);
      const response = await fetch(metadata.jwt_revocations_uri, { redirect: "error", signal });
      const options = { issuer, algorithms, typ: "revocations+jwt", requiredClaims: ["iat", "exp"], clockTolerance: 5 };
      const { payload } = await jwtVerify(await response.text(), keys, options);
      if (payload.iat > (list?.iat ?? -Infinity)) {
        list = { ...payload, sids: new Set(payload.sids), jtis: new Set(payload.jtis) };
      } else {
        // It comes from a server whose clock is behind. It may know of more, and takes nothing away.
        if (Date.now() / 1000 > list.exp + 5) throw new Error("it is not newer than the one at hand, which has expired");
        payload.sids.forEach((sid) => list.sids.add(sid));
        payload.jtis.forEach((jti) => list.jtis.add(jti));
        list.not_before = Math.max(list.not_before, payload.not_before);
      }
      readAt = performance.now();
    } catch (error) {
      console.error(`The revocation list cannot be read: ${error.message}`);
    }
    setTimeout(poll, 1000 * (list?.ttl ?? 2)).unref();
  }
  await poll();

  return async function verify(token) {
    const requiredClaims = ["sub", "client_id", "iat", "exp", "jti", "sid"];
    const options = { issuer, audience, algorithms, typ: "at+jwt", requiredClaims };
    const { payload } = await jwtVerify(token, keys, options);
    if (!list || performance.now() - readAt > 1000 * maxStaleness) throw new Error("no revocation list is new enough");
    if (Date.now() / 1000 > payload.iat + list.max_lifetime + 5) throw new Error("older than the list remembers");
    const { sid, jti, iat } = payload;
    if (list.sids.has(sid) || list.jtis.has(jti) || iat <= list.not_before) throw new Error("revoked");
    return payload;
  };
}
