/**
 * Why there is nothing to show.
 *
 * - `setting`: an attribute that the kind needs is missing or wrong; nothing was sent
 * - `network`: the service was not reached (offline, DNS, CORS, connection cut)
 * - `timeout`: no complete answer within the time allowed
 * - `http`: an answer that is not 2xx; `status` says which
 * - `malformed`: an answer that is not what the interface promises
 */
export type LoadErrorCode = "setting" | "network" | "timeout" | "http" | "malformed";

/** A failed load. It is reported by event and never shown to the shopper. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly code: LoadErrorCode;
  readonly status: number | undefined;

  constructor(code: LoadErrorCode, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
  }

  /** Whether the same request may well succeed a moment later. */
  get isTransient(): boolean {
    return this.code === "network" || (this.status ?? 0) >= 500;
  }
}
