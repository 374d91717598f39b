/** Stands for the page's own address, so that relative addresses can be judged before there is a page. */
const ANY_PAGE = "https://page.invalid/";

/**
 * An address from item data if it leads to http or https, else null.
 *
 * Item data is untrusted: `javascript:`, `data:` and their kin never become a link or a picture. The browser's own
 * parser decides, so a scheme hidden behind blanks or line ends is seen too. Relative addresses stay relative.
 */
export function safeUrl(address: string | null | undefined): string | null {
  if (!address?.trim()) return null;
  try {
    const { protocol } = new URL(address, ANY_PAGE);
    return protocol === "https:" || protocol === "http:" ? address : null;
  } catch {
    return null;
  }
}
