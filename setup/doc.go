// Package setup plans and applies access to AWS for Fly apps, and its removal.
//
// A [World] is what the package works on: an AWS account, Fly, and the folder with the
// fly.toml files. [World.Plan] reads the current state and calls [Resolve], which makes
// the plan for a [Request] from plain data. [World.PlanDestroy] makes a plan that
// removes what earlier plans created. [World.Apply] writes either kind, reads it back
// and evaluates the live trust policies.
//
// A [Resource] describes both current and desired state. All I/O goes through the
// interfaces that a World holds.
package setup
