// Reads an array of requests from standard input and prints what iam-simulate makes of each,
// given a trust policy or one that trusts the principal, one policy of AWS Organizations or
// none, and nothing else that denies: "Allowed", "ExplicitlyDenied" or "ImplicitlyDenied".
// NODE_PATH says where the package is.
//
// It is runUnsafeSimulation because runSimulation drops the claims of issuers that AWS's
// list of condition keys does not name, as it names no issuer of a user's own.
const { readFileSync } = require('node:fs')
const { runUnsafeSimulation } = require('@cloud-copilot/iam-simulate')
const { createValidatedPolicy, ...validators } = require('@cloud-copilot/iam-policy')

// The validators check which elements each kind of policy may have.
function valid(kind, document) {
  const policy = createValidatedPolicy(document, validators[`validate${kind}`], { name: kind })
  if (policy.errors.length > 0) {
    throw new Error(`${kind}: ${JSON.stringify(policy.errors)}`)
  }
  return { name: kind, policy }
}

const statement = (fields) => ({ Version: '2012-10-17', Statement: { Effect: 'Allow', ...fields } })
const everything = statement({ Action: '*', Resource: '*' })

function verdict({ principal, action, resource, context, trust, rcp, scp }) {
  const federated = principal.includes(':oidc-provider/')
  // A policy that is given may be one that IAM refuses.
  const resourcePolicy = trust
    ? createValidatedPolicy(trust, () => [], { name: 'TrustPolicy' })
    : action.startsWith('sts:')
      ? valid('TrustPolicy', statement({ Action: action, Principal: { [federated ? 'Federated' : 'AWS']: principal } })).policy
      : undefined
  const organization = (kind, full, document) => ({
    orgIdentifier: 'o-example',
    policies: [{ name: 'full access', policy: full }, ...(document ? [valid(kind, document)] : [])],
  })
  return runUnsafeSimulation({
    request: { principal, action, resource: { resource, accountId: resource.split(':')[4] }, contextVariables: context },
    identityPolicies: federated ? [] : [valid('IdentityPolicy', everything)],
    resourcePolicy,
    serviceControlPolicies: federated ? [] : [organization('ServiceControlPolicy', everything, scp)],
    resourceControlPolicies: [organization('ResourceControlPolicy', statement({ Principal: '*', Action: '*', Resource: '*' }), rcp)],
  })
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(verdict)))
