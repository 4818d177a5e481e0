// Package preset makes permissions policies from one answer: the name of a
// bucket, a queue, a table.
//
// Each [Preset] allows what its title says on that one resource and nothing
// else. An answer is the resource's name or its ARN. It is checked character by
// character, so that no wildcard, policy variable or second ARN comes in with it.
//
// The actions and the resources they can be limited to are those of the Service
// Authorization Reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/); the
// table names the page of each service.
package preset
