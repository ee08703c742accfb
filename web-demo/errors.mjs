/** The demo cannot go on. `code` is stable (`PORT_BUSY`); the message says what to do about it. */
export class DemoError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "DemoError";
    this.code = code;
  }
}
