/**
 * Finds the examples in Markdown and in doc comments.
 *
 * The words after a fence's language decide what is done with it:
 *   (none), run    type-checked and run: it has to end by itself, with exit code 0
 *   check          type-checked only: a server that never ends, code for a browser
 *   ignore: why    left alone, for the reason given
 *   file=name.ts   written under that name, so that other examples of the same document can import it
 */
import { basename } from 'node:path'

export interface Example {
  /** Path of the document, from the repository's root. */
  document: string
  /** Line of the document on which the code starts, from 1. */
  line: number
  language: 'ts' | 'js'
  mode: 'run' | 'check'
  /** The name that other examples import it by, if it has one. */
  name: string | undefined
  /** Folder of the package whose exports need no import: doc comments only. */
  home: string | undefined
  code: string
}
export interface Found {
  examples: Example[]
  /** What can't be an example, and why. */
  problems: string[]
}

const languages: Record<string, 'ts' | 'js'> = { ts: 'ts', typescript: 'ts', mts: 'ts', js: 'js', javascript: 'js', mjs: 'js' }

/** A line of a document, with where it stands. */
interface Line {
  text: string
  number: number
}

function parseInfo(info: string): Pick<Example, 'mode' | 'name'> | 'ignored' | Error {
  if (/^ignore\b/.test(info)) {
    return /^ignore:\s*\S+\s+\S+/.test(info) ? 'ignored' : new Error('an ignored example gives its reason: ```ts ignore: because …')
  }
  let mode: Example['mode'] = 'run'
  let name: string | undefined
  for (const word of info.split(/\s+/).filter((one) => one !== '')) {
    if (word === 'run' || word === 'check') mode = word
    else if (/^file=[\w-]+\.(ts|js)$/.test(word)) name = word.slice('file='.length)
    else return new Error(`'${word}' is no word for an example: run, check, ignore: reason, file=name.ts`)
  }
  return { mode, name }
}

/** The fenced examples among some lines. */
function fences(lines: readonly Line[], document: string, home: string | undefined): Found {
  const found: Found = { examples: [], problems: [] }
  for (let at = 0; at < lines.length; at++) {
    const open = /^(\s*)(`{3,}|~{3,})\s*([\w+-]*)(.*)$/.exec(lines[at]!.text)
    if (open === null) continue
    const [, indent = '', fence = '', word = '', info = ''] = open
    const first = at + 1
    for (at = first; at < lines.length && !lines[at]!.text.trim().startsWith(fence); at++);
    const language = languages[word.toLowerCase()]
    if (language === undefined) continue
    const where = `${document}:${lines[first - 1]!.number}`
    if (at >= lines.length) {
      found.problems.push(`${where}: the example is never closed`)
      continue
    }
    const parsed = parseInfo(info.trim())
    if (parsed === 'ignored') continue
    if (parsed instanceof Error) {
      found.problems.push(`${where}: ${parsed.message}`)
      continue
    }
    const code = lines.slice(first, at).map(({ text }) => (text.startsWith(indent) ? text.slice(indent.length) : text))
    found.examples.push({ document, line: lines[first]?.number ?? 0, language, ...parsed, home, code: code.join('\n') })
  }
  return found
}

/** Examples of a Markdown document. */
export function extractMarkdown(document: string, text: string): Found {
  return fences(
    text.split(/\r?\n/).map((line, index) => ({ text: line, number: index + 1 })),
    document,
    undefined,
  )
}

/** Examples of the doc comments of a source file of the package in packages/`home`: fenced ones, and what stands under a bare `@example`. */
export function extractComments(document: string, text: string, home: string): Found {
  const found: Found = { examples: [], problems: [] }
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const start = text.slice(0, comment.index).split('\n').length
    const lines = comment[0].split(/\r?\n/).map((line, index) => ({
      text: line
        .replace(/\*\/\s*$/, '')
        .replace(/^\s*\/\*\*/, '')
        .replace(/^\s*\* ?/, ''),
      number: start + index,
    }))
    const fenced = fences(lines, document, home)
    found.examples.push(...fenced.examples)
    found.problems.push(...fenced.problems)
    for (let at = 0; at < lines.length; at++) {
      const tag = /^\s*@example\b\s*(.*)$/.exec(lines[at]!.text)
      if (tag === null) continue
      const body: Line[] = []
      for (let next = at + 1; next < lines.length && !/^\s*@\w+/.test(lines[next]!.text); next++) body.push(lines[next]!)
      if (body.some(({ text: line }) => /^\s*(```|~~~)/.test(line))) continue
      while (body.length > 0 && body[0]!.text.trim() === '') body.shift()
      // Nothing below the tag: what stands beside it is the code, and no caption.
      if (body.length === 0 && tag[1] !== '') body.push({ text: tag[1]!, number: lines[at]!.number })
      if (body.length === 0) found.problems.push(`${document}:${lines[at]!.number}: the @example is empty`)
      else
        found.examples.push({
          document,
          line: body[0]!.number,
          language: 'ts',
          mode: 'run',
          name: undefined,
          home,
          code: body
            .map((one) => one.text)
            .join('\n')
            .trimEnd(),
        })
    }
  }
  return found
}

/** A short name of an example's document for folders and titles. */
export function slug(document: string): string {
  return document.replace(/^packages\//, '').replace(/\W+/g, '-') || basename(document)
}
