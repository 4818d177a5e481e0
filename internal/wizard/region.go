package wizard

// nearestRegion maps Fly's regions (https://fly.io/docs/reference/regions/, and those in
// older configs) to the nearest AWS region that is enabled by default. It omits opt-in
// regions, where STS refuses requests until the account opts in, and Fly regions without
// an AWS region nearby.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
func nearestRegion(fly string) string {
	switch fly {
	case "iad", "ewr", "bos", "atl", "mia":
		return "us-east-1"
	case "ord", "dfw":
		return "us-east-2"
	case "sjc", "lax", "phx":
		return "us-west-1"
	case "sea", "den":
		return "us-west-2"
	case "yyz", "yul":
		return "ca-central-1"
	case "gru", "gig", "eze", "scl":
		return "sa-east-1"
	case "lhr":
		return "eu-west-2"
	case "cdg", "mad":
		return "eu-west-3"
	case "fra", "ams", "waw", "otp":
		return "eu-central-1"
	case "arn":
		return "eu-north-1"
	case "bom":
		return "ap-south-1"
	case "sin":
		return "ap-southeast-1"
	case "syd":
		return "ap-southeast-2"
	case "nrt":
		return "ap-northeast-1"
	}
	return ""
}
