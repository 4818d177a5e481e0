// Package preset makes least-privilege policies from one answer: the name of a bucket, a
// queue, a table.
//
// Each [Preset] allows what its title says on one resource. The answer is the resource's
// name or ARN. Every character of it is checked, so that it cannot contain a wildcard, a
// policy variable or a second ARN.
//
// Actions and their resources are from the Service Authorization Reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/); the table names
// the page of each service.
package preset
