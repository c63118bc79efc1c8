// The lab's time, and buttons that move it on: a retry of five days fits into a lesson.

import { element, replace } from "/static/dom.js";
import { icon } from "/static/icons.js";
import { lab } from "/static/lab.js";
import { dateTime, duration, time } from "/static/words.js";

const STEPS_SECONDS = [60, 3600, 86_400];
const DAY_MS = 86_400_000;

// Gives the control, and what is to be called every second.
export function clock(t, app) {
  const shown = element("span", { class: "net-time mono" });
  const ahead = element("span", { class: "muted net-ahead" });
  const failed = element("span", { class: "pill bad", role: "alert" });
  const buttons = STEPS_SECONDS.map((seconds) => {
    const label = t("clock.add", { time: duration(seconds) });
    const click = () => moveOn(seconds);
    const text = `+${duration(seconds)}`;
    return element("button", { type: "button", title: label, "aria-label": label, on: { click } }, text);
  });
  const node = element("div", { class: "net-clock toolbar", role: "group", "aria-label": t("clock") },
    icon("clock"), element("span", { class: "muted" }, t("clock")), shown, ahead,
    element("span", { class: "segments" }, buttons), failed);

  function tick() {
    const now = lab.labNow();
    const aheadSeconds = lab.labAheadSeconds();
    const isToday = Math.abs(now - lab.now()) < DAY_MS && new Date(now).getDate() === new Date(lab.now()).getDate();
    shown.textContent = isToday ? time(now) : dateTime(now);
    ahead.textContent = aheadSeconds > 0 ? t("clock.ahead", { time: duration(aheadSeconds) }) : "";
  }

  async function moveOn(seconds) {
    replace(failed);
    try {
      const { lab_at: at } = await lab.advance(seconds);
      app.announce(t("clock.moved", { time: dateTime(at) }));
    } catch (error) {
      failed.textContent = error.error ?? error.message;
    }
    tick();
  }

  tick();
  return { node, tick };
}
