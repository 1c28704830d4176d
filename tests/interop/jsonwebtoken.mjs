// jsonwebtoken does not look at the type of a token: the check is ours.
import jwt from "jsonwebtoken";
import jwksClient from "jwks-rsa";

export async function connect({ issuer, audience, algorithms }) {
  const keys = jwksClient({ jwksUri: `${issuer}/.well-known/jwks.json`, cache: true, rateLimit: true });

  return async function verify(token) {
    const header = jwt.decode(token, { complete: true })?.header;
    if (header?.typ !== "at+jwt") throw new Error("no access token: its typ is another one");
    const key = await keys.getSigningKey(header.kid);
    return jwt.verify(token, key.getPublicKey(), { issuer, audience, algorithms });
  };
}
