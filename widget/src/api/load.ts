import { readAnswer } from "./answer";
import { LoadError } from "./load-error";
import type { Lack, ServiceRequest } from "./request";
import type { Answer } from "./types";

/** A second try comes after 250 to 750 ms, so that many browsers do not come back at the same moment. */
const RETRY_AFTER_MS = 250;
const RETRY_JITTER_MS = 500;

/**
 * Asks the service, once more after a 5xx or a network failure, never again after a 4xx.
 *
 * @param controller what the caller may end the load by; the load itself does after `timeoutMs`, the second try included
 * @throws LoadError
 */
export async function load(
  request: ServiceRequest | Lack,
  controller: AbortController,
  timeoutMs: number,
): Promise<Answer> {
  if ("lack" in request) throw new LoadError("setting", request.lack);
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    return await loadTwice(request, controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? new LoadError("timeout", `no answer within ${timeoutMs} ms`) : error;
  } finally {
    clearTimeout(timer);
  }
}

async function loadTwice(request: ServiceRequest, signal: AbortSignal): Promise<Answer> {
  try {
    return await loadOnce(request, signal);
  } catch (error) {
    if (signal.aborted || !(error as LoadError).isTransient) throw error;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS + Math.random() * RETRY_JITTER_MS));
    return loadOnce(request, signal);
  }
}

async function loadOnce(request: ServiceRequest, signal: AbortSignal): Promise<Answer> {
  const [{ ok, status }, text] = await exchange(request, signal);
  if (!ok) throw new LoadError("http", `the service answered ${status}`, status);
  return readAnswer(text);
}

/** The response and its whole body. Cookies and the page's address stay at home. */
async function exchange({ url, body, token }: ServiceRequest, signal: AbortSignal): Promise<[Response, string]> {
  try {
    const response = await fetch(url, {
      signal,
      credentials: "omit",
      referrerPolicy: "no-referrer",
      headers: { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) },
      ...(body && { method: "POST", body: JSON.stringify(body) }),
    });
    return [response, await response.text()];
  } catch (error) {
    throw new LoadError("network", String(error));
  }
}
