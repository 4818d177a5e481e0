// Package setup turns a request to federate Fly apps with AWS into a plan, and
// a plan into done work.
//
// The steps are functions of plain data:
//
//	Request + Facts → Resolve → Spec     complete: every ARN is known
//	Spec → Observe → State               what is there now
//	Spec + State → Diff → Plan           what has to change, and why
//	Plan → Apply → Report                done, failed, unreached
//	Plan → Verify → Findings, Proofs     read back, and tried on the live trust policy
//
// A [Resource] is the same type for what is there and what shall be. Resources
// live in a [Target]: an AWS account, a folder. This package does no I/O of its
// own; Observe, Apply and Verify do it through the targets.
package setup
