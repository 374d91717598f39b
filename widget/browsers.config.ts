/** The oldest browsers the carousel is built for: the first of each with the CSS function `light-dark()`, May 2024. */
export const BROWSERS = ["chrome123", "firefox120", "safari17.5"];
