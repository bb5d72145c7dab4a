// One page's view of the text: what the server has, and what is not there yet. It knows neither the
// connection nor the elements of a page.

import { apply, compose, transform } from "./operation.js";

export class Client {
  /** The text as the page shows it: that of the revision, then `inFlight`, then `waiting`. */
  text = "";
  revision = null;
  /** The operation that the server was sent and has not confirmed. */
  inFlight = null;
  /** What was done since, as one operation. */
  waiting = null;

  /** The page changed the text. Gives whether there is now something to send: `inFlight`. */
  edit(operation) {
    this.text = apply(operation, this.text);
    if (this.inFlight) {
      this.waiting = this.waiting ? compose(this.waiting, operation) : operation;
      return false;
    }
    this.inFlight = operation;
    return true;
  }

  /** The server has applied `inFlight`. Gives whether there is a next one to send. */
  accepted() {
    this.revision += 1;
    this.inFlight = this.waiting;
    this.waiting = null;
    return this.inFlight !== null;
  }

  /** The server has applied somebody else's operation. Gives what that changes in the text here. */
  follow(operation) {
    this.revision += 1;
    // The server's order is the order: what is not confirmed comes later.
    if (this.inFlight) [operation, this.inFlight] = transform(operation, this.inFlight);
    if (this.waiting) [operation, this.waiting] = transform(operation, this.waiting);
    this.text = apply(operation, this.text);
    return operation;
  }

  /** The text is what the server says; what was not confirmed is lost. */
  reset(revision, text) {
    Object.assign(this, { revision, text, inFlight: null, waiting: null });
  }
}
