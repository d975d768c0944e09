/** Everything of every package, without a host. */
export * from '@heddle/atomics'
export * from '@heddle/park'
export * from '@heddle/sync'
export * from '@heddle/scheduler'
export * from '@heddle/executor'
