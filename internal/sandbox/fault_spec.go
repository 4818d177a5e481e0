package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults are planned by specs and happen to the calls that follow. AWS and Fly are what a
// World's Fault and FlyFault want. The zero value is no faults; it is safe for concurrent use.
type Faults struct {
	mu      sync.Mutex
	planned []plannedFault
}

// A plannedFault is one spec.
type plannedFault struct {
	// service is "iam", "sts", "fly" or "" for both of AWS, action "" for all of the service.
	service, action string
	fault           FlyFault
	left            int // calls that it still happens to; negative for all
}

// Add plans a fault: KIND:WHERE[:TIMES]. It happens to all calls, or the first TIMES. If several
// are for a call, the first one that has calls left is taken.
//
// WHERE is "aws", "iam", "sts", "fly", or an action of AWS: "CreateRole", "iam:CreateRole". KIND
// is "throttle", "drop-before", "drop-after" or a delay such as "2s"; for AWS also "error" (status
// 500) or "deny" (AccessDenied); for Fly also "down" (status 503) or "page" (a proxy's web page).
func (f *Faults) Add(spec string) error {
	parts := strings.Split(spec, ":")
	p := plannedFault{left: -1}
	if last := len(parts) - 1; last > 1 {
		if n, err := strconv.Atoi(parts[last]); err == nil {
			if n < 1 {
				return fmt.Errorf("%q: it cannot happen %d times", spec, n)
			}
			p.left, parts = n, parts[:last]
		}
	}
	if len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("%q is not KIND:WHERE or KIND:WHERE:TIMES", spec)
	}
	if err := p.where(parts[1:]); err != nil {
		return fmt.Errorf("%q: %w", spec, err)
	}
	if err := p.kind(parts[0]); err != nil {
		return fmt.Errorf("%q: %w", spec, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = append(f.planned, p)
	return nil
}

// where sets the service and the action: of one or two words.
func (p *plannedFault) where(words []string) error {
	name := strings.Join(words, ":")
	if len(words) == 2 {
		p.service, p.action = words[0], words[1]
	} else {
		switch name {
		case "aws":
			return nil
		case "iam", "sts", "fly":
			p.service = name
			return nil
		}
		p.action = name
	}
	inIAM, inSTS := iamHandler(p.action) != nil, stsHandler(p.action) != nil
	if p.service == "iam" && inIAM || p.service == "sts" && inSTS || p.service == "" && (inIAM || inSTS) {
		return nil
	}
	return fmt.Errorf("the sandbox has no action %s; it can also be aws, iam, sts or fly", name)
}

// kind sets the fault.
func (p *plannedFault) kind(name string) error {
	kinds := map[string]FlyFault{
		"throttle": {Fault: Throttle()}, "error": {Fault: ServerError()}, "deny": {Fault: Deny()},
		"drop-before": {Fault: DropBefore()}, "drop-after": {Fault: DropAfter()},
	}
	if p.service == "fly" {
		kinds = map[string]FlyFault{
			"throttle": FlyThrottle(), "down": FlyDown(), "page": FlyWebPage(),
			"drop-before": {Fault: DropBefore()}, "drop-after": {Fault: DropAfter()},
		}
	}
	fault, ok := kinds[name]
	if !ok {
		delay, err := time.ParseDuration(name)
		if err != nil || delay <= 0 {
			return fmt.Errorf("the kind %s is not %s or a delay such as 2s", name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		fault = FlyFault{Fault: Latency(delay)}
	}
	p.fault = fault
	return nil
}

// AWS returns the fault of a call of AWS.
func (f *Faults) AWS(c Call) Fault {
	return f.next(func(p *plannedFault) bool {
		return (p.service == "" || p.service == c.Service) && (p.action == "" || p.action == c.Action)
	}).Fault
}

// Fly returns the fault of a call of Fly's API.
func (f *Faults) Fly(FlyCall) FlyFault {
	return f.next(func(p *plannedFault) bool { return p.service == "fly" })
}

// next takes the first fault that is for a call.
func (f *Faults) next(is func(*plannedFault) bool) FlyFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.planned {
		if p := &f.planned[i]; p.left != 0 && is(p) {
			p.left--
			return p.fault
		}
	}
	return FlyFault{}
}
