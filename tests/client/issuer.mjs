// A server that keeps the contract of django-jwtauth's endpoints, with a clock and troubles of the tests' own.

import { createServer } from "node:http";

const FRESH = { revoked: null, generation: 0, rotated: -Infinity };

/** Serve until the test is over. */
export async function listen(t, handle) {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

export class Issuer {
  lifetime = 300;
  grace = 30;
  late = 0; // by how many seconds its clock is ahead of the one of the sessions
  clockOffset = 0; // what its tokens say of the time is wrong by so many seconds
  subject = "ädä"; // who signs in
  requests = [];
  refused = null; // the reason why all access tokens issued so far are refused
  sessions = new Map();
  csrf = "csrf-0";
  #troubles = [];
  #number = 0;
  #good = new Set();

  static async start(t) {
    const issuer = new Issuer();
    issuer.origin = await listen(t, (request, response) => issuer.#handle(request, response));
    issuer.base = `${issuer.origin}/api/auth/`;
    issuer.thing = `${issuer.origin}/api/thing/`;
    return issuer;
  }

  /** The next request to this path is in trouble: `trouble(request, response, answer)` decides what comes of it. */
  trouble(path, trouble) {
    this.#troubles.push({ path, trouble });
  }

  expireAccessTokens(reason = "expired") {
    this.refused = reason;
    this.#good.clear();
  }

  revoke(reason = "revoked") {
    for (const session of this.sessions.values()) session.revoked ??= reason;
    this.expireAccessTokens("revoked");
  }

  sent(path) {
    return this.requests.filter((request) => request.path === path);
  }

  get refreshes() {
    return this.sent("/api/auth/token/refresh/").length + this.sent("/api/auth/browser/refresh/").length;
  }

  get session() {
    return [...this.sessions.values()].at(-1);
  }

  async #handle(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const path = request.url;
    this.requests.push({ method: request.method, path, headers: request.headers, body });
    const answer = () => this.#answer(request, path, body ? JSON.parse(body) : {});
    const write = ({ status = 200, headers = {}, data = null }) => {
      response.writeHead(status, { "Content-Type": "application/json", ...headers });
      response.end(data === null ? "" : JSON.stringify(data));
    };
    const index = this.#troubles.findIndex((entry) => path === entry.path);
    if (index < 0) return write(answer());
    const [{ trouble }] = this.#troubles.splice(index, 1);
    await trouble({ answer, write, drop: () => request.socket.destroy() });
  }

  #answer(request, path, data) {
    const cookies = Object.fromEntries((request.headers.cookie ?? "").split("; ").map((pair) => pair.split("=")));
    const browser = path.startsWith("/api/auth/browser/");
    if (path === "/api/auth/browser/csrf/") {
      return { data: { csrf_token: this.csrf }, headers: { "Set-Cookie": `csrf=${this.csrf}` } };
    }
    const byCookie = browser || (cookies.access && !request.headers.authorization);
    if (byCookie && request.method !== "GET" && request.headers["x-csrftoken"] !== this.csrf) {
      return { status: 403, data: { detail: "CSRF Failed", code: "csrf_failed" } };
    }
    switch (path) {
      case "/api/auth/token/":
        return data.password === "secret" ? { data: this.#signIn() } : refusal("credentials", "no_active_account");
      case "/api/auth/token/refresh/":
        return this.#refresh(data.refresh);
      case "/api/auth/token/blacklist/":
        this.sessions.get(data.refresh.split(".")[0]).revoked ??= "revoked";
        return { data: {} };
      case "/api/auth/browser/login/":
        if (data.password !== "secret") return refusal("credentials", "no_active_account");
        this.csrf = `csrf-${++this.#number}`;
        return toCookies(this.#signIn(), { csrf_token: this.csrf });
      case "/api/auth/browser/refresh/": {
        const answer = cookies.refresh ? this.#refresh(cookies.refresh) : refusal("not_authenticated");
        return answer.status ? answer : toCookies(answer.data);
      }
      case "/api/auth/browser/logout/":
        return { status: 204, headers: { "Set-Cookie": ["access=; Max-Age=0", "refresh=; Max-Age=0"] } };
    }
    const token = request.headers.authorization?.replace("Bearer ", "") ?? cookies.access;
    if (!token) return refusal("not_authenticated", "not_authenticated");
    if (!this.#good.has(token)) return refusal(this.refused ?? "invalid");
    if (path === "/api/auth/logout/all/") {
      this.revoke();
      return { data: { revoked: 2 } };
    }
    if (path === "/api/auth/sessions/" && request.method === "DELETE") return { data: { revoked: 3 } };
    if (path === "/api/auth/sessions/") {
      const next = `${this.base}sessions/?page=2`;
      return { data: { next, results: [{ id: "phone", current: false }] } };
    }
    if (path === "/api/auth/sessions/?page=2") return { data: { next: null, results: [{ id: "1", current: true }] } };
    if (path.startsWith("/api/auth/sessions/")) return { status: 204 };
    return { data: { method: request.method, data } };
  }

  #signIn() {
    const sid = `${++this.#number}`;
    this.sessions.set(sid, { ...FRESH, subject: this.subject, rotated: this.#now() });
    return this.#pair(sid);
  }

  #refresh(token) {
    const [sid, generation] = [token.split(".")[0], Number(token.split(".")[1])];
    const session = this.sessions.get(sid);
    if (session.revoked) return refusal(session.revoked);
    const inside = this.#now() - session.rotated < this.grace;
    if (generation === session.generation && !inside) {
      Object.assign(session, { generation: generation + 1, rotated: this.#now() });
    } else if (!inside || generation < session.generation - 1) {
      session.revoked = "reused";
      return refusal("reused");
    }
    return { data: this.#pair(sid) };
  }

  #now() {
    return performance.now() / 1000 + this.late;
  }

  #pair(sid) {
    const time = Math.floor(Date.now() / 1000) + this.clockOffset;
    const payload = { sub: this.sessions.get(sid).subject, sid, iat: time, exp: time + this.lifetime, jti: `${++this.#number}` };
    const access = `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.signature`;
    this.#good.add(access);
    const refresh = `${sid}.${this.sessions.get(sid).generation}`;
    return { access, refresh, token_type: "Bearer", expires_in: this.lifetime, refresh_expires_in: 1209600 };
  }
}

function refusal(reason, code = "token_not_valid") {
  return { status: 401, data: { detail: `Refused: ${reason}`, code, reason } };
}

function toCookies({ access, refresh, expires_in, refresh_expires_in }, more = {}) {
  return {
    data: { expires_in, refresh_expires_in, ...more },
    headers: { "Set-Cookie": [`access=${access}; HttpOnly`, `refresh=${refresh}; HttpOnly`] },
  };
}

/** What Node lacks: a fetch with the cookies of a browser, for one host. */
export function fetchWithCookies(jar = new Map()) {
  return Object.assign(
    async (input, init) => {
      const request = new Request(input, init);
      const include = request.credentials === "include";
      if (include && jar.size) request.headers.set("Cookie", [...jar].map((pair) => pair.join("=")).join("; "));
      const response = await fetch(request);
      for (const cookie of include ? response.headers.getSetCookie() : []) {
        const [, name, value, attributes] = /^([^=]+)=([^;]*)(.*)$/.exec(cookie);
        if (attributes.includes("Max-Age=0")) jar.delete(name);
        else jar.set(name, value);
      }
      return response;
    },
    { jar },
  );
}

/** What Node lacks before version 24: as much of the Web Locks API as the client uses. */
export class Locks {
  #last = new Map();
  held = 0;

  async request(name, { signal }, action) {
    const before = this.#last.get(name) ?? Promise.resolve();
    let release;
    const mine = new Promise((resolve) => (release = resolve));
    this.#last.set(name, before.then(() => mine));
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    try {
      await Promise.race([before, aborted]);
      this.held += 1;
      return await action();
    } finally {
      release();
    }
  }
}

/** Resolves with the next event of this type; fails if there is none for a long time. */
export function next(target, type) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`No event ${type}`)), 15_000);
    target.addEventListener(type, (event) => (clearTimeout(timer), resolve(event)), { once: true });
  });
}
