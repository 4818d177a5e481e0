package setup

import "context"

// A Target is a place that holds resources: an AWS account, a folder.
type Target interface {
	// Read returns those of the wanted resources that exist, as they are now, in
	// any order; an absent one is left out. Read may run the reads in parallel.
	// For a desired resource only its identifying fields count, but a role's
	// MaxSession and Description need be filled only where the wanted role
	// mentions MaxSession (GetAccountAuthorizationDetails returns neither).
	Read(ctx context.Context, want []Resource) ([]Resource, error)

	// Write brings one resource from c.Before to c.After; for ActionCreate Before
	// is nil. It must not overwrite what is no longer equal to c.Before, and says
	// so with a *StaleError. A create whose answer was lost and that is found to
	// exist just as c.After wants it has succeeded. When ctx ends, the call in
	// flight is finished, since a write cut off leaves a state that nobody knows;
	// no other call, attempt or pause begins, and the error is ctx's. Write may be
	// called from several goroutines for different resources.
	Write(ctx context.Context, c Change) error
}

// Targets finds the target of a resource by its place.
type Targets map[Place]Target

// StaleError says that a resource is no longer as the plan found it.
type StaleError struct {
	// ID is the resource's, see Resource.ID.
	ID string
	// Reason is a short clause: "it was created meanwhile", "its value is now "x"".
	Reason string
}

func (e *StaleError) Error() string {
	return e.ID + " changed after the plan was made: " + e.Reason
}
