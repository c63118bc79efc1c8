// Something that is wanted more often than it should be done: never twice at a time, and not before `pause` has passed.
//
//   const read = often(500, async () => {...}, (error) => {...});
//   read.soon();  await read.now();  read.end();

export function often(pause, work, failed) {
  let timer = null;
  let running = null;
  let wanted = false;
  let doneAt = -Infinity;
  let ended = false;

  async function run() {
    timer = null;
    wanted = false;
    try {
      await work();
    } catch (error) {
      if (!ended) {
        failed(error);
      }
    }
    doneAt = performance.now();
    running = null;
    if (wanted) {
      soon();
    }
  }

  function now() {
    clearTimeout(timer);
    running ??= run();
    return running;
  }

  function soon() {
    if (ended) {
      return;
    }
    if (running) {
      wanted = true;
    } else {
      timer ??= setTimeout(now, Math.max(0, doneAt + pause - performance.now()));
    }
  }

  function end() {
    ended = true;
    wanted = false;
    clearTimeout(timer);
  }

  return { now, soon, end };
}
