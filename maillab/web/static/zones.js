// The message of a trace as a letter: the envelope that servers go by, the header, the text, and how the header grew.

import { addressElement } from "/static/addresses.js";
import { element, replace } from "/static/dom.js";
import { number, octets } from "/static/words.js";

const LEFT_OUT = ["no-sender", "no-recipient"]; // nothing wrong: a server does not need them
const FOCUSABLE = { tabindex: "0" }; // an address that has the focus marks its equals

export function zonesView({ t, chooseCopy, explainField }) {
  const letter = element("div", { class: "zones" });
  const growth = element("div", { class: "growth" });

  function show(message, { split }) {
    replace(letter, copyChooser(message), envelope(message), differences(message), header(message, split),
      text(message, split));
    replace(growth, grown(message, split));
  }

  function copyChooser({ copies, copy }) {
    if (copies.length < 2) {
      return null;
    }
    const options = copies.map((each) =>
      element("option", { value: each.copy, selected: each.copy === copy }, placeOf(each)));
    return element("div", { class: "field" }, element("label", { for: "trace-copy" }, t("copy")),
      element("select", { id: "trace-copy", on: { change: (event) => chooseCopy(event.target.value) } }, options));
  }

  function placeOf({ place, mailbox, server }) {
    return t(`copy.${place}`, { mailbox, server });
  }

  function envelope({ envelope: { sender, recipients, recipient_count, server, written_here } }) {
    const from = sender ? addressElement(sender, FOCUSABLE) : element("span", { class: "muted" }, t("noSender"));
    const more = recipient_count - recipients.length;
    return element("section", { class: "zone envelope", "aria-labelledby": "zone-envelope" },
      element("h3", { id: "zone-envelope" }, t("envelope")),
      element("div", { class: "paper" },
        element("div", { class: "stamp", "aria-hidden": "true" }),
        element("p", { class: "from" }, element("code", {}, "MAIL FROM"), from),
        element("div", { class: "to" }, element("code", {}, "RCPT TO"),
          element("ul", {}, recipients.map((each) => element("li", {}, addressElement(each, FOCUSABLE))),
            more > 0 && element("li", {}, t("moreRecipients", { n: number(more) })))),
      ),
      element("p", { class: "hint" }, t(written_here ? "envelopeHere" : "envelopeHint", { server: server ?? "?" })));
  }

  function differences({ differences: found }) {
    const mild = found?.every(({ kind }) => LEFT_OUT.includes(kind));
    const looks = `zone differences${mild ? " mild" : ""}`;
    return found?.length > 0 && element("section", { class: looks, "aria-labelledby": "zone-differences" },
      element("h3", { id: "zone-differences" }, t("differences")),
      element("ul", {}, found.map(({ kind, address }) => element("li", {},
        element("span", { "aria-hidden": "true", class: "sign" }, "≠"),
        element("span", {}, address && [addressElement(address, FOCUSABLE), ": "], t(`difference.${kind}`))))));
  }

  function header({ fields }, split) {
    const own = fields?.filter(({ server }) => !server) ?? [];
    return element("section", { class: "zone header", "aria-labelledby": "zone-header" },
      element("h3", { id: "zone-header" }, t("header")),
      fields ? fieldList(fields, split) : element("p", { class: "hint" }, t("gone")),
      fields && !own.length && element("p", { class: "hint" }, t("noHeader")));
  }

  const fieldList = (fields, split) => element("dl", { class: "fields" }, fields.map((each) => [
    element("dt", { class: each.server && "added" }, fieldName(each)),
    element("dd", { class: each.server && "added" }, each.server && element("span", { class: "by" },
      t(each.certain ? "addedBy" : "addedByStranger", each)), split(each.text, FOCUSABLE)),
  ]));

  function fieldName({ name, server }) {
    const canBeExplained = server && ["received", "return-path"].includes(name.toLowerCase());
    const click = () => explainField(name, server);
    return canBeExplained
      ? element("button", { type: "button", class: "quiet name", on: { click } }, `${name}:`)
      : element("span", { class: "name" }, `${name}:`);
  }

  function text(message, split) {
    return message.fields && element("section", { class: "zone text", "aria-labelledby": "zone-text" },
      element("h3", { id: "zone-text" }, t("text")),
      message.text.trim()
        ? element("pre", { tabindex: "0" }, split(message.text, { tabindex: "-1" }))
        : element("p", { class: "hint" }, t("noText")),
      element("p", { class: "hint" }, message.is_cut ? t("cut") : t("size", { size: octets(message.size_octets) })));
  }

  // First what the client gave, then what each server put on top, in the order in which that happened.
  function grown({ fields, envelope: { written_here, server } }, split) {
    if (!fields) {
      return element("p", { class: "hint" }, t("gone"));
    }
    const own = fields.filter((each) => !each.server);
    const added = fields.filter((each) => each.server).reverse();
    const first = element("li", {}, element("h3", {}, written_here ? t("wroteIt", { server }) : t("clientGave")),
      own.length ? fieldList(own, split) : element("p", { class: "hint" }, t("noHeader")));
    const later = added.map((each, index) => element("li", {},
      element("h3", {}, t(each.certain ? "putOnTop" : "putOnTopStranger", each)),
      fieldList([each], split),
      element("p", { class: "below", "aria-hidden": "true" }, t.plural("below", own.length + index))));
    return [element("p", { class: "hint" }, t("growthHint")), element("ol", {}, first, later)];
  }

  return { letter, growth, show };
}
