/**
 * Private memory that codecs work on before a message moves into shared memory, and after it came out: one for each call that is under way. A codec may call
 * channels, this one too, and what it does there must not change what it works on.
 */
import type { Region } from '@heddle/atomics'
import { type Draft, Staging } from '@heddle/atomics/internal'
import { agentLocal } from '@heddle/atomics/ops'

interface Drafts {
  readonly all: Staging[]
  /** How many are in use. */
  used: number
}

const only = /* @__PURE__ */ new Staging()

/** The same for a codec that calls nothing (bulk.ts, isScalar): there is one such call at a time, and it is not ended. */
export function scalarDraft(region: Region, bytes: number): Draft {
  return only.of(region, bytes)
}

const drafts = /* @__PURE__ */ agentLocal<Drafts>(() => ({ all: [], used: 0 }))

/** At least `bytes` private bytes, with anything in them, in place of `region`; the caller's until `endDraft`. */
export function beginDraft(region: Region, bytes: number): Draft {
  const own = drafts.get()
  const draft = (own.all[own.used] ??= new Staging()).of(region, bytes)
  own.used++
  return draft
}

/** The one that was begun last is not in use any more. */
export function endDraft(): void {
  drafts.get().used--
}
