// The shell around all views: header, navigation, language and light, what is shown for the address after the #.
//
// A view is a module with mount(root, params, app): it fills `root` and may give a function that ends it. `params` are
// the parts of the address behind the view's name. `app` is what it may ask of the shell:
//   app.link("desktop", address)      the address of a view, for href
//   app.go("traces", id)              go there
//   app.title(text)                   the document's title, once the view knows what it shows
//   app.announce(text)                says a sentence to who listens to the page instead of looking at it
//   app.t                             the shell's own words
// On another language, and when the lab was started anew, the view is ended and mounted again.

import { element, replace } from "/static/dom.js";
import { icon } from "/static/icons.js";
import { keep, recall } from "/static/keep.js";
import { lab } from "/static/lab.js";
import { LANGUAGES, language, setLanguage, words } from "/static/words.js";

// The first part of the address, the module that shows it, and whether it stands in the navigation.
const VIEWS = {
  "": { module: "network", nav: "network" },
  replay: { module: "network" },
  traces: { module: "traces", nav: "traces" },
  desktop: { module: "desktop" },
  mailboxes: { module: "mailboxes", nav: "mailboxes" },
  queue: { module: "queue", nav: "queue" },
  faults: { module: "faults", nav: "faults" },
};
const VIEWS_WITHIN = new Map([["replay", ""], ["desktop", ""]]); // the network's, in the navigation
const THEMES = ["auto", "light", "dark"];
const AGAIN_MS = 3000;
const AWAY_MS = 1500; // a connection that is back at once was never worth a word

const $ = (id) => document.getElementById(id);

let t = null;
let turn = 0; // counts what was shown: a view that comes late finds another in its place
let unmount = null;
let run = null;
let unreached = false; // a view was asked for while the lab was away

const link = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

const app = {
  link,
  go: (...parts) => (location.hash = link(...parts)),
  title: (text) => (document.title = `${text} · ${labTitle()} · maillab`),
  announce: (text) => ($("announcer").textContent = text),
  get t() {
    return t;
  },
};

function labTitle() {
  const { title, lab: name } = lab.info;
  return title[language()] ?? title.en ?? Object.values(title)[0] ?? name;
}

function place() {
  const parts = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return [""]; // an address that nobody could have made here
  }
}

async function show({ focus }) {
  const [name, ...params] = place();
  const here = ++turn;
  unmount?.();
  unmount = null;
  unreached = false;
  const root = element("div", { class: "view" });
  replace($("main"), root);
  showNavigation(name);
  try {
    const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : null;
    if (!view) {
      throw new Error(t("nowhere"));
    }
    app.title(t(`nav.${view.nav ?? view.module}`));
    const { mount } = await import(`/static/${view.module}.js`);
    const ended = here === turn ? await mount(root, params.filter(Boolean), app) : undefined;
    if (here === turn) {
      unmount = ended ?? null;
    } else {
      ended?.();
    }
  } catch (error) {
    if (here === turn) {
      showFailure(root, error);
    }
  }
  if (here === turn && focus) {
    focusHeading(root);
  }
}

function showFailure(root, error) {
  unreached = lab.state === "away";
  replace(root,
    element("h1", {}, t("failed")),
    unreached
      ? element("p", { class: "notice bad" }, t("away"))
      : element("p", { class: "notice bad" }, error.error ?? error.message, error.mend && `; ${error.mend}`),
    element("p", { class: "toolbar" }, element("a", { class: "button", href: link("") }, t("home")),
      element("button", { type: "button", on: { click: () => location.reload() } }, t("reload"))));
}

function focusHeading(root) {
  const heading = root.querySelector("h1");
  if (heading && !root.contains(document.activeElement)) {
    heading.tabIndex = -1;
    heading.focus();
  }
}

function showNavigation(name) {
  const current = VIEWS_WITHIN.get(name) ?? name;
  replace($("nav"), Object.entries(VIEWS).filter(([, view]) => view.nav).map(([path, view]) =>
    element("a", { href: link(path), "aria-current": path === current && "page" },
      icon(view.nav), element("span", {}, t(`nav.${view.nav}`)))));
}

function showShell() {
  document.documentElement.lang = language();
  $("title").textContent = labTitle();
  $("skip").textContent = t("skip");
  $("nav").setAttribute("aria-label", t("navigation"));
  const languages = LANGUAGES.map((tag) => element("button", {
    type: "button", class: "quiet", lang: tag, "aria-pressed": String(tag === language()), title: t(`language.${tag}`),
    on: { click: () => speak(tag) },
  }, element("span", { class: "visually-hidden" }, t(`language.${tag}`)),
  element("span", { "aria-hidden": "true" }, tag.toUpperCase())));
  replace($("controls"), element("div", { class: "segments", role: "group", "aria-label": t("language") }, languages),
    themeButton());
  showConnection();
}

function themeButton() {
  const chosen = recall("theme") ?? "auto";
  const label = t("theme", { theme: t(`theme.${chosen}`) });
  return element("button", {
    type: "button", id: "theme", class: "quiet round", "aria-label": label, title: label, on: { click: changeTheme },
  }, icon(chosen));
}

function changeTheme() {
  const chosen = recall("theme") ?? "auto";
  keep("theme", THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length]);
  dispatchEvent(new Event("maillab-theme"));
  $("theme").replaceWith(themeButton());
  $("theme").focus();
}

async function speak(tag) {
  setLanguage(tag);
  showShell();
  $("controls").querySelector(`[lang="${tag}"]`).focus();
  await show({ focus: false });
}

let awayTimer = null;

function showConnection() {
  const away = lab.state === "away";
  document.body.dataset.state = lab.state;
  clearTimeout(awayTimer);
  if (away) {
    awayTimer = setTimeout(() => ($("connection").textContent = t("away")), AWAY_MS);
  } else {
    $("connection").textContent = "";
  }
  if (!lab.lost) {
    replace($("lost"));
  } else if (lab.lost !== shownLost) {
    replace($("lost"), t.plural("lost", lab.lost), " ",
      element("button", { type: "button", class: "quiet", on: { click: () => replace($("lost")) } }, t("understood")));
  }
  shownLost = lab.lost;
}

let shownLost = 0;

async function main() {
  t = await words("shell");
  await lab.start();
  ({ run } = lab.info);
  showShell();
  lab.onChange(() => {
    if (run !== lab.info.run) {
      ({ run } = lab.info);
      showShell();
      show({ focus: false });
    } else if (unreached && lab.state === "live") {
      show({ focus: false });
    }
    showConnection();
  });
  addEventListener("hashchange", () => show({ focus: true }));
  $("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the # is the address of a view
    $("main").focus();
  });
  await show({ focus: false });
}

// Without the lab there are not even words: index.html has some.
main().catch((error) => {
  console.warn(error);
  $("unreachable").hidden = false;
  setTimeout(() => location.reload(), AGAIN_MS);
});
