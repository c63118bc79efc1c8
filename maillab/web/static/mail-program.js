// The mail program: the owner's inbox, one message of it or one that is being written.

import { element, replace } from "/static/dom.js";
import { composeForm, outcomePane } from "/static/mail-compose.js";
import { replyAddress, writingDeskOf } from "/static/mail-drafts.js";
import { inboxOf } from "/static/mail-inbox.js";
import { messageView } from "/static/message.js";
import { windowed } from "/static/windowed.js";
import { dateTime, time } from "/static/words.js";

const ROW_REMS = 4.5;
const DAY_MS = 86_400_000;

export function mountProgram(root, owner, app, t) {
  const inbox = inboxOf(owner.address);
  const desk = writingDeskOf(owner.address);
  const box = inboxPane(t, inbox, desk);
  const pane = element("section", { class: "mail-pane card", "aria-label": t("mail.pane") });
  let endPane = null;
  let shown = null;

  async function showPane() {
    const now = desk.pane;
    if (now === shown) {
      return;
    }
    const byHand = shown !== null;
    shown = now;
    endPane?.();
    endPane = null;
    root.dataset.pane = now.kind;
    const made = await PANES[now.kind](t, { inbox, desk, owner, app, pane: now });
    if (now !== desk.pane || shown !== now) {
      made.end?.();
      return;
    }
    replace(pane, now.kind !== "none" && back(t, desk), made.nodes);
    endPane = made.end ?? null;
    if (byHand) {
      (made.focus ?? pane.querySelector("h2") ?? box.first())?.focus();
    }
  }

  root.append(box.node, pane);
  const show = () => {
    box.show();
    showPane();
  };
  const ends = [inbox.onChange(box.show), desk.onChange(show), box.end, () => endPane?.(), () => (shown = undefined)];
  show();
  return () => ends.forEach((end) => end());
}

const PANES = { none: emptyPane, read: readPane, write: composeForm, sent: outcomePane };

function back(t, desk) {
  return element("button", {
    type: "button", class: "quiet mail-back", on: { click: () => desk.show({ kind: "none" }) },
  }, t("mail.back"));
}

function inboxPane(t, inbox, desk) {
  const count = element("span", { class: "pill accent" });
  const compose = element("button", { type: "button", class: "primary", on: { click: () => desk.write() } }, t("mail.write"));
  const drafts = element("ul", { class: "mail-drafts" });
  const note = element("p", { class: "empty" });
  const list = windowed({
    key: (item) => item.entry.uid, row: (item) => row(t, item, desk), label: t("mail.inbox"),
    rowHeight: () => ROW_REMS * parseFloat(getComputedStyle(document.documentElement).fontSize),
  });
  const news = element("p", { class: "visually-hidden", role: "status" });
  const items = new Map(); // uid to what the list shows for it: the same object as long as it looks the same
  let newest = null;

  function item(entry) {
    const isOpen = desk.pane.kind === "read" && desk.pane.uid === entry.uid;
    const known = items.get(entry.uid);
    if (known?.entry !== entry || known.isOpen !== isOpen) {
      items.set(entry.uid, { entry, isOpen });
    }
    return items.get(entry.uid);
  }

  function show() {
    count.textContent = inbox.unseen ? t.plural("task.mail.unseen", inbox.unseen) : "";
    list.show(inbox.entries.map(item));
    list.node.hidden = !inbox.entries.length;
    note.hidden = inbox.entries.length > 0;
    note.textContent = inbox.error ? inbox.error.message : t(inbox.wasRead ? "mail.empty" : "mail.loading");
    replace(drafts, desk.resting.map(([key, { subject, to }]) => element("li", {}, element("button", {
      type: "button", class: "mail-draft", on: { click: () => desk.show({ kind: "write", key }) },
    }, element("span", { class: "pill wait" }, t("mail.draft")), " ", subject || to || t("mail.no-subject")))));
    const { uid, subject } = inbox.entries[0] ?? {};
    if (newest !== null && uid > newest) {
      news.textContent = t("mail.news", { subject: subject || t("mail.no-subject") });
    }
    newest = inbox.wasRead ? uid ?? 0 : null;
  }

  const node = element("section", { class: "mail-box card", "aria-labelledby": "mail-inbox" },
    element("div", { class: "toolbar" }, element("h2", { id: "mail-inbox", class: "grow", tabindex: "-1" },
      t("mail.inbox"), " ", count), compose),
    drafts, note, list.node, news);
  return { node, show, end: list.end, first: () => node.querySelector(".mail-row[aria-current], .mail-row") ?? compose };
}

function row(t, { entry, isOpen }, desk) {
  const { uid, seen, subject, from, return_path: reversePath, stored_at: at } = entry;
  const isToday = Date.now() - Date.parse(at) < DAY_MS;
  return element("button", {
    type: "button", class: `mail-row ${seen ? "" : "unseen"}`, "aria-current": isOpen && "true",
    on: { click: () => desk.show({ kind: "read", uid }) },
  },
  element("span", { class: "mail-from" }, !seen && element("span", { class: "mail-dot", title: t("mail.unseen") },
    element("span", { class: "visually-hidden" }, `${t("mail.unseen")}: `)), from || reversePath || t("mail.from-server")),
  element("time", { class: "muted", datetime: at }, isToday ? time(at) : dateTime(at)),
  element("span", { class: "mail-subject" }, subject || t("mail.no-subject")));
}

function emptyPane(t, { desk }) {
  return {
    nodes: [element("div", { class: "mail-nothing" }, element("p", { class: "muted" }, t("mail.choose")),
      element("button", { type: "button", on: { click: () => desk.write() } }, t("mail.write")))],
  };
}

async function readPane(t, { inbox, desk, owner, app, pane: { uid } }) {
  let view;
  try {
    view = await messageView(owner.address, uid, app);
  } catch (error) {
    return { nodes: [element("p", { class: "notice bad" }, error.message)] };
  }
  const { node, message } = view;
  inbox.sawMessage(uid);
  const to = replyAddress(message);
  const answer = () => desk.answer(message, quotation(t, message));
  const heading = node.querySelector("h2");
  heading?.setAttribute("tabindex", "-1");
  return {
    nodes: [
      element("div", { class: "toolbar mail-tools" },
        element("button", { type: "button", class: "primary", disabled: to === null, on: { click: answer } }, t("mail.reply")),
        to === null && element("span", { class: "muted" }, t("mail.no-reply"))),
      node,
    ],
    focus: heading,
    end: () => view.dispose(),
  };
}

// The text of a mail as it stands in the answer to it.
function quotation(t, { from, return_path: reversePath, stored_at: at, text }) {
  const lines = text.replace(/\n+$/, "").split("\n").map((line) => (line.startsWith(">") ? `>${line}` : `> ${line}`.trimEnd()));
  return `\n\n${t("mail.quoted", { from: from || reversePath, at: dateTime(at) })}\n${lines.join("\n")}\n`;
}
