// Mailboxes: all of them with what is new, one of them as a list, and one message of it.

import { element, replace } from "/static/dom.js";
import { lab } from "/static/lab.js";
import { failure, messageView } from "/static/message.js";
import { often } from "/static/often.js";
import { windowed } from "/static/windowed.js";
import { dateTime, octets, time, words } from "/static/words.js";

const t = await words("mail");
const ROW_REMS = 4.25;
const REREAD_MS = 1000;
// What may take letters away, or mark them: programs that read mail. New letters are told by message.stored.
const READERS = new Set(["pop3.command", "imap.command"]);

const searches = new Map(); // mailbox to the words that were looked for in it

export async function mount(root, params, app) {
  const [address, uid] = params;
  if (address === undefined) {
    return mountAll(root, app);
  }
  const named = address.toLowerCase();
  return uid === undefined ? mountOne(root, named, app) : mountMessage(root, named, uid, app);
}

const home = (app) => element("a", { href: app.link("mailboxes") }, t("mailboxes"));
const crumbs = (...links) => element("nav", { class: "crumbs", "aria-label": t("crumbs") }, links);
const unseenPill = (n) => n > 0 && element("span", { class: "pill accent" }, t.plural("unseen", n));

async function mountAll(root, app) {
  const places = element("div", { class: "mailbox-places" });
  const problem = element("div", { class: "slot" });
  const cards = new Map(); // mailbox to its link, which stays in its place and keeps the focus
  const read = often(REREAD_MS, async () => {
    const found = await lab.get("/mailboxes");
    if (found.some(({ mailbox }) => !cards.has(mailbox))) {
      layOut(found);
    }
    found.forEach((each) => {
      const { link, shown } = cards.get(each.mailbox);
      const now = JSON.stringify(each);
      if (shown !== now) {
        cards.get(each.mailbox).shown = now;
        replace(link, element("b", { class: "said" }, each.mailbox),
          element("span", { class: "muted" }, t.plural("letters", each.messages)), unseenPill(each.unseen));
      }
    });
    replace(problem);
  }, (error) => replace(problem, failure(error)));

  function layOut(found) {
    cards.clear();
    const hosts = [...new Set(found.map(({ server }) => server))];
    replace(places, hosts.length
      ? hosts.map((host) => placeOf(host, found.filter(({ server }) => server === host)))
      : element("p", { class: "empty" }, t("mailboxes.none")));
  }

  function placeOf(host, those) {
    return element("section", { class: "card" },
      element("h2", { class: "said" }, lab.serverOf(host)?.domains.join(", ") || host),
      element("p", { class: "muted mono said" }, host),
      element("ul", { class: "mailbox-list" }, those.map(({ mailbox }) => {
        const link = element("a", { class: "mailbox-link", href: app.link("mailboxes", mailbox) });
        cards.set(mailbox, { link, shown: "" });
        return element("li", {}, link);
      })));
  }

  replace(root, element("h1", {}, t("mailboxes")), element("p", { class: "muted" }, t("mailboxes.about")),
    problem, places);
  await read.now();
  const off = lab.onRecords((records) => {
    if (records.some(({ event }) => event === "message.stored" || READERS.has(event))) {
      read.soon();
    }
  });
  return () => {
    off();
    read.end();
  };
}

async function mountOne(root, address, app) {
  let letters = await lab.get(`/mailboxes/${encodeURIComponent(address)}/messages`);
  app.title(address);
  const search = element("input", {
    id: "mailbox-search", type: "search", value: searches.get(address) ?? "", on: { input: show }, autocomplete: "off",
  });
  const summary = element("p", { class: "muted slot", role: "status" });
  const empty = element("p", { class: "empty" });
  const problem = element("div", { class: "slot" });
  const list = windowed({
    key: ({ uid }) => uid, row: (letter) => row(letter, address, app), label: t("letters.of", { address }),
    rowHeight: () => ROW_REMS * parseFloat(getComputedStyle(document.documentElement).fontSize),
  });
  list.node.classList.add("card", "letters");
  replace(root, crumbs(home(app)), element("h1", { class: "said" }, address),
    element("div", { class: "toolbar mailbox-bar" },
      element("div", { class: "field grow" }, element("label", { for: "mailbox-search" }, t("search")), search),
      element("a", { class: "button", href: app.link("desktop", address) }, t("desktop.link"))),
    summary, problem, empty, list.node);

  function show() {
    const wanted = search.value.trim().toLowerCase();
    searches.set(address, search.value);
    const found = letters.filter(({ subject, from, to }) =>
      `${subject ?? ""}\n${from ?? ""}\n${to ?? ""}`.toLowerCase().includes(wanted)).reverse();
    const unseen = letters.filter(({ seen }) => !seen).length;
    summary.textContent = [
      t.plural("letters", letters.length), unseen > 0 && t.plural("unseen", unseen),
      wanted && t.plural("found", found.length),
    ].filter(Boolean).join(" · ");
    empty.textContent = letters.length ? t("search.none") : t("letters.none");
    empty.hidden = found.length > 0;
    list.node.hidden = found.length === 0;
    list.show(found);
  }

  const failed = (error) => replace(problem, failure(error));
  const readAll = often(REREAD_MS, async () => {
    letters = await lab.get(`/mailboxes/${encodeURIComponent(address)}/messages`);
    replace(problem);
    show();
  }, failed);
  const readNew = often(0, async () => {
    const known = letters.at(-1)?.uid ?? 0;
    const news = await lab.get(`/mailboxes/${encodeURIComponent(address)}/messages?after=${known}`);
    if (letters.length && letters.at(-1).uid !== known) {
      return; // all were read meanwhile
    }
    letters = [...letters, ...news];
    if (news.length) {
      app.announce(t.plural("arrived", news.length, { subject: news.at(-1).subject || t("subject.none") }));
    }
    show();
  }, failed);
  show();
  const off = lab.onRecords((records) => {
    if (records.some(({ event }) => READERS.has(event))) {
      readAll.soon();
    } else if (records.some(({ event, mailbox }) => event === "message.stored" && mailbox === address)) {
      readNew.soon();
    }
  });
  return () => {
    off();
    readAll.end();
    readNew.end();
    list.end();
  };
}

function row(letter, address, app) {
  const { uid, subject, from, seen, stored_at: storedAt, size_octets: size, return_path: returnPath } = letter;
  const isToday = new Date(storedAt).toDateString() === new Date(lab.now()).toDateString();
  const href = app.link("mailboxes", address, String(uid));
  return element("a", { class: seen ? "letter-row" : "letter-row unseen", href },
    element("span", { class: "letter-row-subject said" },
      !seen && element("span", { class: "visually-hidden" }, `${t("new")}: `), subject || t("subject.none")),
    element("time", { class: "muted", datetime: storedAt }, isToday ? time(storedAt) : dateTime(storedAt)),
    element("span", { class: "letter-row-from muted said" }, from || returnPath || t("sender.none")),
    element("span", { class: "muted" }, octets(size)));
}

async function mountMessage(root, address, uid, app) {
  const view = await messageView(address, uid, app, { heading: "h1" });
  app.title(view.message.subject || t("subject.none"));
  const known = (await lab.get(`/mailboxes/${encodeURIComponent(address)}/messages`)).map((letter) => letter.uid);
  const at = known.indexOf(Number(uid));
  const step = (to, key) => to !== undefined &&
    element("a", { class: "button quiet", href: app.link("mailboxes", address, String(to)) }, t(key));
  replace(root,
    element("div", { class: "toolbar" },
      crumbs(home(app), " › ", element("a", { class: "said", href: app.link("mailboxes", address) }, address)),
      element("span", { class: "grow" }), step(known[at + 1], "letter.newer"), step(known[at - 1], "letter.older")),
    element("div", { class: "card" }, view.node));
  return view.dispose;
}
