// What the page says, in the language of the browser.

const WORDS = {
  en: {
    servers: "Servers", traces: "Mail on its way", none: "No mail has been sent yet. It appears here the moment a server takes it.",
    domains: "domains", relay: "relay", address: "address", listens: "SMTP at", noSubject: "(no subject)",
    live: "live", away: "no connection, trying again", notice: "notice about", ladder: "Ladder", picture: "Picture",
    records: "Records", loading: "Loading …", mailboxes: "mailboxes", run: "run", nobody: "<> (a server)",
    states: { delivered: "delivered", failed: "failed", deferred: "waiting", relayed: "handed on", underway: "underway" },
  },
  de: {
    servers: "Server", traces: "E-Mails auf dem Weg", none: "Noch wurde keine E-Mail verschickt. Sie erscheint hier, sobald ein Server sie annimmt.",
    domains: "Domains", relay: "Relay", address: "Adresse", listens: "SMTP auf", noSubject: "(kein Betreff)",
    live: "live", away: "keine Verbindung, neuer Versuch", notice: "Meldung zu", ladder: "Leiter", picture: "Bild",
    records: "Protokoll", loading: "Lädt …", mailboxes: "Postfächer", run: "Lauf", nobody: "<> (ein Server)",
    states: { delivered: "zugestellt", failed: "gescheitert", deferred: "wartet", relayed: "weitergegeben", underway: "unterwegs" },
  },
};

export const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in WORDS) ?? "en";
export const words = WORDS[language];
