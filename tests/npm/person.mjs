// The person with a browser is the test in Python: it gets an address, and answers with another.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Send a value to the test, in one line. */
export const tell = (value) => console.log(JSON.stringify(value));

/** Let the person open an address; the result is the address that the server redirects to. */
export async function visit(url) {
  tell({ visit: String(url) });
  return new URL((await lines.next()).value);
}
