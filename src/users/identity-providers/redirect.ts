/** Where a browser goes to sign in, and what has to be known when it comes back. */
export interface Departure {
  url: string;
  kept: Record<string, string>;
}
