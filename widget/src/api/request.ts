import type { Kind, ServicePath, SessionFields } from "./types";

/** What a question of each kind tells the service, beside the page: `must` is what it is nothing without. */
interface Telling {
  /** The item that the list is about. */
  item?: "must";
  basket?: "must" | "may";
  /** The items of this visit, where there is consent to tell them. */
  viewed?: "must" | "may";
  /** Who the shopper is, where there is consent to tell it. */
  shopper?: "must" | "may";
}

/** What a carousel can show. */
export const KINDS: Readonly<Record<Kind, Telling>> = {
  "for-you": { basket: "may", viewed: "may", shopper: "may" },
  session: { basket: "may", viewed: "may" },
  similar: { item: "must" },
  "bought-together": { item: "must" },
  basket: { basket: "must" },
  "buy-again": { shopper: "must" },
  "because-you-bought": { shopper: "must" },
  "because-you-viewed": { viewed: "must" },
  "recently-viewed": { viewed: "must" },
  popular: {},
  newest: {},
  "on-sale": { shopper: "may" },
};

export type { Kind };

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
 * A list about an item takes that of the page, else the newest in the basket. The visit is told in a body.
 *
 * @param viewed the items of this visit, newest first, where there is consent to tell them
 */
export function requestFor(question: Question, viewed: readonly string[]): ServiceRequest | Lack | null {
  const { endpoint, kind, basket, category, n, token } = question;
  if (!endpoint) return { lack: "endpoint is missing" };
  const tells = KINDS[kind];
  const item_id = question.itemId ?? (tells.item && basket.at(-1));
  if (tells.item && !item_id) return { lack: `${kind} needs item-id` };
  // A list that is made of the visit's items alone is not made of the one that is open.
  const seen = tells.viewed === "must" ? viewed.filter((id) => id !== item_id) : viewed;
  const lacks = { basket: !basket.length, viewed: !seen.length, shopper: !token };
  if (NEEDS.some((need) => tells[need] === "must" && lacks[need])) return null;
  const isVisit = NEEDS.some((need) => need !== "shopper" && tells[need] && !lacks[need]);
  const fields = {
    kind,
    n,
    item_id,
    category: category && [category],
    [tells.basket ? "basket" : "exclude"]: basket.slice(-MAX_LIST),
    viewed: tells.viewed && [...seen].reverse(),
  } as SessionFields;
  const request: ServiceRequest = { url: address(endpoint, isVisit ? {} : fields) };
  if (isVisit) request.body = fields;
  if (tells.shopper && token) request.token = token;
  if (request.token || (tells.viewed && seen.length)) request.isPersonal = true;
  return request;
}

const NEEDS = ["basket", "viewed", "shopper"] as const;

function address(endpoint: string, fields: object): string {
  const query = new URLSearchParams();
  for (const [name, value = []] of Object.entries(fields) as [string, (string | string[])?][]) {
    for (const one of [value].flat()) query.append(name, one);
  }
  const path: ServicePath = "/v1/recommendations";
  return `${endpoint.replace(/\/+$/, "")}${path}?${query}`.replace(/\?$/, "");
}
