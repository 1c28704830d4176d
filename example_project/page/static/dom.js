/** Small helpers for building the page. */

export const byId = (id) => document.getElementById(id);

/** Create an element. `properties` are set directly, `aria` and `data` as aria-* and data-* attributes. */
export function element(tag, { aria = {}, data = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Format seconds: 272 becomes "4:32". */
export function minutes(seconds) {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** Show a time from the server in the time zone of this browser. */
export function time(date) {
  return element("time", { dateTime: date }, DATE.format(new Date(date)));
}
