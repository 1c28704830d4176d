/*!
 * A browser client for django-jwtauth: a single ES module without a build step or dependencies.
 *
 * SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The django-jwtauth developers. You may copy this file; keep these lines.
 *
 *   import { createClient } from "django-jwtauth";
 *
 *   const auth = createClient({
 *     base: "https://auth.example.com/api/auth/",
 *     services: ["https://orders.example.com"], // the only other origins that ever get the token
 *   });
 *   auth.addEventListener("signedout", (event) => showSignIn(event.detail.reason));
 *   if (!(await auth.restore())) await auth.login({ username, password });
 *   const response = await auth.fetch("https://orders.example.com/api/orders/");
 *
 * There are two modes. "header": the tokens are kept in the memory of the tabs and nowhere else. A new tab asks the
 * other tabs for them, and when the last tab closes they are gone. "cookie": the server puts them into HttpOnly cookies
 * that no script can read.
 *
 * What the client takes care of:
 * - It refreshes once for any number of 401s, across all tabs of an origin (Web Locks, BroadcastChannel). Without these
 *   it is still correct: within REFRESH_GRACE_PERIOD the server answers several refreshes with the same new token.
 * - Only a 401 for the refresh itself means signed out. After a network failure, 429 or 503 it keeps the tokens and
 *   tries again. It also repeats a refresh whose answer was lost or whose tab was closed, soon enough that the server
 *   does not take the old token for a stolen one.
 * - It counts time from `expires_in`, and never compares `exp` with the clock of this machine.
 */

const TIMING = {
  timeout: 10, // seconds for one request to the auth endpoints
  ask: 0.15, // seconds for other tabs to answer
  lead: 30, // a token is refreshed this long before it expires, or in the last quarter of a shorter lifetime
  tries: 5, // attempts at one refresh, with pauses of 0.5, 1, 2, 4 seconds
  pause: 0.5,
  patience: 5, // a longer pause (Retry-After) is an error at once, and the refresh is tried again later
};
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS", "TRACE"];
// Reasons for which a service may refuse even a new token, and about which a refresh tells more. For any other reason,
// the next token would be no better.
const REFRESH_TELLS = ["expired", "revoked", "reused", "session_expired", "user_inactive", "password_changed"];
const STEP_UP = "insufficient_user_authentication"; // RFC 9470: only the user can resolve this

/** Create a client. The options are those of {@link Client}. */
export function createClient(options) {
  return new Client(options);
}

/** An endpoint refused a request, or could not be reached. */
export class AuthError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  status = 0;
  /** The members `code` and `reason` of the answer; the server's documentation lists them. */
  code = "";
  reason = "";
  /** The seconds of Retry-After, or null. */
  retryAfter = null;
  /** The whole answer: for a 400 the errors of each field. */
  body = null;

  /** Create the error that an answer describes. */
  static async from(response) {
    const body = await readJson(response);
    const error = new AuthError(body?.detail ?? `The server answered ${response.status}.`);
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10); // CORS must expose it
    const retryAfter = Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
    const { code = "", reason = "" } = body ?? {};
    return Object.assign(error, { status: response.status, code, reason, retryAfter, body });
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * The sign-in of this browser.
 *
 * Events, each with a `detail`:
 * - `signedin` `{how}`: "login", "restored" or "tab" (another tab signed in, maybe as another user).
 * - `signedout` `{reason, here}`: "logout", "logout_all", "session_ended", or why the server refused the refresh:
 *   "revoked", "expired", "reused", "session_expired", "password_changed", "user_inactive", …; `here` tells whether it
 *   happened or was noticed in this tab and not in another one.
 * - `refreshed` `{how}`: "here" or "tab".
 * - `change`: after each of these.
 * - `refreshfailed` `{error}`: a refresh that no request was waiting for failed; it is tried again later.
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
  #state = { version: 0, session: null }; // the version only grows, so tabs can tell which state is the latest
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
   * @param {string} options.base The address at which django_jwtauth.urls is included.
   * @param {"header"|"cookie"} [options.mode]
   * @param {string[]} [options.services] Further origins for which `fetch` signs requests.
   * @param {boolean} [options.locks] Use the Web Locks API if the browser has it.
   * @param {boolean} [options.share] Share the sign-in with the other tabs of this origin.
   * @param {boolean} [options.proactive] Refresh before a token expires, while the tab is visible.
   * @param {typeof fetch} [options.fetch] The function that sends all requests.
   * @param {object} [options.timing] Overrides for the values of `TIMING` above.
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
      this.#channel.unref?.(); // exists only in Node, which would otherwise wait
      this.#channel.onmessage = (event) => this.#hear(event.data);
    }
    const { signal } = this.#closing;
    globalThis.document?.addEventListener("visibilitychange", () => this.#wake(), { signal });
    globalThis.window?.addEventListener("pageshow", () => this.#wake(), { signal });
    globalThis.window?.addEventListener("online", () => this.#dispatch("online"), { signal });
    this.addEventListener("online", () => this.#wake(), { signal });
  }

  /** Release everything in this tab: timers, listeners and tokens. The session goes on. */
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

  /** Why the sign-in ended; empty if nobody was signed in. */
  get reason() {
    return this.#reason;
  }

  /** The claims of the access token, for display only: services verify the token themselves. Null in cookie mode. */
  get claims() {
    return this.#state.session?.claims ?? null;
  }

  /** The lifetime of a new access token, in seconds. */
  get lifetime() {
    return this.#state.session?.lifetime ?? 0;
  }

  /** The remaining lifetime of this access token, in seconds. */
  get expiresIn() {
    const { session } = this.#state;
    return session ? Math.max(session.lifetime - elapsed(session.since), 0) : 0;
  }

  /** Whether tokens are refreshed before they expire. When a request needs it, they always are. */
  get proactive() {
    return this.#proactive;
  }

  set proactive(on) {
    this.#proactive = on;
    this.#schedule();
  }

  /** Resume an existing sign-in, from another tab or from the cookies. Resolves to `signedIn`. */
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
      await this.#askOthers(this.#state.version); // so that our version is the latest for them too
      const path = this.#mode === "header" ? "token/" : "browser/login/";
      this.#change(this.#sessionFrom(await this.#post(path, credentials)), "signedin", { how: "login" });
    });
    return this.claims;
  }

  /**
   * Sign out here. In header mode the tokens are forgotten in any case; in cookie mode only the server can remove them.
   * @throws {AuthError} if the server could not be reached: its session then goes on until it ends by itself.
   */
  async logout() {
    const { session } = this.#state;
    if (this.#mode === "header") {
      this.#signedOut("logout");
      const end = () => this.#post("token/blacklist/", { refresh: session.refresh });
      if (session) await this.#persist(end).catch(unlessStatus(401)); // a 401 means that the session has already ended
    } else {
      await this.#clearCookies();
      this.#signedOut("logout");
    }
  }

  /** Sign out on all devices. Resolves to the number of sessions that were ended. */
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

  /** End one session of the user. Ending the current one is a sign-out. */
  async endSession(id) {
    await this.#call("DELETE", `sessions/${encodeURIComponent(id)}/`);
    if (id !== (this.claims?.sid ?? this.#currentId)) return;
    await this.#clearCookies();
    this.#signedOut("session_ended");
  }

  /** End all sessions of the user except this one. Resolves to their number. */
  async endOthers() {
    return (await this.#call("DELETE", "sessions/")).revoked;
  }

  /**
   * Fetch, as `window.fetch` does. Requests to the origins of `base` and `services` are signed (header mode:
   * Authorization; cookie mode: credentials, and X-CSRFToken where needed). If the answer is a 401, they are sent once
   * more after a refresh. All other requests pass unchanged, and so do requests with an Authorization of their own.
   *
   * A signed request does not follow redirects, because they may lead elsewhere, unless `init.redirect` says so.
   *
   * What one user has written is never sent as another, who has signed in in another tab meanwhile.
   *
   * @throws {AuthError} if a refresh was needed but is not possible at the moment; this does not mean signed out. With
   *   status 401, if another user has signed in instead.
   */
  async fetch(input, init = {}) {
    const original = new Request(input instanceof Request ? input.clone() : input, { redirect: "error", ...init });
    if (!this.#services.has(new URL(original.url).origin) || original.headers.has("Authorization")) {
      return this.#rawFetch(input, init);
    }
    const { session: first } = this.#state;
    if (first && this.expiresIn <= 0) {
      await unlessAborted(original.signal, this.refresh());
      if (this.#isSomebodyElse(first)) {
        throw Object.assign(new AuthError("Another user has signed in meanwhile."), { status: 401 });
      }
    }
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
      if (this.#isSomebodyElse(first)) return response;
      response.body?.cancel();
    }
  }

  /**
   * Refresh now, or join a refresh in progress. Resolves to `signedIn`: false if the server says the session is over.
   * @throws {AuthError} if the server cannot tell at the moment. Nothing is lost then.
   */
  refresh() {
    this.#refreshing ??= this.#persistentRefresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #clearCookies() {
    if (this.#mode !== "cookie") return; // under the lock, because the answer to a refresh would set them again
    await this.#exclusively(() => this.#persist(() => this.#post("browser/logout/", {})));
  }

  async #persistentRefresh() {
    const { version } = this.#state;
    const pause = (this.#notBefore - performance.now()) / 1000;
    if (pause > this.#timing.patience) throw this.#refusal; // the server has asked for this pause
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

  /** Send one refresh request, unless the state has changed since this version. */
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
        : this.#post("browser/refresh/", {}, { keepalive: true })); // the new cookies arrive even if the tab is closed
    } catch (error) {
      if (error.status !== 401) throw error;
      // Another tab may have got a newer, valid token in the meantime.
      if (this.#state === used) this.#signedOut(error.reason || "expired");
      return;
    }
    if (this.#state !== used) return; // signed out meanwhile, in this tab or another; or another tab was faster
    const [type, how] = used.session ? ["refreshed", "here"] : ["signedin", "restored"];
    this.#change(this.#sessionFrom(answer, used.session), type, { how });
  }

  /** Run an action, and repeat it while its errors are temporary. */
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

  /** Run an action while no other tab runs one. If the lock is not granted in time, run the action without it. */
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

  /** Ask the other tabs for a state newer than this version. Resolves to whether this tab has one now. */
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
      // That tab may be closed before the answer arrives: then the server has just replaced the token that we have.
      clearTimeout(this.#watch);
      const finish = () => this.#state === mine && this.#background(this.refresh());
      if (mine.session) this.#watch = later(finish, this.#timing.timeout * 1.2);
    }
    if (message.type !== "state" || message.version < mine.version) return;
    const { version, session, how, detail, csrf } = message;
    // Of two simultaneous changes, a sign-out wins.
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

  /** Whether another user has signed in since this session; in cookie mode, whether anybody has. */
  #isSomebodyElse(session) {
    return session !== null && this.signedIn && this.#state.session.user !== session.user;
  }

  #sessionFrom(answer, former = null) {
    if (answer.csrf_token) this.#csrf = answer.csrf_token;
    const tokens = this.#mode === "header" ? { access: answer.access, refresh: answer.refresh ?? former?.refresh } : {};
    const claims = decode(tokens.access);
    const user = claims?.sub ?? former?.user ?? Math.random(); // if no script can read who it is: one for each sign-in
    return { ...tokens, claims, user, lifetime: answer.expires_in, since: now() };
  }

  /** Schedule a refresh: after these seconds, or a little before the token expires. */
  #schedule(seconds = null) {
    clearTimeout(this.#timer);
    const { session } = this.#state;
    if (!session || !this.#proactive) return;
    // Not in all tabs at the same moment, so that usually one tab does it for all.
    const due = this.expiresIn - this.#lead(session) * (0.75 + Math.random() / 4);
    this.#timer = later(() => this.#wake(seconds !== null), Math.max(seconds ?? due, 0));
  }

  #lead(session) {
    return Math.min(this.#timing.lead, session.lifetime / 4);
  }

  #wake(again = false) {
    const { session } = this.#state;
    if (!session || !this.#proactive || globalThis.document?.hidden) return; // a hidden tab keeps no session alive
    if (again || this.expiresIn <= this.#lead(session)) this.#background(this.refresh());
    else this.#schedule();
  }

  /** Run without anybody waiting: an error will recur when a request needs the result. */
  #background(promise) {
    promise.catch((error) => this.#dispatch("refreshfailed", { error }));
  }

  /** Wait for some seconds, or until one of these events of this client. */
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

  /** Return what may help against a refusal: "refresh", "csrf", or null. */
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

/** The moment `age` seconds ago, on both clocks: the monotonic clock may stop while the machine sleeps. */
function now(age = 0) {
  return { monotonic: performance.now() - age * 1000, wall: Date.now() - age * 1000 };
}

function elapsed(since) {
  return Math.max(performance.now() - since.monotonic, Date.now() - since.wall) / 1000;
}

function later(action, seconds) {
  const timer = setTimeout(action, Math.min(seconds * 1000, 2 ** 31 - 1));
  timer.unref?.(); // exists only in Node, which would otherwise wait
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
    return null; // the token may be one that clients cannot read
  }
}

async function readJson(response) {
  try {
    return await response.clone().json();
  } catch {
    return null; // there is no body, or it is not JSON
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
