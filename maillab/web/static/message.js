// One message: its text, its HTML in a frame that can do nothing, its header, source and files, and the way it came.
// Whatever a message says is text here; the only document made of it comes from the lab, harmless, into a sandbox.

import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";
import { tabs } from "/static/tabs.js";
import { dateTime, octets, time, words } from "/static/words.js";

const t = await words("mail");
const PEOPLE = ["From", "To", "Cc", "Reply-To", "Date"];

const chosenTabs = new Map(); // message to the tab that was looked at: it is found again after another language
let count = 0; // several messages may be open at a time, each with ids of its own

const pathOf = (address, uid) => `/mailboxes/${encodeURIComponent(address)}/messages/${uid}`;

// The message as { node, message, dispose }; it is marked as read. `heading` is the element for its subject, or null.
export async function messageView(address, uid, app, { heading = "h2" } = {}) {
  const path = pathOf(address, uid);
  const message = await lab.get(path);
  if (!message.seen) {
    await lab.post(`${path}/seen`, { seen: true }).catch(() => {}); // it may have been deleted just now; it is shown all the same
  }
  const id = `message-${++count}`;
  const key = `${address}/${uid}`;
  const node = element("article", { class: "letter" },
    element("header", { class: "letter-head" },
      heading && element(heading, { class: "letter-subject said" }, message.subject || t("subject.none")),
      people(message),
      element("p", { class: "letter-facts muted" },
        t("stored", { at: dateTime(message.stored_at), size: octets(message.size_octets) }), " ",
        message.trace && element("a", { href: app.link("traces", message.trace) }, t("trace.link")))),
    tabs({
      id, label: t("tabs"), chosen: chosenTabs.get(key), onChoose: (tab) => chosenTabs.set(key, tab), failed: failure,
      tabs: tabsOf(message, path, app, address),
    }).node);
  return { node, message, dispose: () => node.remove() };
}

// Puts a message into `root`; gives what messageView gives.
export async function renderMessage(root, mailbox, uid, app, options) {
  const view = await messageView(mailbox, uid, app, options);
  replace(root, view.node);
  return view;
}

export const failure = (error) =>
  element("p", { class: "notice bad", role: "alert" }, error.error ?? error.message, error.mend && `; ${error.mend}`);

function people(message) {
  const said = (name) => message.headers.filter(([field]) => field.toLowerCase() === name.toLowerCase());
  return element("dl", { class: "letter-people" }, PEOPLE.map((name) => said(name).map(([, text]) => [
    element("dt", {}, t(`field.${name}`)), element("dd", { class: "said" }, text)])));
}

function tabsOf(message, path, app, address) {
  const { attachments } = message;
  const files = attachments.length ? t("tab.files.some", { n: attachments.length }) : t("tab.files");
  return [
    { key: "text", name: t("tab.text"), open: (panel) => showText(panel, message) },
    message.has_html && { key: "html", name: t("tab.html"), open: (panel) => showHtml(panel, message, path) },
    { key: "files", name: files, open: (panel) => showFiles(panel, message, path) },
    { key: "headers", name: t("tab.headers"), open: (panel) => showHeaders(panel, message) },
    { key: "source", name: t("tab.source"), open: (panel) => showSource(panel, message, path) },
    { key: "path", name: t("tab.path"), open: (panel) => showPath(panel, message, app, address) },
  ].filter(Boolean);
}

const cutNotice = (isCut) => isCut && element("p", { class: "notice wait" }, t("cut"));

function showText(panel, message) {
  replace(panel, cutNotice(message.is_cut), message.text.trim()
    ? element("pre", { class: "letter-text", dir: "auto" }, message.text)
    : element("p", { class: "empty" }, t("text.none")));
}

function showHtml(panel, message, path) {
  const { outside } = message;
  replace(panel, cutNotice(message.is_cut),
    outside.length > 0 && element("details", { class: "notice letter-outside" },
      element("summary", {}, t.plural("outside", outside.length)),
      element("ul", {}, outside.map((address) => element("li", { class: "mono said" }, address)))),
    // An empty sandbox: no scripts, forms or windows, no way to this page; the answer's own policy forbids the rest.
    element("iframe", {
      class: "letter-frame", sandbox: "", referrerpolicy: "no-referrer", title: t("html.frame"),
      src: `/api/lab${path}/html`,
    }),
    element("p", { class: "muted" }, t("html.about")));
}

function showFiles(panel, message, path) {
  replace(panel, message.attachments.length
    ? element("ul", { class: "letter-files" }, message.attachments.map(({ part, name, type, size_octets: size }) =>
      element("li", {},
        element("span", { class: "letter-file" },
          element("b", { class: "said" }, name),
          element("span", { class: "muted said" }, t("file.facts", { type, size: octets(size) }))),
        element("a", {
          class: "button", href: `/api/lab${path}/parts/${encodeURIComponent(part)}`, download: name,
          "aria-label": t("file.save.name", { name }),
        }, t("file.save")))))
    : element("p", { class: "empty" }, t("files.none")),
  !message.all_attachments && element("p", { class: "notice wait" }, t("files.more")));
}

function showHeaders(panel, message) {
  replace(panel, message.headers.length
    ? element("div", { class: "scroll-x" }, element("table", { class: "table letter-headers" },
      element("caption", { class: "visually-hidden" }, t("tab.headers")),
      element("thead", {}, element("tr", {},
        element("th", { scope: "col" }, t("headers.name")), element("th", { scope: "col" }, t("headers.value")))),
      element("tbody", {}, message.headers.map(([name, text]) => element("tr", {},
        element("th", { scope: "row", class: "mono" }, name), element("td", { class: "mono said" }, text))))))
    : element("p", { class: "empty" }, t("headers.none")));
}

async function showSource(panel, message, path) {
  const source = await lab.text(`${path}/source`);
  const whole = element("a", { class: "button", href: `/api/lab${path}/raw`, download: `${message.uid}.eml` },
    t("source.save"));
  replace(panel, element("p", { class: "toolbar" }, whole, element("span", { class: "muted" }, t("source.about"))),
    element("pre", { class: "letter-source", tabindex: "0", "aria-label": t("tab.source") }, source));
}

function showPath(panel, message, app, address) {
  const hops = message.path;
  replace(panel,
    element("p", { class: "muted" }, t("path.about")),
    element("ol", { class: "letter-path" },
      hops.map((hop) => pathStep(hop)),
      element("li", { class: "letter-hop end" },
        element("b", { class: "said" }, address),
        element("span", {}, t("path.stored", { at: time(message.stored_at), uid: message.uid })))),
    hops.some(({ certain }) => !certain) && element("p", { class: "notice wait" }, t("path.uncertain.about")),
    message.trace && element("p", {},
      element("a", { class: "button", href: app.link("traces", message.trace) }, t("path.trace"))));
}

function pathStep(hop) {
  const from = [hop.from, hop.from_comment && `(${hop.from_comment})`].filter(Boolean).join(" ");
  const facts = [
    from && t("path.from", { from }),
    hop.with && t("path.with", { with: hop.with }),
  ].filter(Boolean);
  return element("li", { class: hop.certain ? "letter-hop" : "letter-hop uncertain" },
    element("span", { class: "letter-hop-line" },
      element("b", { class: "said" }, hop.host ?? t("path.unreadable")),
      hop.at && element("time", { datetime: hop.at }, time(hop.at)),
      !hop.at && hop.date && element("span", { class: "said" }, hop.date),
      !hop.certain && element("span", { class: "pill wait" }, t("path.uncertain"))),
    hop.queue_id && element("span", { class: "mono said" }, hop.queue_id),
    facts.length > 0 && element("span", { class: "muted said" }, facts.join(" · ")));
}
