// A person's desktop: two programs, and what a mail program has to be told. A program is asked for in the address:
// #/desktop/carol@example.com/client, or /mail.

import { connectionOf } from "/static/client-connection.js";
import { element } from "/static/dom.js";
import { icon } from "/static/icons.js";
import { lab } from "/static/lab.js";
import { inboxOf } from "/static/mail-inbox.js";
import { words } from "/static/words.js";

const PROGRAMS = { client: () => import("/static/simple-client.js"), mail: () => import("/static/mail-program.js") };
const ICONS = { client: "terminal", mail: "mailboxes", home: "desktop" };

export async function mount(root, [address = "", program = "home"], app) {
  const t = await words("desktop");
  const person = lab.personOf(address);
  if (!person) {
    showNobody(root, t, address, app);
    return undefined;
  }
  const settings = await lab.get(`/people/${encodeURIComponent(person.address)}`);
  const owner = { ...settings, name: person.user.charAt(0).toUpperCase() + person.user.slice(1) };
  const name = program in PROGRAMS ? program : "home";
  const heading = element("h1", {}, t(`${name}.title`, owner));
  const screen = element("div", { class: `desktop-screen desktop-${name}` });
  root.append(element("section", { class: "desktop", "aria-label": t("home.title", owner) },
    titleBar(t, owner, heading, taskbar(t, owner, name, app)), screen));
  app.title(name === "home" ? t("home.title", owner) : `${t(`${name}.title`)} – ${owner.name}`);
  if (name === "home") {
    screen.append(...home(t, owner, app));
  }
  const ends = [
    name === "home" ? null : (await PROGRAMS[name]()).mountProgram(screen, owner, app, t),
    showState(root, t, owner),
  ];
  return () => ends.forEach((end) => end?.());
}

function showNobody(root, t, address, app) {
  app.title(t("nobody.title"));
  root.append(
    element("h1", {}, t("nobody.title")),
    element("p", {}, t(lab.people.length ? "nobody" : "nobody.at-all", { address })),
    element("ul", { class: "desktop-people" }, lab.people.map((person) =>
      element("li", {}, element("a", { class: "button", href: app.link("desktop", person.address) }, person.address)))));
}

function titleBar(t, owner, heading, tasks) {
  return element("header", { class: "desktop-title" },
    element("span", { class: "desktop-avatar", "aria-hidden": "true" }, owner.name.charAt(0)),
    element("div", { class: "desktop-who" }, heading, element("p", { class: "muted" }, owner.address)), tasks);
}

function taskbar(t, owner, current, app) {
  const task = (name, ...parts) => element("a", {
    class: "desktop-task", href: app.link("desktop", owner.address, ...parts), "aria-current": name === current && "page",
  }, icon(ICONS[name]), element("span", {}, t(`task.${name}`)), element("span", { class: "pill", data: { state: name } }));
  return element("nav", { class: "desktop-tasks", "aria-label": t("programs", owner) },
    task("home"), task("client", "client"), task("mail", "mail"));
}

// What the programs are doing while another one is looked at.
function showState(root, t, owner) {
  const connection = connectionOf(owner.address);
  const inbox = inboxOf(owner.address);
  const show = () => {
    for (const pill of root.querySelectorAll("[data-state=client]")) {
      pill.textContent = connection.status === "open" ? t("task.client.open") : "";
      pill.classList.add("good");
    }
    for (const pill of root.querySelectorAll("[data-state=mail]")) {
      pill.textContent = inbox.unseen ? t.plural("task.mail.unseen", inbox.unseen) : "";
      pill.classList.add("accent");
    }
  };
  const ends = [connection.onChange(show), inbox.onChange(show)];
  show();
  return () => ends.forEach((end) => end());
}

function home(t, owner, app) {
  const program = (name) => element("a", {
    class: "desktop-program card", href: app.link("desktop", owner.address, name),
  },
  element("span", { class: "desktop-picture" }, icon(ICONS[name])),
  element("span", { class: "desktop-name" }, t(`${name}.title`), " ", element("span", { class: "pill", data: { state: name } })),
  element("span", { class: "muted" }, t(`${name}.about`)));
  return [
    element("div", { class: "desktop-programs" }, program("client"), program("mail")),
    settingsCard(t, owner),
  ];
}

function settingsCard(t, owner) {
  const row = (key, value, remark) => [
    element("dt", {}, t(`settings.${key}`)),
    element("dd", {}, element("span", { class: "mono" }, value), remark && element("span", { class: "muted" }, ` ${remark}`)),
  ];
  const { ports } = owner;
  return element("section", { class: "card desktop-settings", "aria-labelledby": "settings" },
    element("h2", { id: "settings" }, t("settings")),
    element("dl", {},
      row("address", owner.address),
      row("server", owner.domain, t("settings.server.remark", owner)),
      ports.smtp && row("port", ports.smtp, t("settings.port.remark")),
      row("user", owner.user),
      row("password", owner.password, t("settings.password.remark"))),
    element("details", {},
      element("summary", {}, t("settings.more")),
      element("dl", {}, Object.entries(ports).filter(([name]) => name !== "smtp" && t.has(`settings.port.${name}`)).map(([name, port]) =>
        row(`port.${name}`, port, t(`settings.port.${name}.remark`))))));
}
