// Keeps the user of an app signed in. It needs fetch(), and a store of the system for the refresh token.

/** The session has ended: ask the user to sign in again. `reason` says why. */
export class SignedOut extends Error {
  constructor(reason) {
    super(`Signed out: ${reason}`);
    this.reason = reason;
  }
}

/** No answer, or none that decides anything. Nothing is lost: try again later. */
export class TryLater extends Error {}

/**
 * @param api The root of your API, such as "https://api.example.com/". Tokens are sent nowhere else.
 * @param auth Where the endpoints are, below the root.
 * @param store An object with async load(), save(token) and clear(): the Keychain, the Keystore, …
 */
export function createClient({ api, auth = "api/auth/", store, fetch = globalThis.fetch, sleep = pause }) {
  const root = new URL(api);
  let access = null;
  let freshUntil = 0; // on the clock that nobody sets
  let refreshing = null;

  async function post(path, body) {
    const headers = { "Content-Type": "application/json" };
    const signal = AbortSignal.timeout(10_000);
    return fetch(new URL(auth + path, root), { method: "POST", headers, body: JSON.stringify(body), signal });
  }

  async function keep(tokens) {
    await store.save(tokens.refresh); // first of all: the old one is soon worth nothing
    access = tokens.access;
    freshUntil = performance.now() + (tokens.expires_in - 10) * 1000;
  }

  async function forget() {
    access = null;
    await store.clear();
  }

  /** Sign in. Throws the answer of the server if it refuses. */
  async function login(credentials) {
    await refreshing?.catch(() => {});
    const response = await post("token/", credentials);
    if (!response.ok) throw Object.assign(new Error("Not signed in"), await response.json());
    await keep(await response.json());
  }

  /** Exchange the refresh token. All who call this at the same time wait for one exchange. */
  function refresh() {
    refreshing ??= exchange().finally(() => (refreshing = null));
    return refreshing;
  }

  async function exchange() {
    const token = await store.load();
    if (!token) throw new SignedOut("nobody is signed in");
    for (let tries = 0; tries < 5; tries++) {
      let response, body;
      try {
        response = await post("token/refresh/", { refresh: token });
        body = await response.json();
      } catch {
        response = null; // no network, or the answer was lost: the server takes the same token again
      }
      if (response?.ok) return keep(body);
      if (response?.status === 401) {
        await forget();
        throw new SignedOut(body.reason);
      }
      await sleep(Number(response?.headers.get("Retry-After")) || 2 ** tries / 2);
    }
    throw new TryLater("The tokens could not be refreshed");
  }

  /** Call the API, as fetch() does, with a token that is good. */
  async function call(path, init = {}) {
    const url = new URL(path, root);
    if (url.origin !== root.origin) throw new TypeError(`${url.origin} must not get the token`);
    const send = () => {
      const headers = new Headers(init.headers);
      headers.set("Authorization", `Bearer ${access}`);
      return fetch(url, { ...init, headers, redirect: "error" });
    };
    if (!access || performance.now() > freshUntil) await refresh();
    const used = access;
    const response = await send();
    const challenge = response.headers.get("WWW-Authenticate") ?? "";
    if (response.status !== 401 || challenge.includes("insufficient_user_authentication")) return response;
    if (access === used) await refresh(); // or another call has done so meanwhile
    return send();
  }

  /** Sign out. Without a network the app is signed out, and the session ends when it has been idle for long enough. */
  async function logout() {
    await refreshing?.catch(() => {});
    const token = await store.load();
    await forget();
    if (token) await post("token/blacklist/", { refresh: token });
  }

  return { login, call, refresh, logout };
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
