// Bounded waiting: no test may hang, and none sleeps to find out that something happened.

/** Far above what any step takes, so that it only matters when something is really wrong. */
export const STEP_TIMEOUT_MS = 15_000;

/** The promise's outcome, or an error that says what did not happen. */
export function within(promise, what, ms = STEP_TIMEOUT_MS) {
  let timer;
  const expiry = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, expiry]).finally(() => clearTimeout(timer));
}

/** Asks again until the answer is accepted. */
export async function eventually(ask, accepted, what) {
  const deadline = Date.now() + STEP_TIMEOUT_MS;
  let answer;
  while (Date.now() < deadline) {
    answer = await ask();
    if (accepted(answer)) {
      return answer;
    }
    await sleep(10);
  }
  throw new Error(`${what}: still ${JSON.stringify(answer)}`);
}

/** Only where the protocol's own times have to pass. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
