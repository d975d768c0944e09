/** What is wrong with one package's manifest, a sentence each. */
export function problems(one: { folder: string; dir: string; manifest: object }, options?: { exists?: (path: string) => boolean }): string[]
