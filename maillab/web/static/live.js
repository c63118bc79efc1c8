// The live feed by websocket: records as they are written, also across a lost connection or a new start of the lab.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

// Follows the lab for good. `place` says behind which `seq` of which `run`; `tell` gets lists of records, the next one
// once it is done with the last; `connected` is told true and false; `refresh` is awaited before connecting again.
export function follow({ place, refresh, tell, connected }) {
  let pause = FIRST_PAUSE_MS;

  function open() {
    const { run, seq } = place();
    const feed = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/live?after=${seq}&run=${run}`);
    let told = Promise.resolve();
    feed.addEventListener("open", () => {
      pause = FIRST_PAUSE_MS;
      connected(true);
    });
    feed.addEventListener("message", ({ data }) => {
      told = told.then(() => tell(JSON.parse(data))).catch(() => feed.close());
    });
    feed.addEventListener("close", () => {
      connected(false);
      told.then(again);
    });
  }

  function again() {
    setTimeout(async () => {
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      try {
        await refresh();
        open();
      } catch {
        again(); // the lab is not there yet
      }
    }, pause);
  }

  open();
}
