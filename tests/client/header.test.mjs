// The client in header mode: tokens in memory, sent as Authorization.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthError, createClient } from "../../django_jwtauth/static/django_jwtauth/jwtauth.js";
import { Issuer, Locks, listen, next } from "./issuer.mjs";

const CREDENTIALS = { username: "ada", password: "secret" };
const REFRESH = "/api/auth/token/refresh/";
const QUICK = { timeout: 10, ask: 0.02, pause: 0.01 };

async function start(t, options = {}) {
  const issuer = await Issuer.start(t);
  return { issuer, client: await signedIn(t, issuer, options) };
}

function open(t, issuer, options = {}) {
  const client = createClient({ base: issuer.base, share: false, timing: QUICK, ...options });
  t.after(() => client.close());
  client.said = [];
  for (const type of ["signedin", "signedout", "refreshed"]) {
    client.addEventListener(type, ({ detail }) => client.said.push([type, detail.how ?? detail.reason]));
  }
  return client;
}

async function signedIn(t, issuer, options) {
  const client = open(t, issuer, options);
  await client.login(CREDENTIALS);
  return client;
}

async function status(promise) {
  return (await promise).status;
}

function withLocks(t) {
  const locks = new Locks();
  const former = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  t.after(() => (former ? Object.defineProperty(globalThis, "navigator", former) : delete globalThis.navigator));
  return locks;
}

/** Several tabs of one browser, all signed in by the first one. */
async function tabs(t, issuer, count, options) {
  const [first, ...others] = Array.from({ length: count }, () => open(t, issuer, { share: true, ...options }));
  await first.login(CREDENTIALS);
  for (const tab of others) assert.equal(await tab.restore(), true);
  return [first, ...others];
}

test("signs in, and shows what the token says", async (t) => {
  const { client, issuer } = await start(t);
  assert.equal(client.claims.sub, "ädä");
  assert.ok(client.expiresIn > 299 && client.expiresIn <= 300);
  assert.deepEqual(client.said, [["signedin", "login"]]);
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  assert.match(issuer.requests.at(-1).headers.authorization, /^Bearer e30\./);
});

test("tells why a sign-in failed", async (t) => {
  const client = open(t, await Issuer.start(t));
  await assert.rejects(client.login({ username: "ada", password: "wrong" }), {
    constructor: AuthError,
    status: 401,
    code: "no_active_account",
    reason: "credentials",
    isTemporary: false,
  });
  assert.equal(client.signedIn, false);
});

test("many parallel 401s make one refresh, and each request is sent again once", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  const answers = await Promise.all(Array.from({ length: 20 }, () => status(client.fetch(issuer.thing))));
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.equal(issuer.refreshes, 1);
  assert.equal(issuer.sent("/api/thing/").length, 40);
});

test("a request that was under way during the refresh takes the new token, and refreshes no more", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  let release;
  const arrived = new Promise((arrive) => {
    issuer.trouble("/api/thing/", async ({ answer, write }) => {
      const refused = answer();
      arrive();
      await new Promise((resolve) => (release = resolve));
      write(refused);
    });
  });
  const slow = status(client.fetch(issuer.thing));
  await arrived;
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  release();
  assert.equal(await slow, 200);
  assert.equal(issuer.refreshes, 1);
});

test("the body is sent again too", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  const response = await client.fetch(issuer.thing, { method: "POST", body: JSON.stringify({ item: "tea" }) });
  assert.deepEqual(await response.json(), { method: "POST", data: { item: "tea" } });
  const request = new Request(issuer.thing, { method: "PUT", body: JSON.stringify({ item: "tea" }) });
  issuer.expireAccessTokens();
  assert.deepEqual(await (await client.fetch(request)).json(), { method: "PUT", data: { item: "tea" } });
});

test("a token whose time is up is not sent any more", async (t) => {
  const issuer = await Issuer.start(t);
  issuer.lifetime = 0;
  const client = await signedIn(t, issuer, { proactive: false });
  issuer.lifetime = 300;
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  assert.deepEqual([issuer.refreshes, issuer.sent("/api/thing/").length], [1, 1]);
});

test("a service that wants a recent sign-in is no reason to refresh, however old the token", async (t) => {
  const issuer = await Issuer.start(t);
  issuer.lifetime = 1;
  const client = await signedIn(t, issuer, { proactive: false });
  const reason = "insufficient_user_authentication";
  issuer.trouble("/api/thing/", async ({ write }) => {
    while (client.expiresIn > 0.4) await new Promise((resolve) => setTimeout(resolve, 10));
    write({ status: 401, data: { code: reason, reason, max_age: "300" } });
  });
  const response = await client.fetch(issuer.thing);
  assert.deepEqual([response.status, (await response.json()).reason], [401, reason]);
  assert.deepEqual([client.signedIn, issuer.refreshes], [true, 0]);
});

test("refreshes by itself before the time is up", async (t) => {
  const issuer = await Issuer.start(t);
  issuer.lifetime = 0.4;
  const client = open(t, issuer);
  const refreshed = next(client, "refreshed");
  await client.login(CREDENTIALS);
  issuer.lifetime = 300;
  await refreshed;
  assert.equal(issuer.refreshes, 1);
  assert.ok(client.expiresIn > 299);
});

test("a refused refresh is the sign-out, and is not tried again", async (t) => {
  const { client, issuer } = await start(t);
  issuer.revoke();
  const response = await client.fetch(issuer.thing);
  assert.deepEqual([response.status, (await response.json()).reason], [401, "revoked"]);
  assert.deepEqual([client.signedIn, client.reason, client.claims, client.expiresIn], [false, "revoked", null, 0]);
  assert.deepEqual(client.said.at(-1), ["signedout", "revoked"]);
  assert.equal(await status(client.fetch(issuer.thing)), 401);
  assert.equal(await client.refresh(), false);
  assert.equal(issuer.refreshes, 1);
});

test("a token that is refused as soon as it is there is not refreshed in vain", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens("wrong_audience");
  assert.equal(await status(client.fetch(issuer.thing)), 401);
  assert.equal(issuer.refreshes, 0);
  issuer.expireAccessTokens("expired");
  issuer.trouble("/api/thing/", ({ write }) => write({ status: 401, data: { reason: "expired" } }));
  issuer.trouble("/api/thing/", ({ write }) => write({ status: 401, data: { reason: "expired" } }));
  assert.equal(await status(client.fetch(issuer.thing)), 401);
  assert.equal(issuer.refreshes, 1);
});

// Other origins

test("nobody who was not named gets the token", async (t) => {
  const { client, issuer } = await start(t);
  const seen = [];
  const foreign = await listen(t, (request, response) => {
    seen.push(request.headers);
    response.writeHead(401).end("{}");
  });
  assert.equal(await status(client.fetch(`${foreign}/api/thing/`)), 401);
  assert.equal(await status(client.fetch(new Request(`${foreign}/`, { method: "POST", body: "x" }))), 401);
  assert.equal(await status(client.fetch(new URL(foreign))), 401);
  assert.deepEqual(seen.map(({ authorization }) => authorization), [undefined, undefined, undefined]);
  assert.equal(issuer.refreshes, 0);
  // Nor does one that a service redirects to.
  const redirect = ({ write }) => write({ status: 307, headers: { Location: `${foreign}/` } });
  issuer.trouble("/api/thing/", redirect);
  await assert.rejects(client.fetch(issuer.thing), TypeError);
  issuer.trouble("/api/thing/", redirect);
  await assert.rejects(client.fetch(new Request(issuer.thing)), TypeError);
  for (let number = 0; number < 5; number++) issuer.trouble(REFRESH, redirect);
  await assert.rejects(client.refresh(), { constructor: AuthError, status: 0 });
  assert.deepEqual([seen.length, client.signedIn], [3, true]);
});

test("who was named gets it", async (t) => {
  const issuer = await Issuer.start(t);
  const seen = [];
  const service = await listen(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end("{}");
  });
  const client = await signedIn(t, issuer, { services: [`${service}/api/`] });
  assert.equal(await status(client.fetch(`${service}/elsewhere/`)), 200);
  assert.match(seen[0], /^Bearer /);
});

test("an Authorization of the caller's own stays as it is", async (t) => {
  const { client, issuer } = await start(t);
  assert.equal(await status(client.fetch(issuer.thing, { headers: { Authorization: "Bearer mine" } })), 401);
  assert.deepEqual([issuer.requests.at(-1).headers.authorization, issuer.refreshes], ["Bearer mine", 0]);
});

// Troubles

test("an answer that is lost is asked for again, and the session goes on", async (t) => {
  const { client, issuer } = await start(t);
  issuer.late = 60;
  issuer.trouble(REFRESH, ({ answer, drop }) => (answer(), drop()));
  assert.equal(await client.refresh(), true);
  assert.deepEqual([issuer.refreshes, issuer.session.generation, issuer.session.revoked], [2, 1, null]);
  assert.deepEqual(client.said.at(-1), ["refreshed", "here"]);
});

test("an answer that never comes is not waited for longer than the timeout", async (t) => {
  const { client, issuer } = await start(t, { timing: { ...QUICK, timeout: 2 } });
  issuer.late = 60;
  issuer.trouble(REFRESH, ({ answer }) => void answer());
  assert.equal(await client.refresh(), true);
  assert.deepEqual([issuer.refreshes, issuer.session.generation], [2, 1]);
});

test("a server that is away for long does not sign anybody out", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  for (let number = 0; number < 5; number++) issuer.trouble(REFRESH, ({ drop }) => drop());
  await assert.rejects(client.fetch(issuer.thing), { constructor: AuthError, status: 0, isTemporary: true });
  assert.deepEqual([client.signedIn, issuer.refreshes], [true, 5]);
  assert.equal(await status(client.fetch(issuer.thing)), 200);
});

test("503 with Retry-After: waits so long, and goes on", async (t) => {
  const { client, issuer } = await start(t);
  issuer.trouble(REFRESH, ({ write }) => write({ status: 503, headers: { "Retry-After": "1" }, data: {} }));
  const began = performance.now();
  assert.equal(await client.refresh(), true);
  assert.ok(performance.now() - began >= 1000);
  assert.equal(issuer.refreshes, 2);
});

test("429 with a long Retry-After: an error at once, and no request before its time", async (t) => {
  const { client, issuer } = await start(t);
  issuer.trouble(REFRESH, ({ write }) => write({ status: 429, headers: { "Retry-After": "40" }, data: {} }));
  await assert.rejects(client.refresh(), { status: 429, retryAfter: 40, isTemporary: true });
  await assert.rejects(client.refresh(), { status: 429 });
  assert.deepEqual([client.signedIn, issuer.refreshes], [true, 1]);
  assert.equal(await status(client.fetch(issuer.thing)), 200); // the access token is still good
});

test("what is wrong for good is said, and signs nobody out", async (t) => {
  const { client, issuer } = await start(t);
  issuer.trouble(REFRESH, ({ write }) => write({ status: 404, data: { detail: "Not found." } }));
  await assert.rejects(client.refresh(), { status: 404, message: "Not found." });
  assert.deepEqual([client.signedIn, issuer.refreshes], [true, 1]);
});

test("a request that is aborted does not wait for the refresh", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  const aborter = new AbortController();
  issuer.trouble(REFRESH, async ({ answer, write }) => {
    aborter.abort();
    write(answer());
  });
  await assert.rejects(client.fetch(issuer.thing, { signal: aborter.signal }), { name: "AbortError" });
});

for (const offset of [-3600, -300, 300, 3600]) {
  test(`a server whose clock is off by ${offset} seconds makes no difference`, async (t) => {
    const issuer = await Issuer.start(t);
    issuer.clockOffset = offset;
    const client = await signedIn(t, issuer);
    assert.ok(client.expiresIn > 299);
    assert.equal(await status(client.fetch(issuer.thing)), 200);
    assert.equal(issuer.refreshes, 0);
  });
}

test("a clock that is set while a token is there costs one refresh at most", async (t) => {
  const { client, issuer } = await start(t);
  const { now } = Date;
  t.after(() => (Date.now = now));
  Date.now = () => now() - 300_000;
  assert.ok(client.expiresIn <= 300);
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  assert.equal(issuer.refreshes, 0);
  Date.now = () => now() + 300_000;
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  assert.equal(await status(client.fetch(issuer.thing)), 200);
  assert.equal(issuer.refreshes, 1);
});

// Signing out, and devices

test("signing out ends the session, and drops the answer of a refresh that is under way", async (t) => {
  const { client, issuer } = await start(t);
  const arrived = new Promise((arrive) => {
    issuer.trouble(REFRESH, async ({ answer, write }) => {
      const good = answer();
      arrive();
      await next(client, "signedout");
      write(good);
    });
  });
  const refreshing = client.refresh();
  await arrived;
  await client.logout();
  assert.equal(await refreshing, false);
  assert.deepEqual([client.signedIn, client.reason, issuer.session.revoked], [false, "logout", "revoked"]);
});

test("signing out when the server cannot be told still forgets the tokens, and says so", async (t) => {
  const { client, issuer } = await start(t);
  for (let number = 0; number < 5; number++) issuer.trouble("/api/auth/token/blacklist/", ({ drop }) => drop());
  await assert.rejects(client.logout(), { status: 0 });
  assert.equal(client.signedIn, false);
  assert.equal(await status(client.fetch(issuer.thing)), 401);
});

test("signing out of what has ended already is no error", async (t) => {
  const { client, issuer } = await start(t);
  issuer.trouble("/api/auth/token/blacklist/", ({ write }) => write({ status: 401, data: { reason: "expired" } }));
  await client.logout();
  assert.equal(client.signedIn, false);
});

test("signs out everywhere, even when the access token has just expired", async (t) => {
  const { client, issuer } = await start(t);
  issuer.expireAccessTokens();
  assert.equal(await client.logoutEverywhere(), 2);
  assert.deepEqual([client.signedIn, client.reason, issuer.session.revoked], [false, "logout_all", "revoked"]);
});

test("lists all pages of devices, the current first, and ends them", async (t) => {
  const { client } = await start(t);
  assert.deepEqual((await client.sessions()).map(({ id }) => id), ["1", "phone"]);
  await client.endSession("phone");
  assert.equal(client.signedIn, true);
  assert.equal(await client.endOthers(), 3);
  await client.endSession("1");
  assert.deepEqual([client.signedIn, client.reason], [false, "session_ended"]);
});

// Tabs

test("a new tab is handed the sign-in by the others, and a sign-out reaches all", async (t) => {
  const issuer = await Issuer.start(t);
  const [first, second] = await tabs(t, issuer, 2);
  assert.deepEqual(second.said, [["signedin", "tab"]]);
  assert.equal(issuer.requests.length, 1);
  assert.ok(second.expiresIn > 299 && second.expiresIn <= first.expiresIn + 0.01);
  assert.equal(await status(second.fetch(issuer.thing)), 200);
  const [refreshed, signedOut] = [next(second, "refreshed"), next(second, "signedout")];
  await first.refresh();
  assert.equal((await refreshed).detail.how, "tab");
  await first.logout();
  assert.deepEqual((await signedOut).detail, { reason: "logout", here: false });
  const signedIn = next(second, "signedin");
  await first.login(CREDENTIALS);
  assert.equal((await signedIn).detail.how, "tab");
});

test("a tab without others is not signed in", async (t) => {
  const issuer = await Issuer.start(t);
  const client = open(t, issuer, { share: true });
  assert.equal(await client.restore(), false);
  assert.deepEqual([client.said, issuer.requests], [[], []]);
});

test("a tab that signs in by itself is heard by tabs that have seen more", async (t) => {
  const issuer = await Issuer.start(t);
  const [first] = await tabs(t, issuer, 1);
  await first.refresh();
  await first.logout();
  const second = open(t, issuer, { share: true });
  const signedIn = next(first, "signedin");
  await second.login(CREDENTIALS);
  await signedIn;
  assert.equal(first.claims.jti, second.claims.jti);
});

test("what one user has written is not sent again as another, who has signed in in another tab", async (t) => {
  for (const [subject, expected] of [["bob", [401, 1]], ["ädä", [200, 2]]]) {
    const issuer = await Issuer.start(t);
    const [first, second] = await tabs(t, issuer, 2);
    issuer.trouble("/api/thing/", async ({ answer, write }) => {
      issuer.revoke();
      issuer.subject = subject;
      const signedIn = next(first, "change");
      await second.login(CREDENTIALS);
      await signedIn;
      write(answer());
    });
    const answer = await first.fetch(issuer.thing, { method: "POST", body: "{}" });
    assert.deepEqual([answer.status, issuer.sent("/api/thing/").length], expected);
    assert.equal(first.claims.sub, subject);
  }
});

test("what one user has written is not sent as another, who has signed in while the token was refreshed", async (t) => {
  const issuer = await Issuer.start(t);
  issuer.lifetime = 0;
  const [first, second] = await tabs(t, issuer, 2, { proactive: false });
  issuer.trouble(REFRESH, async ({ answer, write }) => {
    Object.assign(issuer, { lifetime: 300, subject: "bob" });
    const signedIn = next(first, "change");
    await second.login(CREDENTIALS);
    await signedIn;
    write(answer());
  });
  const refused = (error) => error instanceof AuthError && error.status === 401;
  await assert.rejects(first.fetch(issuer.thing, { method: "POST", body: "{}" }), refused);
  assert.deepEqual(issuer.sent("/api/thing/"), []);
  assert.equal(await status(first.fetch(issuer.thing)), 200);
});

test("eight tabs that wake at once refresh once, ten times", async (t) => {
  const locks = withLocks(t);
  const issuer = await Issuer.start(t);
  const all = await tabs(t, issuer, 8, { timing: { ...QUICK, ask: 0.3 } }); // so long that nobody overhears the others
  for (let round = 1; round <= 10; round++) {
    issuer.late += 60;
    issuer.expireAccessTokens();
    const answers = await Promise.all(all.map((tab) => status(tab.fetch(issuer.thing))));
    assert.deepEqual(new Set(answers), new Set([200]));
    assert.deepEqual([issuer.refreshes, issuer.session.generation], [round, round]);
  }
  assert.ok(locks.held >= 80);
  assert.equal(issuer.session.revoked, null);
});

test("and without locks nobody is signed out, and nothing looks like theft", async (t) => {
  withLocks(t);
  const issuer = await Issuer.start(t);
  const all = await tabs(t, issuer, 8, { locks: false });
  for (let round = 1; round <= 10; round++) {
    issuer.late += 60;
    issuer.expireAccessTokens();
    const answers = await Promise.all(all.map((tab) => status(tab.fetch(issuer.thing))));
    assert.deepEqual(new Set(answers), new Set([200]));
    assert.equal(issuer.session.generation, round);
  }
  assert.equal(issuer.session.revoked, null);
  for (const tab of all) assert.ok(tab.said.every(([type]) => type !== "signedout"));
});

test("a tab that is closed in the middle of a refresh leaves no token behind that looks stolen", async (t) => {
  const issuer = await Issuer.start(t);
  const [first, second] = await tabs(t, issuer, 2, { timing: { ...QUICK, timeout: 3 } });
  issuer.late = 60;
  issuer.trouble(REFRESH, ({ answer }) => {
    answer();
    first.close();
  });
  const refreshed = next(second, "refreshed");
  first.refresh().catch(() => {});
  await refreshed; // by itself: nobody has asked it to
  await second.refresh(); // the same one, to its end
  issuer.late += 60;
  assert.equal(await second.refresh(), true);
  assert.deepEqual([issuer.session.generation, issuer.session.revoked], [2, null]);
});

test("who loses a race against a newer token takes it, whatever the server says to its own", async (t) => {
  const issuer = await Issuer.start(t);
  const [first, second] = await tabs(t, issuer, 2, { locks: false });
  issuer.trouble(REFRESH, async ({ write }) => {
    const newer = next(first, "refreshed");
    await second.refresh();
    await newer;
    write({ status: 401, data: { reason: "reused" } });
  });
  assert.equal(await first.refresh(), true);
  assert.deepEqual(first.said.at(-1), ["refreshed", "tab"]);
  assert.equal(await status(first.fetch(issuer.thing)), 200);
});

test("a lock that is never given back is not waited for", async (t) => {
  const locks = withLocks(t);
  const { client, issuer } = await start(t, { timing: { ...QUICK, timeout: 2 } });
  locks.request(`jwtauth header ${issuer.base}`, { signal: new AbortController().signal }, () => new Promise(() => {}));
  assert.equal(await client.refresh(), true);
  assert.equal(issuer.refreshes, 1);
});

test("a client that was closed keeps nothing", async (t) => {
  const { client, issuer } = await start(t);
  client.close();
  assert.deepEqual([client.signedIn, client.claims], [false, null]);
  assert.equal(await status(client.fetch(issuer.thing)), 401);
});

test("options that are none are refused", () => {
  assert.throws(() => createClient({ base: "http://127.0.0.1/", mode: "jar" }), TypeError);
});
