export function casesFor(memory: 'shared' | 'none'): readonly { readonly group: string; readonly name: string }[]
