// Exchanges tokens with @anthropic-ai/sdk, by the environment alone or with the client of
// the module MINT: claude.mjs EXCHANGES. Access tokens end at once, so that each call
// exchanges.
import Anthropic from '@anthropic-ai/sdk'
import { renewed } from './renewed.mjs'

const client = process.env.MINT ? (await import(process.env.MINT)).client : new Anthropic({ maxRetries: 0 })
for (let i = 0; i < Number(process.argv[2]); i++) {
  await renewed(process.env.TOKEN_FILE)
  await client.models.list()
}
