// What the shop's pages do beside the carousels: pass on the visitor's consent, and show what a purchase changed.
"use strict";

const POLL_MS = 500;
const WATCH_MS = 60_000;

window.RecSys?.setConsent(document.body.dataset.consent === "true");

// Whoever comes next is not to find what this visitor looked at.
for (const form of document.querySelectorAll("form[data-forgets]")) {
  form.addEventListener("submit", () => window.RecSys?.setConsent(false));
}

const news = document.querySelector("[data-bundle]");
if (news) void watch(news);

/** For a minute, shows the carousels anew whenever recommend serves another bundle than the order found. */
async function watch({ dataset }) {
  for (const end = performance.now() + WATCH_MS; performance.now() < end; await pause()) {
    const bundle = await servedBundle(dataset.endpoint);
    if (!bundle || bundle === dataset.bundle) continue;
    dataset.bundle = bundle;
    dataset.state = "done";
    for (const carousel of document.querySelectorAll("recsys-carousel")) carousel.replaceWith(carousel.cloneNode(true));
    if (dataset.shown) markFresh(document.querySelector("recsys-carousel[kind=for-you]"), dataset.shown.split(" "));
  }
  if (dataset.state === "waiting") dataset.state = "late";
}

/** Marks the cards that were not `shown` before the purchase, as part "fresh", and says how many they are. */
function markFresh(carousel, shown) {
  const mark = () => {
    const cards = [...carousel.shadowRoot.querySelectorAll("a[part~=card]")];
    const fresh = cards.filter((card) => !shown.includes(decodeURIComponent(card.pathname.split("/").at(-1))));
    for (const card of fresh) card.part.add("fresh");
    if (cards.length) {
      const words = fresh.length ? ` ${fresh.length} of ${cards.length} cards are new, and have a green edge.` : "";
      document.querySelector("[data-fresh]").textContent = words;
    }
  };
  new MutationObserver(mark).observe(carousel.shadowRoot, { childList: true, subtree: true });
  mark();
}

async function servedBundle(endpoint) {
  try {
    const response = await fetch(`${endpoint}/readyz`, { credentials: "omit", referrerPolicy: "no-referrer" });
    return (await response.json()).bundle_id;
  } catch {
    return undefined;
  }
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
