/** What `heddle` exports on every host. */
export * from '@heddle/atomics'
export * from '@heddle/park'
export * from '@heddle/cancel'
export * from '@heddle/sync'
export * from '@heddle/channel'
export * from '@heddle/scheduler'
export * from '@heddle/executor'
