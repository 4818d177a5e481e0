// Exchanges tokens with Google's library, as the credential file says, and calls API with
// what it got: google.mjs EXCHANGES
import { GoogleAuth } from 'google-auth-library'
import { renewed } from './renewed.mjs'

const auth = new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' })
const client = await auth.getClient()
for (let i = 0; i < Number(process.argv[2]); i++) {
  await renewed(process.env.TOKEN_FILE)
  await client.request({ url: process.env.API })
}
