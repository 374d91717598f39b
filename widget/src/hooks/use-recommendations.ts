import { useEffect, useMemo, useRef, useState } from "react";

import { load } from "../api/load";
import type { LoadError } from "../api/load-error";
import { type Kind, type Lack, type Question, requestFor, type ServiceRequest } from "../api/request";
import type { RecommendedItem } from "../api/types";
import { isAllowed } from "../privacy/consent";
import { recordView, viewedItems } from "../privacy/session";
import { useConsent } from "./use-consent";

/** `idle`: there is nothing to ask. `empty`: the service had no item. After an `error` nothing is shown. */
export type LoadStatus = "idle" | "loading" | "loaded" | "empty" | "error";

export interface RecommendationsOptions {
  /** The address of the recommend function, without `/v1`. */
  endpoint: string;
  kind: Kind;
  /** The item of a product page. With consent it joins the session list. */
  itemId?: string | undefined;
  /** The items in the basket. */
  basket?: readonly string[] | undefined;
  category?: string | undefined;
  /** How many items to ask for. */
  n?: number | undefined;
  /** The shopper's signed token; it is sent with consent only. */
  userToken?: string | undefined;
  /** Whether this shopper has agreed to be recognised; `setConsent` outranks it. */
  consent?: boolean | undefined;
  /** The limit for an answer, a second try included. */
  timeoutMs?: number | undefined;
  onError?: ((error: LoadError) => void) | undefined;
}

export interface Recommendations {
  status: LoadStatus;
  kind: Kind;
  items: readonly RecommendedItem[];
  /** The version of the served bundle that the items come from. */
  bundleId: string;
}

const DEFAULT_N = 12;

/** A shopper who has waited this long has scrolled on. */
const DEFAULT_TIMEOUT_MS = 5000;

/** What a finished load left behind. */
interface Outcome {
  /** The request that it answers. */
  plan: string;
  isPersonal: boolean;
  status: "loaded" | "empty" | "error";
  items: readonly RecommendedItem[];
  bundleId: string;
}

const NO_ITEMS: readonly RecommendedItem[] = [];

/**
 * Asks for the recommendations that the options describe, anew whenever they change; the newest request wins.
 *
 * Items that were there before stay until the new answer is there, unless they were personal and consent was
 * withdrawn: then they leave at once.
 */
export function useRecommendations(options: RecommendationsOptions): Recommendations {
  const allowed = useConsent(options.consent);
  useRecordedView(options.itemId, options.consent, allowed);
  const plan = usePlan(options, allowed);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useLoad(plan, options, setOutcome);
  if (outcome && (plan === NOTHING || (outcome.isPersonal && !allowed))) setOutcome(null);
  const loaded = outcome?.plan === plan ? outcome.status : "loading";
  return {
    kind: options.kind,
    status: plan === NOTHING ? "idle" : loaded,
    items: outcome?.items ?? NO_ITEMS,
    bundleId: outcome?.bundleId ?? "",
  };
}

function useRecordedView(itemId: string | undefined, consent: boolean | undefined, allowed: boolean): void {
  useEffect(() => {
    // An effect runs after its render: the consent may have been withdrawn meanwhile.
    if (allowed && itemId && isAllowed(consent)) recordView(itemId);
  }, [itemId, consent, allowed]);
}

/** The plan where there is nothing to ask. */
const NOTHING = "null";

/**
 * The request that the options make with what the shopper allows, as JSON: equal requests are equal texts.
 *
 * The session list is read when something else changes: a view recorded just now is for the next page.
 */
function usePlan(options: RecommendationsOptions, allowed: boolean): string {
  const { endpoint, kind, itemId, basket = [], category, n = DEFAULT_N, userToken } = options;
  const token = allowed ? userToken : undefined;
  const question = JSON.stringify({ endpoint, kind, itemId, basket, category, n, token } satisfies Question);
  return useMemo(() => {
    const request = requestFor(JSON.parse(question) as Question, allowed ? viewedItems() : []);
    return JSON.stringify(request);
  }, [question, allowed]);
}

/** Carries out a plan, and hands over what came of it unless another plan took its place. */
function useLoad(plan: string, options: RecommendationsOptions, setOutcome: (outcome: Outcome) => void): void {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const onError = useRef(options.onError);
  useEffect(() => {
    onError.current = options.onError;
  });
  useEffect(() => {
    const request = JSON.parse(plan) as ServiceRequest | Lack | null;
    if (!request) return;
    const controller = new AbortController();
    let isNewest = true;
    const finish = (outcome: Pick<Outcome, "status" | "items" | "bundleId">) => {
      if (isNewest) setOutcome({ plan, isPersonal: "isPersonal" in request, ...outcome });
    };
    load(request, controller, timeoutMs).then(
      ({ items, bundle_id: bundleId }) => finish({ status: items.length > 0 ? "loaded" : "empty", items, bundleId }),
      (error: unknown) => {
        finish({ status: "error", items: NO_ITEMS, bundleId: "" });
        if (isNewest) onError.current?.(error as LoadError);
      },
    );
    return () => {
      isNewest = false;
      controller.abort();
    };
  }, [plan, timeoutMs, setOutcome]);
}
