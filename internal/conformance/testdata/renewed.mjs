// renewed waits until a file has other content than when it was last called. Without a file
// it does not wait.
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

let last = ''

export async function renewed(file) {
  if (!file) return
  for (;;) {
    const text = await readFile(file, 'utf8')
    if (text !== last) {
      last = text
      return
    }
    await setTimeout(20)
  }
}
