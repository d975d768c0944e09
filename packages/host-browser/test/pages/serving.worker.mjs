import '@heddle/browser/worker'
import './tasks.mjs'
