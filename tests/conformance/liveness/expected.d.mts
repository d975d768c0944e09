export const expected: Readonly<Record<string, { readonly out: readonly string[]; readonly code: number }>>
