package permission

import (
	"cmp"
	"slices"
	"strings"
)

// A Level is what policies allow of a service, in steps.
type Level string

// The levels, from the least to the most.
const (
	Read  Level = "read"  // only actions whose names begin as those that read do
	Write Level = "write" // also others
	All   Level = "all"   // every action of the service
)

// An Ability is what policies allow of one service.
type Ability struct {
	// Service is the prefix of the actions: "s3"; "*" for every service.
	Service string
	Level   Level
	// Resources are the patterns of the statements, sorted; "*" for everything, or for
	// everything but some.
	Resources []string
	// Conditional says that every statement about the service has conditions.
	Conditional bool
}

// readVerbs begin the names of actions that only read, as AWS names them. Some that begin so
// do more, and others that read begin otherwise.
var readVerbs = []string{"get", "list", "describe", "batchget", "query", "scan", "head", "search", "view", "lookup", "check", "simulate", "select", "test"}

// Abilities returns what the Allow statements of policies allow, one Ability for each
// service, sorted; that for every service comes first. What is denied is not taken off.
func Abilities(policies []Policy) []Ability {
	found := map[string]*Ability{}
	add := func(action string, a Access) {
		service, name, ok := strings.Cut(strings.ToLower(action), ":")
		if !ok || strings.ContainsAny(service, "*?") {
			service, name = "*", "*"
		}
		b := found[service]
		if b == nil {
			b = &Ability{Service: service, Level: Read, Conditional: true}
			found[service] = b
		}
		b.Level = wider(b.Level, levelOf(name))
		b.Conditional = b.Conditional && a.Conditional
		b.Resources = append(b.Resources, a.Resources...)
		if a.NotResources != nil {
			b.Resources = append(b.Resources, "*")
		}
	}
	for _, p := range policies {
		for _, a := range p.Allows() {
			for _, action := range a.Actions {
				add(action, a)
			}
			if a.NotActions != nil {
				add("*", a)
			}
		}
	}
	var out []Ability
	for _, b := range found {
		slices.Sort(b.Resources)
		if b.Resources = slices.Compact(b.Resources); slices.Contains(b.Resources, "*") {
			b.Resources = []string{"*"}
		}
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Ability) int { return cmp.Compare(a.Service, b.Service) })
	return out
}

// levelOf is the level of an action's name, in lower case without its service.
func levelOf(name string) Level {
	switch {
	case strings.Trim(name, "*") == "":
		return All
	case slices.ContainsFunc(readVerbs, func(verb string) bool { return strings.HasPrefix(name, verb) }):
		return Read
	}
	return Write
}

func wider(a, b Level) Level {
	order := []Level{Read, Write, All}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
