// Package region knows the AWS regions and the partitions that they are in, as the AWS SDK
// lists them, and which of them is near a region of Fly.
//
// AWS adds regions, so a name that is not listed may be right if it has the form of a
// partition's names.
package region

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"

	"github.com/fly-aws/fly-aws/internal/text"
)

//go:generate go test . -run ^TestTable$ -update

// A Region is an AWS region.
type Region struct {
	// Name is its name: "eu-central-1".
	Name string
	// Description says where it is: "Europe (Frankfurt)".
	Description string
	// Partition is the AWS partition that it is in: "aws".
	Partition string
}

// A partition is a partition of the table.
type partition struct {
	name string
	// pattern is a regular expression that the names of its regions match, also those of
	// regions to come.
	pattern string
	// regions are its regions, sorted by name.
	regions []Region
}

// All returns the listed regions by partition, and within one by name. The partition "aws"
// comes first.
func All() []Region {
	var all []Region
	for _, p := range partitions {
		all = append(all, p.regions...)
	}
	return all
}

// A NameError says why a name cannot be that of an AWS region.
type NameError struct {
	// Name is the name as given.
	Name string
	// Reason is a clause, with similar names of regions if there are any.
	Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("region %s cannot be used: %s", text.Quote(e.Name), e.Reason)
}

// Check returns a *NameError if name does not have the form of a region's name in any
// partition. known says that the region is listed.
func Check(name string) (known bool, err error) {
	if PartitionOf(name) == "" {
		reason := "no AWS region looks like that; one looks like eu-central-1"
		if similar := Similar(name); len(similar) > 0 {
			reason = "no AWS region looks like that; did you mean " + either(similar) + "?"
		}
		return false, &NameError{Name: name, Reason: reason}
	}
	return slices.ContainsFunc(All(), func(r Region) bool { return r.Name == name }), nil
}

// either joins names: "a, b or c".
func either(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// maxName is far beyond any name that AWS uses.
const maxName = 32

// patterns are the patterns of the partitions, compiled once they are needed.
var patterns = sync.OnceValue(func() []*regexp.Regexp {
	var compiled []*regexp.Regexp
	for _, p := range partitions {
		compiled = append(compiled, regexp.MustCompile(p.pattern))
	}
	return compiled
})

// PartitionOf returns the partition of a region, listed or not, by the form of its name: ""
// if no partition has such names.
func PartitionOf(name string) string {
	if len(name) > maxName || name != strings.ToLower(name) { // which the patterns allow
		return ""
	}
	i := slices.IndexFunc(patterns(), func(pattern *regexp.Regexp) bool { return pattern.MatchString(name) })
	if i < 0 {
		return ""
	}
	return partitions[i].name
}

const (
	// maxSimilar is how many similar names can be looked through at a glance.
	maxSimilar = 3
	// maxEdits is how many letters a similar name may differ by.
	maxEdits = 3
	// minPlace is the minimum length of a part of a description: shorter ones are in too
	// many.
	minPlace = 4
)

// Similar returns up to three listed regions that name may stand for: the one near a region
// of Fly ("fra"), those with the most similar names ("eu-central", "eu-central-1a"), or those
// at a place ("frankfurt").
func Similar(name string) []string {
	name = strings.ToLower(strings.TrimSpace(name))
	if near := NearestTo(name); near != "" {
		return []string{near}
	}
	var places, similar []string
	fewest := maxEdits
	for _, r := range All() {
		if len(name) >= minPlace && strings.Contains(strings.ToLower(r.Description), name) {
			places = append(places, r.Name)
		}
		if len(name) > maxName {
			continue
		}
		switch n := levenshtein.ComputeDistance(name, r.Name); {
		case n < fewest:
			fewest, similar = n, []string{r.Name}
		case n == fewest:
			similar = append(similar, r.Name)
		}
	}
	for _, found := range [][]string{similar, places} {
		if len(found) > 0 && len(found) <= maxSimilar {
			return found
		}
	}
	return nil
}
