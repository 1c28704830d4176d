/** The log of requests and answers. It records no headers and no bodies, so it never contains a token. */

import { byId, element } from "./dom.js";

const MAX_LINES = 100;
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

function write(kind, ...parts) {
  const list = byId("log");
  const stamp = element("span", { className: "stamp" }, TIME.format());
  list.prepend(element("li", { data: { kind } }, stamp, ...parts));
  while (list.children.length > MAX_LINES) list.lastChild.remove();
}

/** Log something other than a request. The kind is "bad" for what nobody here wanted. */
export function tell(text, kind = "event") {
  write(kind, element("span", {}, text));
}

/** Return a `fetch` that logs each request and its answer. */
export function logged(names) {
  return async (input, init) => {
    const address = new URL(input.url ?? input);
    const method = init?.method ?? input.method ?? "GET";
    const what = [
      element("span", { className: "service" }, names.get(address.origin) ?? address.host),
      element("code", {}, `${method} ${address.pathname}`),
    ];
    const began = performance.now();
    try {
      const response = await fetch(input, init);
      const took = `${Math.round(performance.now() - began)} ms`;
      const why = response.ok ? "" : await reasonOf(response);
      const status = element("strong", {}, [response.status, why].filter(Boolean).join(" "));
      write(response.ok ? "good" : "bad", ...what, status, element("span", { className: "took" }, took));
      return response;
    } catch (error) {
      write("bad", ...what, element("strong", {}, "no answer"));
      throw error;
    }
  };
}

async function reasonOf(response) {
  try {
    const { reason, code } = await response.clone().json();
    return reason ?? code ?? "";
  } catch {
    return "";
  }
}
