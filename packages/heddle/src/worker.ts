/**
 * `heddle/worker` on servers: nothing, so that one module of tasks serves them and browsers. Their workers import the modules of the tasks
 * that they are given by themselves.
 */
export {}
