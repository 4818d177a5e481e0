package wizard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/region"
)

// noRegion is the answer for no region.
const noRegion = "-"

// region asks for the AWS region, if it has to be written or a preset needs it.
func (iv *Interview) region(ctx context.Context, a *answers) error {
	if a.Region != "" {
		return nil
	}
	write := false
	for _, app := range a.Apps {
		c := a.configAt(app.Config)
		write = write || c != nil && c.AWSRegion == ""
	}
	required := slices.ContainsFunc(a.newPresets(), func(c presetAnswer) bool { return c.preset.NeedsRegion(c.answer) })
	if !write && !required {
		return nil
	}
	q := question{
		name: "AWS region", title: "Which AWS region?", kind: choose, search: true, open: true,
		why: "Fly does not set AWS_REGION, and the AWS SDKs need a region.",
		check: func(answer []string) error {
			if answer[0] == noRegion && !required {
				return nil
			}
			return a.checkRegion(answer[0])
		},
	}
	if !write {
		q.why = "The region of the resources that the policy names."
	}
	suggested := iv.suggestedRegions(a)
	var sources []string
	for _, s := range suggested {
		q.options = append(q.options, regionOption(s.name))
		sources = append(sources, s.source)
	}
	if len(suggested) > 0 {
		q.initial = []string{suggested[0].name}
		q.why += " Suggested: " + strings.Join(sources, "; then ") + "."
	}
	if !required {
		q.options = append(q.options, option{label: "none for now", value: noRegion, name: "none", keywords: "skip later"})
	}
	for _, r := range region.All() {
		isSuggested := slices.ContainsFunc(suggested, func(s suggestedRegion) bool { return s.name == r.Name })
		if !isSuggested && (a.id.Partition == "" || r.Partition == a.id.Partition) {
			q.options = append(q.options, regionOption(r.Name))
		}
	}
	name, err := iv.askOne(ctx, q)
	if err != nil || name == noRegion {
		return err
	}
	a.Region = name
	return nil
}

// checkRegion says what is wrong with the name of a region.
func (a *answers) checkRegion(name string) error {
	if _, err := region.Check(name); err != nil {
		return err
	}
	if in := region.PartitionOf(name); a.id.Partition != "" && in != a.id.Partition {
		err := fmt.Errorf("it is in the partition %s, and the account is in %s", in, a.id.Partition)
		for _, r := range region.All() {
			if r.Partition == a.id.Partition {
				return fmt.Errorf("%w: type one such as %s", err, r.Name)
			}
		}
		return err
	}
	return nil
}

// A suggestedRegion is a region and why it is suggested.
type suggestedRegion struct{ name, source string }

// suggestedRegions returns the regions to suggest, the best first: the one that a config
// file already has, the one of the AWS configuration, and the one near an app. They are in
// the account's partition.
func (iv *Interview) suggestedRegions(a *answers) []suggestedRegion {
	var current, near []suggestedRegion
	for _, app := range a.Apps {
		c := a.configAt(app.Config)
		switch {
		case c == nil:
		case c.AWSRegion != "":
			current = append(current, suggestedRegion{c.AWSRegion, "from " + iv.options.clean(c.Path)})
		default:
			near = append(near, suggestedRegion{region.NearestTo(c.PrimaryRegion), "nearest to the app's primary region, " + c.PrimaryRegion})
		}
	}
	configured := suggestedRegion{a.id.Region, "from your AWS configuration"}
	var suggested []suggestedRegion
	for _, s := range slices.Concat(current, []suggestedRegion{configured}, near) {
		twice := slices.ContainsFunc(suggested, func(other suggestedRegion) bool { return other.name == s.name })
		if !twice && a.checkRegion(s.name) == nil {
			suggested = append(suggested, s)
		}
	}
	return suggested
}

// regionOption shows a region by its name and description, and finds it by Fly's regions
// nearby too.
func regionOption(name string) option {
	o := option{label: name, value: name, name: name}
	for _, r := range region.All() {
		if r.Name == name {
			o.label += ": " + r.Description
			o.keywords = strings.Join(r.Fly(), " ")
		}
	}
	return o
}
