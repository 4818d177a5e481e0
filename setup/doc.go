// Package setup turns a request to give Fly apps access to AWS into a plan, and a
// plan into done work, in both directions.
//
// A [World] is what a job works on: an AWS account, Fly, the folder with the
// fly.toml files. [World.Plan] asks it what is there and calls [Resolve], which
// makes the whole plan of a [Request] from plain data. [World.PlanDestroy] makes a
// plan that takes away what earlier plans made. [World.Apply] writes either kind,
// reads it back and tries the live trust policies.
//
// A [Resource] is the same type for what is there and for what is to be. This
// package does no I/O of its own; it does it through the interfaces that a World
// holds.
package setup
