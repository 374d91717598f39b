/** A hue in degrees [0, 360) that is always the same for the same text. */
export function hueOf(text: string): number {
  let hash = 0;
  for (const character of text) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
  // Neighbouring hashes are spread by the golden angle, so that similar names get unlike colours.
  return Math.abs(hash * 137) % 360;
}
