// The client in cookie mode: the server keeps the tokens in HttpOnly cookies, and unsafe requests bring a CSRF token.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "../../django_jwtauth/static/django_jwtauth/jwtauth.js";
import { Issuer, fetchWithCookies, listen, next } from "./issuer.mjs";

const CREDENTIALS = { username: "ada", password: "secret" };
const LOGIN = "/api/auth/browser/login/";
const LOGOUT = "/api/auth/browser/logout/";
const REFRESH = "/api/auth/browser/refresh/";
const CSRF = "/api/auth/browser/csrf/";

function open(t, issuer, jar = new Map(), options = {}) {
  const timing = { timeout: 10, ask: 0.02, pause: 0.01 };
  const fetch = fetchWithCookies(jar);
  const client = createClient({ base: issuer.base, mode: "cookie", share: false, timing, fetch, ...options });
  t.after(() => client.close());
  client.said = [];
  for (const type of ["signedin", "signedout", "refreshed"]) {
    client.addEventListener(type, ({ detail }) => client.said.push([type, detail.how ?? detail.reason]));
  }
  return client;
}

async function start(t) {
  const [issuer, jar] = [await Issuer.start(t), new Map()];
  const client = open(t, issuer, jar);
  await client.login(CREDENTIALS);
  return { issuer, client, jar };
}

function post(client, address) {
  return client.fetch(address, { method: "POST", body: JSON.stringify({ item: "tea" }) });
}

test("signs in with a CSRF token, and never sees a token", async (t) => {
  const { client, issuer, jar } = await start(t);
  assert.deepEqual(issuer.requests.map(({ path }) => path), [CSRF, LOGIN]);
  assert.equal(issuer.requests[1].headers["x-csrftoken"], "csrf-0");
  assert.deepEqual([client.signedIn, client.claims, client.mode], [true, null, "cookie"]);
  assert.ok(client.expiresIn > 299);
  assert.ok(jar.has("access") && jar.has("refresh"));
});

test("calls bring the cookies, and a CSRF token where they may change something", async (t) => {
  const { client, issuer } = await start(t);
  assert.equal((await client.fetch(issuer.thing)).status, 200);
  assert.equal(issuer.requests.at(-1).headers["x-csrftoken"], undefined);
  assert.equal(issuer.requests.at(-1).headers.authorization, undefined);
  assert.equal((await post(client, issuer.thing)).status, 200);
  assert.equal(issuer.requests.at(-1).headers["x-csrftoken"], issuer.csrf); // the new one, of the sign-in's answer
  assert.equal(issuer.sent(CSRF).length, 1);
});

test("other origins get neither cookies nor the CSRF token", async (t) => {
  const { client } = await start(t);
  const seen = [];
  const foreign = await listen(t, (request, response) => {
    seen.push(request.headers);
    response.end("{}");
  });
  await post(client, foreign);
  assert.deepEqual([seen[0].cookie, seen[0]["x-csrftoken"]], [undefined, undefined]);
});

test("a CSRF token that is out of date is fetched again, once", async (t) => {
  const { client, issuer } = await start(t);
  issuer.csrf = "another";
  const response = await post(client, issuer.thing);
  assert.deepEqual(await response.json(), { method: "POST", data: { item: "tea" } });
  assert.equal(issuer.sent("/api/thing/").length, 2);
  const refused = ({ write }) => write({ status: 403, data: { code: "csrf_failed" } });
  issuer.trouble("/api/thing/", refused);
  issuer.trouble("/api/thing/", refused);
  assert.equal((await post(client, issuer.thing)).status, 403);
  assert.equal(issuer.sent("/api/thing/").length, 4);
});

test("any other 403 is what the service has to say", async (t) => {
  const { client, issuer } = await start(t);
  issuer.trouble("/api/thing/", ({ write }) => write({ status: 403, data: { code: "permission_denied" } }));
  assert.equal((await post(client, issuer.thing)).status, 403);
  assert.equal(issuer.sent("/api/thing/").length, 1);
});

test("sign-in, refresh and sign-out fetch the CSRF token again too", async (t) => {
  const { client, issuer, jar } = await start(t);
  issuer.csrf = "a";
  assert.equal(await client.refresh(), true);
  issuer.csrf = "b";
  await client.login(CREDENTIALS);
  issuer.csrf = "c";
  await client.logout();
  assert.deepEqual([client.signedIn, jar.has("access"), jar.has("refresh")], [false, false, false]);
});

test("many parallel 401s make one refresh, whose answer holds no token", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(client, issuer.thing)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(issuer.refreshes, 1);
  assert.equal(issuer.sent(REFRESH)[0].body, "{}");
  assert.deepEqual(client.said.at(-1), ["refreshed", "here"]);
});

test("a page that is loaded again takes up what the cookies hold", async (t) => {
  const { issuer, jar } = await start(t);
  const again = open(t, issuer, jar);
  assert.equal(await again.restore(), true);
  assert.deepEqual(again.said, [["signedin", "restored"]]);
  assert.equal((await post(again, issuer.thing)).status, 200);
});

test("a page without cookies is not signed in, and nothing was lost", async (t) => {
  const client = open(t, await Issuer.start(t));
  assert.equal(await client.restore(), false);
  assert.deepEqual(client.said, []);
});

test("a page that comes back after a revocation knows why it is signed out", async (t) => {
  const { issuer, jar } = await start(t);
  issuer.revoke();
  const again = open(t, issuer, jar);
  assert.equal(await again.restore(), false);
  assert.deepEqual([again.reason, again.said], ["revoked", []]);
});

test("a server that is away does not look like a sign-out", async (t) => {
  const { issuer, jar } = await start(t);
  const again = open(t, issuer, jar);
  for (let number = 0; number < 5; number++) issuer.trouble(REFRESH, ({ drop }) => drop());
  await assert.rejects(again.restore(), { status: 0 });
  assert.equal(await again.restore(), true);
});

test("signing out says so only when the cookies are gone", async (t) => {
  const { client, issuer, jar } = await start(t);
  for (let number = 0; number < 5; number++) issuer.trouble(LOGOUT, ({ drop }) => drop());
  await assert.rejects(client.logout(), { status: 0 });
  assert.deepEqual([client.signedIn, jar.has("refresh")], [true, true]);
  await client.logout();
  assert.deepEqual([client.signedIn, jar.has("refresh")], [false, false]);
});

test("signing out everywhere removes the cookies too", async (t) => {
  const { client, issuer, jar } = await start(t);
  assert.equal(await client.logoutEverywhere(), 2);
  assert.deepEqual([client.signedIn, jar.has("refresh"), issuer.sent(LOGOUT).length], [false, false, 1]);
});

test("ending the current device is a sign-out here", async (t) => {
  const { client } = await start(t);
  await client.sessions();
  await client.endSession("1");
  assert.deepEqual([client.signedIn, client.reason], [false, "session_ended"]);
});

test("tabs share what one of them learns, and no token", async (t) => {
  const [issuer, jar] = [await Issuer.start(t), new Map()];
  const [first, second] = [open(t, issuer, jar, { share: true }), open(t, issuer, jar, { share: true })];
  const channel = new BroadcastChannel(`jwtauth cookie ${issuer.base}`);
  t.after(() => channel.close());
  const heard = next(channel, "message");
  const signedIn = next(second, "signedin");
  await first.login(CREDENTIALS);
  await signedIn;
  const sent = issuer.requests.length;
  assert.equal((await post(second, issuer.thing)).status, 200);
  assert.deepEqual(issuer.requests.slice(sent).map(({ path }) => path), ["/api/thing/"]); // it knows the CSRF token
  assert.ok(!JSON.stringify((await heard).data).includes("e30."));
  const refreshed = next(second, "refreshed");
  await first.refresh();
  assert.equal((await refreshed).detail.how, "tab");
});

test("what was written before a sign-in in another tab is not sent again", async (t) => {
  const [issuer, jar] = [await Issuer.start(t), new Map()];
  const [first, second] = [open(t, issuer, jar, { share: true }), open(t, issuer, jar, { share: true })];
  const shared = next(second, "signedin");
  await first.login(CREDENTIALS);
  await shared;
  issuer.trouble("/api/thing/", async ({ answer, write }) => {
    issuer.revoke();
    const refusal = answer();
    const signedIn = next(first, "change");
    await second.login(CREDENTIALS);
    await signedIn;
    write(refusal);
  });
  assert.equal((await post(first, issuer.thing)).status, 401);
  assert.equal(issuer.sent("/api/thing/").length, 1);
  assert.equal((await post(first, issuer.thing)).status, 200);
});
