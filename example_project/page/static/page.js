/** The page: what it shows, and what its buttons do. The difficult part is in jwtauth.js. */

import { byId, element, minutes, time } from "./dom.js";
import { createClient } from "./jwtauth.js";
import { logged, tell } from "./log.js";

const WHY = {
  logout: "You have signed out.",
  logout_all: "You have signed out on all devices.",
  session_ended: "You have ended this session.",
  revoked: "This session was ended elsewhere.",
  reused: "A refresh token was used twice, so somebody may have a copy of it. The session was ended to be safe.",
  expired: "You were away for too long.",
  session_expired: "This session has reached its maximum lifetime.",
  password_changed: "The password was changed.",
  user_inactive: "This account is no longer active.",
};
const HOW = {
  login: "Signed in",
  restored: "Still signed in through the cookies",
  tab: "Signed in through another tab",
};
const MODES = { header: "Header mode", cookie: "Cookie mode" };
const TIMES = ["exp", "iat", "auth_time"];

let config;
let client;
let claims = null;

// Messages

function notify(text, kind = "") {
  byId("notice").className = `notice ${kind}`;
  byId("notice").textContent = text;
}

/** Make a button run an action, one at a time, and show its errors. */
function onPress(button, action) {
  byId(button)?.addEventListener("click", (event) => run(event.currentTarget, action));
}

async function run(button, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // a disabled button would lose the focus
  try {
    await action(button);
  } catch (error) {
    complain(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function complain(error) {
  if (client.signedIn) notify(explain(error), "bad"); // otherwise the reason is shown already
}

function explain(error) {
  if (error.status === 429) return `Too many requests. Try again in ${error.retryAfter ?? "some"} seconds.`;
  return error.message || "Something went wrong.";
}

/** Call one of the services, and return the JSON of its answer. */
async function call(url, init) {
  const response = await client.fetch(url, init);
  if (response.ok) return response.status === 204 ? null : response.json();
  const body = await response.json().catch(() => ({}));
  const fields = Object.entries(body).map(([name, errors]) => `${name}: ${[errors].flat().join(" ")}`);
  const message = body.detail ?? (fields.join(" ") || `The service answered ${response.status}.`);
  throw Object.assign(new Error(message), { reason: body.reason, fields: body });
}

// Signed in or not

function use(mode) {
  client?.close();
  claims = null;
  const names = new Map([
    [config.issuer, "orders"],
    [config.stock, "stock"],
  ]);
  client = createClient({ base: `${config.issuer}/api/auth/`, services: [config.stock], mode, fetch: logged(names) });
  client.addEventListener("signedin", ({ detail }) => {
    tell(`${HOW[detail.how]}.`);
    show();
  });
  client.addEventListener("signedout", ({ detail }) => {
    const where = detail.here ? "" : " In another tab.";
    const kind = isWanted(detail.reason) ? "" : "bad";
    tell(`Signed out: ${detail.reason}.${where}`, kind || "event");
    show();
    notify(`${WHY[detail.reason] ?? `Signed out: ${detail.reason}.`}${where}`, kind);
  });
  client.addEventListener("refreshed", ({ detail }) => {
    tell(detail.how === "here" ? "The token was refreshed." : "Another tab has refreshed the token.");
    showToken();
  });
  client.addEventListener("refreshfailed", ({ detail }) => tell(`No refresh for now: ${detail.error.message}`, "bad"));
  client.proactive = byId("automatic").checked;
  history.replaceState(null, "", `#${mode}`); // so that the mode survives a reload without being stored
  document.querySelector(`input[name=mode][value=${mode}]`).checked = true;
}

function isWanted(reason) {
  return ["logout", "logout_all", "session_ended"].includes(reason);
}

async function restore() {
  try {
    if (await client.restore()) return;
    if (client.reason in WHY && !isWanted(client.reason)) notify(WHY[client.reason], "bad");
  } catch (error) {
    notify(`Could not find out whether you are signed in: ${explain(error)}`, "bad");
  }
  show({ afterChange: false });
}

/**
 * Show the sign-in or the account. After a change, the focus moves to its beginning and no password stays in a field.
 * Without one, somebody may be typing in it.
 */
function show({ afterChange = true } = {}) {
  const { signedIn } = client;
  byId("signin").hidden = signedIn;
  byId("account").hidden = !signedIn;
  byId("many").hidden = !signedIn;
  byId("badge").hidden = !signedIn;
  byId("badge").textContent = MODES[client.mode];
  if (afterChange) byId("password").value = "";
  byId("signin-error").textContent = "";
  byId("confirm").close();
  for (const shown of ["who", "groups", "claims", "orders", "stock", "devices"]) byId(shown).replaceChildren();
  if (signedIn) {
    notify("You are signed in.", "good");
    showToken();
    for (const load of [loadOrders, loadStock, loadDevices]) load().catch(complain);
  }
  if (afterChange) byId(signedIn ? "session-title" : "username").focus();
}

async function showToken() {
  claims = client.claims;
  byId("claims-source").textContent = claims
    ? "Decoded here for display only. The services verify the token themselves."
    : "No script can read the cookie, so these claims come from /api/whoami/.";
  if (!claims) {
    try {
      claims = (await call(`${config.issuer}/api/whoami/`)).claims;
    } catch (error) {
      complain(error);
      return;
    }
  }
  const rows = Object.entries(claims).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const shown = TIMES.includes(name) ? time(new Date(value * 1000).toISOString()) : element("code", {}, text);
    return element("div", {}, element("dt", {}, name), element("dd", {}, shown));
  });
  byId("claims").replaceChildren(...rows);
  byId("who").textContent = claims.preferred_username ?? `User ${claims.sub}`;
  byId("groups").replaceChildren(...(claims.groups ?? []).map((group) => element("span", { className: "tag" }, group)));
}

function showTime() {
  if (!client?.signedIn) return;
  const left = client.expiresIn;
  const bar = byId("time");
  bar.max = client.lifetime || 1;
  bar.value = left;
  bar.classList.toggle("low", left < client.lifetime / 5);
  byId("left").textContent = minutes(left);
}

// The services

async function loadOrders() {
  const { results } = await call(`${config.issuer}/api/orders/`);
  const lines = results.slice(0, 6).map(orderLine);
  byId("orders").replaceChildren(...(lines.length ? lines : [element("li", { className: "hint" }, "No orders yet.")]));
}

function orderLine(order) {
  const name = `${order.quantity} × ${order.item}`;
  if (order.cancelled_at) {
    const what = element("span", { className: "gone" }, name);
    return element("li", {}, what, element("small", {}, "cancelled ", time(order.cancelled_at)));
  }
  const label = `Cancel ${name}`;
  const button = element("button", { className: "quiet danger", type: "button", aria: { label } }, "Cancel");
  button.addEventListener("click", () => run(button, () => cancel(order, name)));
  const side = element("span", { className: "line" }, time(order.created_at), button);
  return element("li", {}, element("span", {}, name), side);
}

/** Cancel an order. The service requires a recent sign-in for this, and says so (RFC 9470). */
async function cancel(order, name) {
  for (let done = false; !done; ) {
    try {
      await call(`${config.issuer}/api/orders/${order.id}/cancel/`, { method: "POST" });
      done = true;
    } catch (error) {
      if (error.reason !== "insufficient_user_authentication") throw error;
      if (!(await confirmPassword())) return;
    }
  }
  notify(`Cancelled: ${name}.`, "good");
  await loadOrders();
  byId("orders-title").focus(); // the button that had the focus is gone
}

/** Ask for the password. Resolves to whether it was entered, and the token refreshed since. */
function confirmPassword() {
  const dialog = byId("confirm");
  byId("confirm-form").reset();
  byId("confirm-error").textContent = "";
  dialog.returnValue = "";
  dialog.showModal(); // it takes the focus and gives it back when it closes
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirmed"), { once: true });
  });
}

async function confirm(form) {
  const { password } = form.elements;
  try {
    await call(`${config.issuer}/api/confirm-password/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ password: password.value }),
    });
    await client.refresh(); // only a new token shows that the password was entered
    byId("confirm").close("confirmed");
  } catch (error) {
    byId("confirm-error").textContent = error.fields?.password?.join(" ") ?? explain(error);
    password.select();
  }
}

async function loadStock() {
  try {
    const items = await call(`${config.stock}/api/stock/`);
    const lines = items.map(({ item, quantity }) =>
      element("li", {}, element("span", {}, item), element("strong", {}, String(quantity))),
    );
    byId("stock").replaceChildren(...lines);
    byId("items").replaceChildren(...items.map(({ item }) => element("option", { value: item })));
  } catch (error) {
    if (!client.signedIn) return;
    byId("stock").replaceChildren(element("li", { className: "error" }, explain(error)));
  }
}

async function order(form) {
  const data = Object.fromEntries(new FormData(form));
  await call(`${config.issuer}/api/orders/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  form.reset();
  notify(`Ordered: ${data.quantity} × ${data.item}.`, "good");
  byId("item").focus();
  await loadOrders();
}

// Devices

async function loadDevices() {
  const sessions = await client.sessions();
  byId("devices").replaceChildren(...sessions.map(device));
  byId("end-others").hidden = sessions.length < 2;
}

function device(session) {
  const name = session.device || "Unknown device";
  const label = session.current ? "End this session" : `End the session of ${name}`;
  const button = element("button", { className: "quiet danger", type: "button", aria: { label } }, "End");
  button.addEventListener("click", () => run(button, () => end(session, name)));
  const here = session.current ? element("span", { className: "tag" }, "this device") : null;
  const title = element("strong", {}, name, here);
  const details = element("small", {}, `${session.ip_address ?? "no address"} · signed in `, time(session.created_at));
  const used = element("small", {}, "last used ", time(session.last_used_at));
  return element("li", {}, element("div", { className: "device" }, title, details, used), button);
}

async function end(session, name) {
  await client.endSession(session.id);
  if (!client.signedIn) return;
  notify(`The session of ${name} has ended.`, "good");
  await loadDevices();
  byId("devices-title").focus(); // the button that had the focus is gone
}

async function endOthers() {
  const count = await client.endOthers();
  notify(count === 1 ? "One other session has ended." : `${count} other sessions have ended.`, "good");
  await loadDevices();
  byId("devices-title").focus();
}

// User input

byId("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { username, password } = event.target.elements;
  run(event.submitter ?? event.target, async () => {
    byId("signin-error").textContent = "";
    notify("");
    try {
      await client.login({ username: username.value, password: password.value });
    } catch (error) {
      byId("signin-error").textContent = explain(error);
      password.select();
    }
  });
});
for (const radio of document.querySelectorAll("input[name=mode]")) {
  radio.addEventListener("change", async () => {
    notify("");
    use(radio.value);
    await restore();
  });
}
byId("order-form").addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter ?? event.target, () => order(event.target));
});
byId("confirm-form").addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter ?? event.target, () => confirm(event.target));
});
byId("automatic").addEventListener("change", (event) => (client.proactive = event.target.checked));
byId("clear").addEventListener("click", () => byId("log").replaceChildren());
onPress("refresh", async () => {
  if (await client.refresh()) notify("The token was refreshed.", "good");
});
onPress("signout", async () => {
  try {
    await client.logout();
  } catch (error) {
    const here = client.signedIn ? "You are still signed in" : "Signed out here, but the session goes on";
    notify(`${here}: ${explain(error)}`, "bad");
  }
});
onPress("signout-everywhere", () => client.logoutEverywhere());
onPress("confirm-leave", () => byId("confirm").close());
onPress("load-orders", loadOrders);
onPress("load-stock", loadStock);
onPress("load-devices", loadDevices);
onPress("end-others", endOthers);
onPress("many", () => Promise.all(Array.from({ length: 8 }, () => call(`${config.issuer}/api/whoami/`))));
setInterval(showTime, 250);

// Start

config = await (await fetch("config.json")).json();
byId("orders-home").href = `${config.issuer}/`;
byId("admin").href = `${config.issuer}/admin/`;
byId("hints").hidden = config.accounts.length === 0;
byId("accounts").replaceChildren(
  ...config.accounts.map(({ username, password, groups, is_superuser }) => {
    const about = is_superuser ? "administrator" : groups.join(", ");
    const button = element(
      "button",
      { type: "button", className: "account" },
      element("span", { className: "hidden" }, "Fill in "),
      element("strong", {}, username),
      element("code", {}, password),
      element("small", {}, about),
    );
    button.addEventListener("click", () => {
      byId("username").value = username;
      byId("password").value = password;
      document.querySelector("#signin-form .primary").focus();
    });
    return element("li", {}, button);
  }),
);
use(location.hash === "#cookie" ? "cookie" : "header");
await restore();
