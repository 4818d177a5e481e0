package region

import "slices"

// near maps Fly's regions (https://fly.io/docs/reference/regions/, and those in older
// configs) to the nearest AWS region that is enabled by default. It omits opt-in regions,
// where STS refuses requests until the account opts in, and Fly regions without an AWS
// region nearby.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var near = map[string][]string{
	"us-east-1":      {"iad", "ewr", "bos", "atl", "mia"},
	"us-east-2":      {"ord", "dfw"},
	"us-west-1":      {"sjc", "lax", "phx"},
	"us-west-2":      {"sea", "den"},
	"ca-central-1":   {"yyz", "yul"},
	"sa-east-1":      {"gru", "gig", "eze", "scl"},
	"eu-west-2":      {"lhr"},
	"eu-west-3":      {"cdg", "mad"},
	"eu-central-1":   {"fra", "ams", "waw", "otp"},
	"eu-north-1":     {"arn"},
	"ap-south-1":     {"bom"},
	"ap-southeast-1": {"sin"},
	"ap-southeast-2": {"syd"},
	"ap-northeast-1": {"nrt"},
}

// NearestTo returns the AWS region nearest to a region of Fly, such as "fra"; "" if none is
// near.
func NearestTo(fly string) string {
	for name, codes := range near {
		if slices.Contains(codes, fly) {
			return name
		}
	}
	return ""
}

// Fly returns the regions of Fly that the region is the nearest to.
func (r Region) Fly() []string { return near[r.Name] }
