package region_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/region"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, partition string
		known           bool
		reason          string // of the error; empty for none
	}{
		{"eu-central-1", "aws", true, ""},
		{"us-gov-west-1", "aws-us-gov", true, ""},
		{"cn-northwest-1", "aws-cn", true, ""},
		{"eusc-de-east-1", "aws-eusc", true, ""},
		{"us-isob-east-1", "aws-iso-b", true, ""},
		{"eu-west-9", "aws", false, ""},
		{"eu-centrall-1", "aws", false, ""},
		{"us-gov-central-1", "aws-us-gov", false, ""},
		{"eu-central", "", false, "did you mean eu-central-1 or eu-central-2?"},
		{"eu-central-1a", "", false, "did you mean eu-central-1?"},
		{"EU-West-2", "", false, "did you mean eu-west-2?"},
		{"eu_west_2", "", false, "did you mean eu-west-2?"},
		{"us-west", "", false, "did you mean us-west-1 or us-west-2?"},
		{"eu-west", "", false, "did you mean eu-west-1, eu-west-2 or eu-west-3?"},
		{"frankfurt", "", false, "did you mean eu-central-1?"},
		{"N. Virginia", "", false, "did you mean us-east-1?"},
		{"fra", "", false, "did you mean eu-central-1?"},
		{"nrt", "", false, "did you mean ap-northeast-1?"},
		{"europe", "", false, "one looks like eu-central-1"},
		{"auto", "", false, "one looks like eu-central-1"},
		{"aws-global", "", false, "one looks like eu-central-1"},
		{"", "", false, "one looks like eu-central-1"},
		{"*", "", false, "one looks like eu-central-1"},
		{"eu-*-1", "", false, "one looks like eu-central-1"},
		{"eu-west-1\n", "", false, "did you mean eu-west-1?"},
		{"eu-" + strings.Repeat("a", 40) + "-1", "", false, "one looks like eu-central-1"},
	} {
		known, err := region.Check(tt.name)
		var invalid *region.NameError
		switch {
		case known != tt.known || region.PartitionOf(tt.name) != tt.partition:
			t.Errorf("%q: known is %v, the partition %q", tt.name, known, region.PartitionOf(tt.name))
		case tt.reason == "" && err != nil:
			t.Errorf("%q: %v", tt.name, err)
		case tt.reason != "" && (!errors.As(err, &invalid) || !strings.HasSuffix(invalid.Reason, tt.reason) || !strings.HasSuffix(err.Error(), tt.reason)):
			t.Errorf("%q: %v, want a reason that ends in %q", tt.name, err, tt.reason)
		}
	}
}

// TestAll: every listed region is sound, and the list is in order.
func TestAll(t *testing.T) {
	t.Parallel()
	all := region.All()
	if len(all) < 30 || all[0].Partition != "aws" {
		t.Fatalf("there are %d regions: %+v", len(all), all)
	}
	if !slices.IsSortedFunc(all, func(a, b region.Region) int {
		return strings.Compare(a.Partition+" "+a.Name, b.Partition+" "+b.Name)
	}) {
		t.Error("they are not sorted by partition and name")
	}
	for _, r := range all {
		if known, err := region.Check(r.Name); !known || err != nil || region.PartitionOf(r.Name) != r.Partition || r.Description == "" {
			t.Errorf("%+v: known is %v, %v, its partition %q", r, known, err, region.PartitionOf(r.Name))
		}
	}
	all[0].Name = "changed"
	if region.All()[0].Name == "changed" {
		t.Error("All returns the table itself")
	}
}

func TestNearestTo(t *testing.T) {
	t.Parallel()
	all := region.All()
	for fly := range strings.FieldsSeq("iad ewr bos atl mia ord dfw sjc lax phx sea den yyz yul gru gig eze scl lhr cdg mad fra ams waw otp arn bom sin syd nrt") {
		near := region.NearestTo(fly)
		if i := slices.IndexFunc(all, func(r region.Region) bool { return r.Name == near }); i < 0 || !slices.Contains(all[i].Fly(), fly) {
			t.Errorf("near %s is %q", fly, near)
		}
	}
	if got := region.NearestTo("xyz"); got != "" {
		t.Errorf("near nowhere is %q", got)
	}
}
