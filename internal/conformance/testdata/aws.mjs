// Calls STS with the credentials of the endpoint that exec --serve names, and prints who AWS
// says it is and with which key, each time the SDK has another: aws.mjs CALLS
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { setTimeout } from 'node:timers/promises'

const client = new STSClient()
let last
for (let i = 0; i < Number(process.argv[2]); i++) {
  let key
  while ((key = (await client.config.credentials()).accessKeyId) === last) await setTimeout(20)
  last = key
  const { Arn } = await client.send(new GetCallerIdentityCommand())
  console.log(Arn, key)
}
