export const work = {
