/** Small things for pages made by hand. */

export const byId = (id) => document.getElementById(id);

/** Make an element: `properties` are set as they are, but `aria` and `data` as attributes of that family. */
export function element(tag, { aria = {}, data = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** 272 seconds as "4:32". */
export function minutes(seconds) {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A time of the server's, in the zone of this browser. */
export function time(date) {
  return element("time", { dateTime: date }, DATE.format(new Date(date)));
}
