// Exchanges tokens with @azure/identity, by the environment alone, with one credential
// object: azure.mjs EXCHANGES. That keeps what it read for five minutes, so its clock is set
// forward between the exchanges.
import { WorkloadIdentityCredential } from '@azure/identity'
import { renewed } from './renewed.mjs'

const clock = Date.now
let ahead = 0
Date.now = () => clock() + ahead

const credential = new WorkloadIdentityCredential({ disableInstanceDiscovery: true })
for (let i = 0; i < Number(process.argv[2]); i++) {
  await renewed(process.env.TOKEN_FILE)
  const { token } = await credential.getToken('https://vault.azure.net/.default')
  const answer = await fetch(process.env.API, { headers: { Authorization: `Bearer ${token}` } })
  if (!answer.ok) throw new Error(`the API answers ${answer.status}`)
  ahead += 6 * 60 * 1000
}
