// The client of the page "A mobile client", against the issuer at ISSUER: node --test, started by test_mobile.py.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, SignedOut, TryLater } from "./mobile.mjs";

const api = process.env.ISSUER;
const GRACE_PERIOD = Number(process.env.GRACE_PERIOD);
const ADA = { username: "ada", password: "correct horse" };
const SESSIONS = "api/auth/sessions/";
const soon = () => new Promise((resolve) => setTimeout(resolve, 10));
const seconds = (count) => new Promise((resolve) => setTimeout(resolve, count * 1000));

class Phone {
  token = null;
  sent = [];
  /** What becomes of the next requests: each is called with the request, and a function that really sends it. */
  faults = [];
  store = {
    load: async () => this.token,
    save: async (token) => void (this.token = token),
    clear: async () => void (this.token = null),
  };

  start() {
    return createClient({ api, store: this.store, fetch: (...request) => this.#send(...request), sleep: soon });
  }

  async #send(url, init) {
    this.sent.push(new URL(url).pathname);
    const send = () => fetch(url, init);
    const fault = url.pathname.endsWith("/refresh/") ? this.faults.shift() : null;
    return fault ? fault(send) : send();
  }

  get refreshes() {
    return this.sent.filter((path) => path.endsWith("/refresh/")).length;
  }
}

async function lose(send) {
  await (await send()).text();
  throw new TypeError("the connection broke");
}
const noNetwork = async () => {
  throw new TypeError("no network");
};
const outage = async () => new Response("{}", { status: 503, headers: { "Retry-After": "1" } });

async function current(client) {
  const response = await client.call(SESSIONS);
  assert.equal(response.status, 200);
  return (await response.json()).results.find((session) => session.current).id;
}

test("signs in, and is still signed in when the app is started again", async () => {
  const phone = new Phone();
  const client = phone.start();
  await client.login(ADA);
  const id = await current(client);
  assert.equal(phone.refreshes, 0);
  assert.equal(await current(phone.start()), id);
  assert.equal(phone.refreshes, 1);
});

test("a wrong password is an error that says so", async () => {
  const phone = new Phone();
  await assert.rejects(phone.start().login({ ...ADA, password: "wrong" }), { reason: "credentials" });
  assert.equal(phone.token, null);
});

test("many calls share one refresh, and the new token is kept", async () => {
  const phone = new Phone();
  await phone.start().login(ADA);
  const before = phone.token;
  await seconds(GRACE_PERIOD + 0.5); // from then on a refresh rotates
  const client = phone.start();
  const ids = await Promise.all(Array.from({ length: 12 }, () => current(client)));
  assert.equal(new Set(ids).size, 1);
  assert.equal(phone.refreshes, 1);
  assert.notEqual(phone.token, before);
});

test("lost answers, no network and outages end no session", async () => {
  const phone = new Phone();
  await phone.start().login(ADA);
  const before = phone.token;
  await seconds(GRACE_PERIOD + 0.5);
  phone.faults = [noNetwork, outage, lose];
  const client = phone.start();
  const id = await current(client);
  assert.equal(phone.refreshes, 4);
  assert.notEqual(phone.token, before);
  await client.refresh();
  assert.equal(await current(client), id);
});

test("while nothing answers, the token is kept for later", async () => {
  const phone = new Phone();
  await phone.start().login(ADA);
  const client = phone.start();
  phone.faults = Array(5).fill(noNetwork);
  await assert.rejects(client.call(SESSIONS), TryLater);
  assert.notEqual(phone.token, null);
  await current(client);
});

test("an app that was ended before the response came is still signed in much later", async () => {
  const phone = new Phone();
  await phone.start().login(ADA);
  const before = phone.token;
  await seconds(GRACE_PERIOD + 0.5);
  phone.faults = [lose, ...Array(4).fill(noNetwork)];
  await assert.rejects(phone.start().call(SESSIONS), TryLater);
  assert.equal(phone.token, before);
  await seconds(GRACE_PERIOD + 0.5);
  await current(phone.start());
  assert.notEqual(phone.token, before);
});

test("a revoked session signs out, with the reason", async () => {
  const [phone, other] = [new Phone(), new Phone()];
  const client = phone.start();
  const operator = other.start();
  await Promise.all([client.login(ADA), operator.login(ADA)]);
  const id = await current(client);
  assert.equal((await operator.call(`${SESSIONS}${id}/`, { method: "DELETE" })).status, 204);
  await assert.rejects(client.call(SESSIONS), (error) => error instanceof SignedOut && error.reason === "revoked");
  assert.equal(phone.token, null);
  await assert.rejects(client.call(SESSIONS), SignedOut);
});

test("signing out ends the session at the server", async () => {
  const phone = new Phone();
  const client = phone.start();
  await client.login(ADA);
  const { token } = phone;
  await client.logout();
  assert.equal(phone.token, null);
  phone.token = token;
  await assert.rejects(phone.start().call(SESSIONS), { reason: "revoked" });
});

test("the token goes nowhere else", async () => {
  const phone = new Phone();
  const client = phone.start();
  await client.login(ADA);
  const count = phone.sent.length;
  await assert.rejects(client.call("https://other.example/"), TypeError);
  assert.equal(phone.sent.length, count);
});
