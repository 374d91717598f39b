import type { ServicePath, SessionFields } from "./types";

/** What a carousel can show. */
export const KINDS = ["for-you", "session", "similar", "bought-together", "popular", "recently-viewed"] as const;
export type Kind = (typeof KINDS)[number];

/** What is asked for. */
export interface Question {
  endpoint: string;
  kind: Kind;
  itemId: string | undefined;
  /** The items in the basket, oldest first. */
  basket: readonly string[];
  category: string | undefined;
  n: number;
  /** The shopper's signed token, where there is consent to send it. */
  token: string | undefined;
}

/** One exchange with the service; `body` makes it a POST. */
export interface ServiceRequest {
  url: string;
  body?: SessionFields;
  token?: string;
  /** Whether it tells something that the shopper must have agreed to. */
  isPersonal?: true;
}

/** What a question lacks. */
export interface Lack {
  lack: string;
}

/** The service takes lists of up to 200 ids; the newest say most. */
const MAX_LIST = 200;

/**
 * The request that answers a question, or what it lacks; `null` where there is nothing to ask.
 *
 * @param viewed the items of this visit, newest first, where there is consent to tell them
 */
export function requestFor(question: Question, viewed: readonly string[]): ServiceRequest | Lack | null {
  if (!question.endpoint) return { lack: "endpoint is missing" };
  switch (question.kind) {
    case "popular":
      return listRequest(question, "/v1/popular");
    case "similar":
    case "bought-together":
      return itemRequest(question, question.kind);
    case "recently-viewed":
      return cardsRequest(question, viewed);
    default:
      return personalRequest(question, viewed);
  }
}

/** A list about one item: that of the page, else the newest in the basket. */
function itemRequest(question: Question, list: "similar" | "bought-together"): ServiceRequest | Lack {
  const itemId = question.itemId ?? question.basket.at(-1);
  if (!itemId) return { lack: `${list} needs item-id` };
  return listRequest(question, `/v1/items/${encodeURIComponent(itemId)}/${list}`);
}

function listRequest({ endpoint, basket, category, n }: Question, path: ServicePath): ServiceRequest {
  return { url: address(endpoint, path, { n, category, exclude: basket.slice(-MAX_LIST) }) };
}

function cardsRequest({ endpoint, itemId, n }: Question, viewed: readonly string[]): ServiceRequest | null {
  const others = viewed.filter((id) => id !== itemId).slice(0, n);
  return others.length > 0 ? { url: address(endpoint, "/v1/items", { item_id: others }), isPersonal: true } : null;
}

/** For a person, a visit, or nobody in particular; a visit is told in a body. */
function personalRequest(question: Question, viewed: readonly string[]): ServiceRequest {
  const { endpoint, kind, itemId, basket, category, n, token } = question;
  const hasVisit = basket.length > 0 || viewed.length > 0;
  const request: ServiceRequest = { url: address(endpoint, "/v1/recommendations", hasVisit ? {} : { n, item_id: itemId, category }) };
  if (hasVisit) {
    request.body = { n, basket: basket.slice(-MAX_LIST), viewed: [...viewed].reverse() };
    if (itemId) request.body.item_id = itemId;
    if (category) request.body.category = [category];
  }
  if (token && kind === "for-you") request.token = token;
  if (request.token || viewed.length > 0) request.isPersonal = true;
  return request;
}

type Parameters = Readonly<Record<string, string | number | readonly string[] | undefined>>;

function address(endpoint: string, path: ServicePath, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value = []] of Object.entries(parameters)) {
    for (const one of [value].flat()) query.append(name, String(one));
  }
  return `${endpoint.replace(/\/+$/, "")}${path}?${query.toString()}`.replace(/\?$/, "");
}
