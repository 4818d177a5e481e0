// Package operator makes the IAM policies of those who run fly-aws: for each job the calls
// that it makes, on the resources of one organization, and no more.
//
// Names alone do not tell organizations apart: fly-acme-* matches the roles of acme-staging
// too. So every statement that changes something requires the tag fly-aws:org, of the
// request for what is created, and of the resource for what exists.
//
// Which condition keys an action has, and for which actions IAM knows no resources, is in
// the Service Authorization Reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
package operator
