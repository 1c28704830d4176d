/*!
 * A browser client for django-jwtauth: one ES module, no build step, no dependency.
 *
 * SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The django-jwtauth developers. Take it home; keep these lines.
 *
 *   import { createClient } from "./jwtauth.js";
 *
 *   const auth = createClient({
 *     base: "https://auth.example.com/api/auth/",
 *     services: ["https://orders.example.com"], // who else gets the token; nobody who is not named ever does
 *   });
 *   auth.addEventListener("signedout", (event) => showSignIn(event.detail.reason));
 *   if (!(await auth.restore())) await auth.login({ username, password });
 *   const response = await auth.fetch("https://orders.example.com/api/orders/");
 *
 * Two modes. "header": tokens live in the memory of the tabs, and nowhere else; a new tab asks the others for them, and
 * when the last one closes they are gone. "cookie": the server keeps them in HttpOnly cookies that no script can read.
 *
 * What it takes care of:
 * - One refresh for any number of 401s, in all the tabs of an origin (Web Locks, BroadcastChannel). Without those it
 *   stays correct: within REFRESH_GRACE_PERIOD the server answers each of several refreshes with the same new token.
 * - Only a 401 for the refresh itself means signed out. Network failures, 429 and 503 keep the tokens, and are tried
 *   again; so is a refresh whose answer was lost, or whose tab was closed, soon enough for the server not to take the
 *   old token for a stolen one.
 * - Time is counted here, from `expires_in`. `exp` is never compared with the clock of this machine.
 */

const TIMING = {
  timeout: 10, // seconds for one request to the auth endpoints
  ask: 0.15, // for other tabs to answer
  lead: 30, // a token is refreshed so long before its end, or at the last quarter of a shorter life
  tries: 5, // of one refresh, with pauses of 0.5, 1, 2, 4 seconds
  pause: 0.5,
  patience: 5, // a longer pause (Retry-After) is not waited for: it is an error, and the refresh comes later by itself
};
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS", "TRACE"];
// Why a service may refuse a token that was fetched a moment ago. For other reasons a next one would be no better.
const REFRESH_TELLS = ["expired", "revoked", "reused", "session_expired", "user_inactive", "password_changed"];
const STEP_UP = "insufficient_user_authentication"; // RFC 9470: only the user can do something about it

/** Make a client. The options are those of {@link Client}. */
export function createClient(options) {
  return new Client(options);
}

/** What an endpoint refused, or that it could not be reached. */
export class AuthError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  status = 0;
  /** The members `code` and `reason` of the answer, as in the server's documentation. */
  code = "";
  reason = "";
  /** The seconds of Retry-After, or null. */
  retryAfter = null;
  /** The whole answer: for a 400 the errors of each field. */
  body = null;

  /** Read the error that an answer tells of. */
  static async from(response) {
    const body = await readJson(response);
    const error = new AuthError(body?.detail ?? `The server answered ${response.status}.`);
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10); // CORS must expose it
    const retryAfter = Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
    const { code = "", reason = "" } = body ?? {};
    return Object.assign(error, { status: response.status, code, reason, retryAfter, body });
  }

  /** Whether the same may work a little later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * The sign-in of this browser.
 *
 * Events, each with a `detail`:
 * - `signedin` `{how}`: "login", "restored" or "tab" (another tab signed in, maybe as somebody else).
 * - `signedout` `{reason, here}`: "logout", "logout_all", "session_ended", or why the server refused the refresh:
 *   "revoked", "expired", "reused", "session_expired", "password_changed", "user_inactive", …; `here` is whether this
 *   tab did it or noticed it, and not another one.
 * - `refreshed` `{how}`: "here" or "tab".
 * - `change`: after each of them.
 * - `refreshfailed` `{error}`: a refresh that nobody waited for was not possible; it is tried again later.
 */
export class Client extends EventTarget {
  #mode;
  #base;
  #services;
  #rawFetch;
  #timing;
  #name;
  #locks = null;
  #channel = null;
  #closing = new AbortController();
  #proactive;
  #state = { version: 0, session: null }; // the version only grows, so tabs can tell who knows the latest
  #reason = "";
  #csrf = "";
  #currentId = "";
  #refreshing = null;
  #notBefore = 0;
  #refusal = null;
  #failures = 0;
  #timer;
  #watch;

  /**
   * @param {object} options
   * @param {string} options.base The address that django_jwtauth.urls is included at.
   * @param {"header"|"cookie"} [options.mode]
   * @param {string[]} [options.services] Further origins whose APIs `fetch` signs requests for.
   * @param {boolean} [options.locks] Use the Web Locks API where there is one.
   * @param {boolean} [options.share] Share the sign-in with the other tabs of this origin.
   * @param {boolean} [options.proactive] Refresh before a token ends, while the tab is visible.
   * @param {typeof fetch} [options.fetch] What sends all requests.
   * @param {object} [options.timing] Other values, in seconds, than those of `TIMING` above.
   */
  constructor({ base, mode = "header", services = [], locks = true, share = true, proactive = true, ...rest }) {
    super();
    if (mode !== "header" && mode !== "cookie") throw new TypeError(`No such mode: ${mode}`);
    this.#mode = mode;
    this.#base = new URL(base, globalThis.location?.href).href.replace(/\/?$/, "/");
    this.#services = new Set([this.#base, ...services].map((address) => new URL(address).origin));
    this.#rawFetch = rest.fetch ?? ((...request) => fetch(...request));
    this.#timing = { ...TIMING, ...rest.timing };
    this.#name = `jwtauth ${mode} ${this.#base}`;
    this.#proactive = proactive;
    if (locks) this.#locks = globalThis.navigator?.locks ?? null;
    if (share && "BroadcastChannel" in globalThis) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.unref?.(); // only Node has it, and would wait
      this.#channel.onmessage = (event) => this.#hear(event.data);
    }
    const { signal } = this.#closing;
    globalThis.document?.addEventListener("visibilitychange", () => this.#wake(), { signal });
    globalThis.window?.addEventListener("pageshow", () => this.#wake(), { signal });
    globalThis.window?.addEventListener("online", () => this.#dispatch("online"), { signal });
    this.addEventListener("online", () => this.#wake(), { signal });
  }

  /** Let go of everything: timers, listeners, and in this tab the tokens. The session goes on. */
  close() {
    this.#closing.abort();
    this.#channel?.close();
    this.#channel = null;
    this.#state = { version: 0, session: null };
    this.#schedule();
    clearTimeout(this.#watch);
  }

  get mode() {
    return this.#mode;
  }

  get signedIn() {
    return this.#state.session !== null;
  }

  /** Why there is no sign-in any more; empty if there was none. */
  get reason() {
    return this.#reason;
  }

  /** What the access token says, to be shown: services decide by themselves. Null in cookie mode. */
  get claims() {
    return this.#state.session?.claims ?? null;
  }

  /** For how many seconds an access token is good when it is new. */
  get lifetime() {
    return this.#state.session?.lifetime ?? 0;
  }

  /** For how many seconds this one still is. */
  get expiresIn() {
    const { session } = this.#state;
    return session ? Math.max(session.lifetime - elapsed(session.since), 0) : 0;
  }

  /** Whether a token is refreshed before it ends; it always is when a request needs it. */
  get proactive() {
    return this.#proactive;
  }

  set proactive(on) {
    this.#proactive = on;
    this.#schedule();
  }

  /** Take up a sign-in that is there already: in another tab, or in the cookies. Resolves to `signedIn`. */
  async restore() {
    if (this.signedIn) return true;
    await this.#askOthers(this.#state.version);
    if (this.#mode === "cookie" && !this.signedIn) await this.refresh();
    return this.signedIn;
  }

  /**
   * Sign in. Resolves to the claims (null in cookie mode).
   * @param {object} credentials For example `{username, password}`.
   * @throws {AuthError}
   */
  async login(credentials) {
    await this.#exclusively(async () => {
      await this.#askOthers(this.#state.version); // so that they take ours for the latest
      const path = this.#mode === "header" ? "token/" : "browser/login/";
      this.#change(this.#sessionFrom(await this.#post(path, credentials)), "signedin", { how: "login" });
    });
    return this.claims;
  }

  /**
   * Sign out here. In header mode the tokens are gone in any case; in cookie mode only the server can remove them.
   * @throws {AuthError} if the server could not be told: the session there goes on until it ends by itself.
   */
  async logout() {
    const { session } = this.#state;
    if (this.#mode === "header") {
      this.#signedOut("logout");
      const end = () => this.#post("token/blacklist/", { refresh: session.refresh });
      if (session) await this.#persist(end).catch(unlessStatus(401)); // then it has ended already
    } else {
      await this.#clearCookies();
      this.#signedOut("logout");
    }
  }

  /** Sign out on all devices. Resolves to the number of sessions that this has ended. */
  async logoutEverywhere() {
    const { revoked } = await this.#call("POST", "logout/all/");
    await this.#clearCookies();
    this.#signedOut("logout_all");
    return revoked;
  }

  /** List the sessions of the user, the current one first. */
  async sessions() {
    const found = [];
    for (let next = `${this.#base}sessions/`; next; ) {
      const page = await this.#call("GET", next);
      found.push(...page.results);
      next = page.next && new URL(page.next).origin === new URL(this.#base).origin ? page.next : null;
    }
    this.#currentId = found.find((session) => session.current)?.id ?? "";
    return found.sort((one, other) => other.current - one.current);
  }

  /** End one session of the user; their own one is a sign-out. */
  async endSession(id) {
    await this.#call("DELETE", `sessions/${encodeURIComponent(id)}/`);
    if (id !== (this.claims?.sid ?? this.#currentId)) return;
    await this.#clearCookies();
    this.#signedOut("session_ended");
  }

  /** End all sessions of the user but this one. Resolves to their number. */
  async endOthers() {
    return (await this.#call("DELETE", "sessions/")).revoked;
  }

  /**
   * Fetch, as `window.fetch` does. Requests to the origins of `base` and `services` are signed (header mode:
   * Authorization; cookie mode: credentials, and X-CSRFToken where it is needed) and sent again once after a refresh if
   * they are answered by 401. All other requests pass as they are, and so do those with an Authorization of their own.
   *
   * A signed request does not follow redirects, for they may lead elsewhere, unless `init.redirect` says so.
   *
   * @throws {AuthError} if a refresh was needed and is not possible at the moment; this does not mean signed out.
   */
  async fetch(input, init = {}) {
    const original = new Request(input instanceof Request ? input.clone() : input, { redirect: "error", ...init });
    if (!this.#services.has(new URL(original.url).origin) || original.headers.has("Authorization")) {
      return this.#rawFetch(input, init);
    }
    if (this.signedIn && this.expiresIn <= 0) await unlessAborted(original.signal, this.refresh());
    for (const done = new Set(); ; ) {
      const used = this.#state;
      const response = await this.#rawFetch(await this.#sign(original.clone()));
      const remedy = await this.#remedyFor(response, used.session);
      if (!remedy || done.has(remedy)) return response;
      done.add(remedy);
      if (remedy === "csrf") await this.#loadCsrf();
      // Another request, or another tab, may have refreshed meanwhile.
      else if (this.#state === used) await unlessAborted(original.signal, this.refresh());
      if (remedy === "refresh" && !this.signedIn) return response;
      response.body?.cancel();
    }
  }

  /**
   * Refresh now, unless it is under way. Resolves to `signedIn`: false if the server says that it is over.
   * @throws {AuthError} if that cannot be found out at the moment. Nothing is lost then.
   */
  refresh() {
    this.#refreshing ??= this.#persistentRefresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #clearCookies() {
    if (this.#mode !== "cookie") return; // no refresh may be under way: its answer would set them again
    await this.#exclusively(() => this.#persist(() => this.#post("browser/logout/", {})));
  }

  async #persistentRefresh() {
    const { version } = this.#state;
    const pause = (this.#notBefore - performance.now()) / 1000;
    if (pause > this.#timing.patience) throw this.#refusal; // the server has asked for it
    try {
      await this.#persist(() => this.#exclusively(() => this.#refreshOnce(version)), pause);
      this.#failures = 0;
    } catch (error) {
      if (error.isTemporary) {
        this.#refusal = error;
        this.#notBefore = performance.now() + (error.retryAfter ?? 0) * 1000;
        this.#schedule(Math.max(error.retryAfter ?? 0, Math.min(5 * 2 ** this.#failures++, 60)));
      }
      throw error;
    }
    return this.signedIn;
  }

  /** Refresh by one request, if nobody has done it since this version of the state. */
  async #refreshOnce(version) {
    const header = this.#mode === "header";
    if (header && !this.signedIn) return;
    if (await this.#askOthers(version)) return;
    const used = this.#state;
    this.#tell({ type: "refreshing" });
    let answer;
    try {
      answer = await (header
        ? this.#post("token/refresh/", { refresh: used.session.refresh })
        : this.#post("browser/refresh/", {}, { keepalive: true })); // the new cookies come even if the tab is closed
    } catch (error) {
      if (error.status !== 401) throw error;
      // The token of another tab may be good where ours, which is older, was not.
      if (this.#state === used) this.#signedOut(error.reason || "expired");
      return;
    }
    if (this.#state !== used) return; // signed out meanwhile, or by somebody else; or another tab was faster
    const [type, how] = used.session ? ["refreshed", "here"] : ["signedin", "restored"];
    this.#change(this.#sessionFrom(answer, used.session), type, { how });
  }

  /** Try again what fails for the moment. */
  async #persist(action, pause = 0) {
    for (let number = 1, cut = ["change"]; ; number++) {
      if (pause > 0) await this.#until(pause, cut);
      try {
        return await action();
      } catch (error) {
        pause = error.retryAfter ?? this.#timing.pause * 2 ** (number - 1) * (0.75 + Math.random() / 2);
        if (!error.isTemporary || number >= this.#timing.tries || pause > this.#timing.patience) throw error;
        cut = error.status ? ["change"] : ["change", "online"];
      }
    }
  }

  /** Run an action that no other tab runs at the same time. A lock that does not come is not waited for too long. */
  async #exclusively(action) {
    if (!this.#locks) return action();
    let granted = false;
    const run = () => ((granted = true), action());
    try {
      return await this.#locks.request(this.#name, { signal: AbortSignal.timeout(this.#timing.timeout * 2000) }, run);
    } catch (error) {
      if (granted) throw error;
      return action();
    }
  }

  /** Ask the other tabs whether they know more than this version. Resolves to whether it is known here now. */
  async #askOthers(version) {
    if (this.#channel && this.#state.version === version) {
      this.#tell({ type: "ask", version });
      await this.#until(this.#timing.ask, ["change"]);
    }
    return this.#state.version !== version;
  }

  #hear(message) {
    const mine = this.#state;
    if (message.type === "ask" && mine.version > message.version) this.#tellState("answer", {});
    if (message.type === "refreshing") {
      // Its tab may be closed before the answer comes: then ours is the token that the server has just replaced.
      clearTimeout(this.#watch);
      const finish = () => this.#state === mine && this.#background(this.refresh());
      if (mine.session) this.#watch = later(finish, this.#timing.timeout * 1.2);
    }
    if (message.type !== "state" || message.version < mine.version) return;
    const { version, session, how, detail, csrf } = message;
    // Of two at once, the sign-out counts.
    if (version === mine.version && (session || !mine.session)) return;
    this.#csrf = csrf;
    this.#state = { version, session: session && { ...session, since: now(session.age) } };
    if (!session) this.#after(mine.session && "signedout", { ...detail, here: false });
    else this.#after(mine.session && how !== "signedin" ? "refreshed" : "signedin", { how: "tab" });
  }

  #change(session, type, detail) {
    this.#state = { version: this.#state.version + 1, session };
    this.#tellState(type, detail);
    this.#after(type, detail);
  }

  #signedOut(reason) {
    const had = this.signedIn;
    this.#state = { version: this.#state.version + 1, session: null };
    if (had) this.#tellState("signedout", { reason });
    this.#after(had && "signedout", { reason, here: true });
  }

  #after(type, detail) {
    clearTimeout(this.#watch);
    this.#reason = this.signedIn ? "" : (detail.reason ?? this.#reason);
    this.#schedule();
    if (type) this.#dispatch(type, detail);
    this.#dispatch("change", detail);
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #tell(message) {
    this.#channel?.postMessage(message);
  }

  #tellState(how, detail) {
    const { version, session } = this.#state;
    const copy = session && { ...session, since: null, age: elapsed(session.since) };
    this.#tell({ type: "state", version, session: copy, how, detail, csrf: this.#csrf });
  }

  #sessionFrom(answer, former = null) {
    if (answer.csrf_token) this.#csrf = answer.csrf_token;
    const tokens = this.#mode === "header" ? { access: answer.access, refresh: answer.refresh ?? former?.refresh } : {};
    return { ...tokens, claims: decode(tokens.access), lifetime: answer.expires_in, since: now() };
  }

  /** Refresh by itself: after these seconds, or a little before the token ends. */
  #schedule(seconds = null) {
    clearTimeout(this.#timer);
    const { session } = this.#state;
    if (!session || !this.#proactive) return;
    // Not in all the tabs at the same moment, so that mostly one does it for all.
    const due = this.expiresIn - this.#lead(session) * (0.75 + Math.random() / 4);
    this.#timer = later(() => this.#wake(seconds !== null), Math.max(seconds ?? due, 0));
  }

  #lead(session) {
    return Math.min(this.#timing.lead, session.lifetime / 4);
  }

  #wake(again = false) {
    const { session } = this.#state;
    if (!session || !this.#proactive || globalThis.document?.hidden) return; // a forgotten tab keeps no session alive
    if (again || this.expiresIn <= this.#lead(session)) this.#background(this.refresh());
    else this.#schedule();
  }

  /** Nobody waits for this: what is wrong will show again, to who does. */
  #background(promise) {
    promise.catch((error) => this.#dispatch("refreshfailed", { error }));
  }

  /** Wait for some seconds, or until one of these events of ours. */
  #until(seconds, events) {
    return new Promise((resolve) => {
      const done = new AbortController();
      const end = () => (clearTimeout(timer), done.abort(), resolve());
      const timer = setTimeout(end, seconds * 1000);
      for (const type of events) this.addEventListener(type, end, { signal: done.signal });
    });
  }

  async #sign(request) {
    const headers = new Headers(request.headers);
    const { session } = this.#state;
    if (this.#mode === "header") {
      if (session) headers.set("Authorization", `Bearer ${session.access}`);
      return new Request(request, { headers, credentials: "omit" });
    }
    if (!SAFE_METHODS.includes(request.method)) headers.set("X-CSRFToken", this.#csrf || (await this.#loadCsrf()));
    return new Request(request, { headers, credentials: "include" });
  }

  /** Tell what may help against a refusal: "refresh", "csrf", or nothing. */
  async #remedyFor(response, session) {
    if (response.status === 401 && session) {
      const isYoung = elapsed(session.since) < Math.min(10, session.lifetime / 2);
      const reason = (await readJson(response))?.reason;
      return reason !== STEP_UP && (!isYoung || REFRESH_TELLS.includes(reason)) ? "refresh" : null;
    }
    if (response.status === 403 && this.#mode === "cookie" && (await readJson(response))?.code === "csrf_failed") {
      return "csrf";
    }
    return null;
  }

  async #loadCsrf() {
    const response = await this.#send("browser/csrf/", { credentials: "include" });
    this.#csrf = (await response.json()).csrf_token;
    return this.#csrf;
  }

  /** Post to an auth endpoint that takes no access token, and return the JSON of its answer. */
  async #post(path, data, init = {}) {
    const cookie = this.#mode === "cookie";
    const send = async () => {
      const headers = { "Content-Type": "application/json" };
      if (cookie) headers["X-CSRFToken"] = this.#csrf || (await this.#loadCsrf());
      const credentials = cookie ? "include" : "omit";
      return this.#send(path, { method: "POST", body: JSON.stringify(data), headers, credentials, ...init });
    };
    try {
      return await readJson(await send());
    } catch (error) {
      if (!cookie || error.code !== "csrf_failed") throw error;
      await this.#loadCsrf();
      return readJson(await send());
    }
  }

  /** Call an auth endpoint with the access token, and return the JSON of its answer. */
  async #call(method, path) {
    return readJson(await this.#answer(this.fetch(new URL(path, this.#base), { method })));
  }

  async #send(path, init) {
    const signal = AbortSignal.timeout(this.#timing.timeout * 1000);
    const always = { redirect: "error", cache: "no-store", signal };
    return this.#answer(this.#rawFetch(new URL(path, this.#base), { ...always, ...init }));
  }

  async #answer(promise) {
    let response;
    try {
      response = await promise;
    } catch (cause) {
      if (cause instanceof AuthError) throw cause;
      throw new AuthError("The server cannot be reached.", { cause });
    }
    if (!response.ok) throw await AuthError.from(response);
    return response;
  }
}

/** A moment, `age` seconds ago, by both clocks: the monotonic one may stand still while the machine sleeps. */
function now(age = 0) {
  return { monotonic: performance.now() - age * 1000, wall: Date.now() - age * 1000 };
}

function elapsed(since) {
  return Math.max(performance.now() - since.monotonic, Date.now() - since.wall) / 1000;
}

function later(action, seconds) {
  const timer = setTimeout(action, Math.min(seconds * 1000, 2 ** 31 - 1));
  timer.unref?.(); // only Node has it, and would wait
  return timer;
}

function unlessStatus(status) {
  return (error) => {
    if (error.status !== status) throw error;
  };
}

function decode(token) {
  try {
    const payload = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (character) => character.charCodeAt(0))));
  } catch {
    return null; // a token need not be one that can be read
  }
}

async function readJson(response) {
  try {
    return await response.clone().json();
  } catch {
    return null; // no body, or none of ours
  }
}

function unlessAborted(signal, promise) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
