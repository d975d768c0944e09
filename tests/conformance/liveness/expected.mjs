/** What each program of `program.mjs` prints, and its exit code. */
export const expected = {
  idle: { out: ['done'], code: 0 },
  pending: { out: ['waiting', 'late'], code: 0 },
  waiting: { out: ['waiting', 'woken'], code: 0 },
  unref: { out: ['waiting'], code: 0 },
  blocked: { out: ['waiting'], code: 0 },
  timer: { out: ['slept'], code: 0 },
  shutdown: { out: ['ended'], code: 0 },
  terminate: { out: ['ERR_SHUTDOWN', 'ended'], code: 0 },
  failed: { out: [], code: 1 },
}
