import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

import { isAllowed, onConsentChange } from "../privacy/consent";
import { forgetSession } from "../privacy/session";

/** Whether the shopper may be named: what `setConsent` said, else the carousel's own `consent`. */
export function useConsent(consent: boolean | undefined): boolean {
  const allowed = useSyncExternalStore(
    onConsentChange,
    useCallback(() => isAllowed(consent), [consent]),
    () => false,
  );
  const wasAllowed = useRef(allowed);
  useEffect(() => {
    if (wasAllowed.current && !allowed) forgetSession();
    wasAllowed.current = allowed;
  }, [allowed]);
  return allowed;
}
