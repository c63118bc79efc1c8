// The live feed: records as they are written, also across a lost connection or a new start of the lab.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

// Follows the lab from `seq` of `run` on. `tell` gets lists of records; `connected` is told true and false.
export function follow({ run, seq }, { tell, connected }) {
  let pause = FIRST_PAUSE_MS;

  function open() {
    const feed = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/live?after=${seq}&run=${run}`);
    feed.addEventListener("open", () => {
      pause = FIRST_PAUSE_MS;
      connected(true);
    });
    feed.addEventListener("message", (message) => {
      const records = JSON.parse(message.data);
      for (const record of records) {
        if (record.seq !== undefined) {
          ({ run, seq } = record);
        }
      }
      tell(records);
    });
    feed.addEventListener("close", () => {
      connected(false);
      setTimeout(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    });
  }

  open();
}
