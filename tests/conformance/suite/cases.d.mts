export const cases: readonly { readonly group: string; readonly name: string }[]
