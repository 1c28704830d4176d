// An Express service; "strict" is the profile of RFC 9068.
import express from "express";
import { auth } from "express-oauth2-jwt-bearer";

export function service({ issuer, audience, algorithms: [tokenSigningAlg] }) {
  const app = express();
  app.use(auth({ issuerBaseURL: issuer, audience, tokenSigningAlg, strict: true, clockTolerance: 0 }));
  app.get("/whoami", (request, response) => response.json(request.auth.payload));
  return app;
}

// For the tests: serve it, and ask it over HTTP.
export async function connect(options) {
  const server = service(options).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}/whoami`;

  return async function verify(token) {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
    if (response.status === 200) return response.json();
    const [, description] = response.headers.get("WWW-Authenticate").match(/error_description="([^"]*)"/);
    throw new Error(`${response.status} ${description}`);
  };
}
