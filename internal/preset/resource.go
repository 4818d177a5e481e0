package preset

import (
	"fmt"
	"strings"
)

// A kind is a kind of resource: the forms of its ARN and names.
type kind struct {
	// noun names it in errors.
	noun string
	// service and before are parts of its ARN: arn:<partition>:<service>:…:<before><name>.
	service, before string
	// regional says that the ARN has a region and an account.
	regional bool
	// problem says what is wrong with a name, or "".
	problem func(name string) string
	// problemInARN is for names that have another form in an ARN; nil for problem.
	problemInARN func(name string) string
	// trim, if not nil, is applied to a name first.
	trim func(answer string) string
}

// A resource is what an answer names.
type resource struct {
	partition string
	// prefix is the ARN up to and including its last colon before the kind's own part.
	prefix string
	// arn is the whole ARN.
	arn string
	// name is the part of the ARN after kind.before.
	name string
	// whole says that the answer was an ARN.
	whole bool
}

// read makes a resource from an answer: an ARN, or a name in the scope. reason is a clause
// if the answer is wrong.
func (k kind) read(answer string, s Scope) (r resource, reason string) {
	if !strings.HasPrefix(answer, "arn:") {
		name := answer
		if k.trim != nil {
			name = k.trim(name)
		}
		if reason := k.problem(name); reason != "" {
			return r, reason
		}
		r = resource{partition: s.Partition, prefix: "arn:" + s.Partition + ":" + k.service + ":", name: name}
		if k.regional {
			r.prefix += s.Region + ":" + s.Account + ":"
		} else {
			r.prefix += "::"
		}
		r.arn = r.prefix + k.before + name
		return r, ""
	}
	parts := strings.SplitN(answer, ":", 6)
	if len(parts) != 6 {
		return r, "an ARN has six parts: " + k.example()
	}
	name, ok := strings.CutPrefix(parts[5], k.before)
	problem := k.problem
	if k.problemInARN != nil {
		problem = k.problemInARN
	}
	switch {
	case !isPartition(parts[1]):
		return r, fmt.Sprintf("unknown partition %q", parts[1])
	case parts[2] != k.service || !ok:
		return r, "the ARN of " + k.noun + " looks like " + k.example()
	case k.regional && (!plain(parts[3], "-") || !digits(parts[4], 12)):
		return r, "its ARN lacks the region or the 12-digit account: " + k.example()
	case !k.regional && (parts[3] != "" || parts[4] != ""):
		return r, "the ARN of " + k.noun + " has no region and no account: " + k.example()
	}
	if reason := problem(name); reason != "" {
		return r, reason
	}
	return resource{
		partition: parts[1],
		prefix:    strings.Join(parts[:5], ":") + ":",
		arn:       answer,
		name:      name,
		whole:     true,
	}, ""
}

func (k kind) example() string {
	if k.regional {
		return "arn:aws:" + k.service + ":eu-central-1:111122223333:" + k.before + "name"
	}
	return "arn:aws:" + k.service + ":::" + k.before + "name"
}

// isPartition says whether p looks like the name of an AWS partition: aws, aws-us-gov.
func isPartition(p string) bool {
	rest, ok := strings.CutPrefix(p, "aws")
	return ok && (rest == "" || rest[0] == '-' && plain(rest, "-"))
}

func digits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789") == ""
}

// plain says whether s consists of ASCII letters, digits and marks and is not empty.
func plain(s, marks string) bool { return s != "" && odd(s, marks) < 0 }

// odd returns the first rune of s that is not an ASCII letter, digit or mark, or -1.
func odd(s, marks string) rune {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
		case strings.ContainsRune(marks, r):
		default:
			return r
		}
	}
	return -1
}

// named returns a check for names of letters, digits and marks.
func named(noun string, shortest, longest int, marks string) func(string) string {
	return func(name string) string {
		switch r := odd(name, marks); {
		case name == "":
			return "the name of " + noun + " is needed"
		case r >= 0:
			return fmt.Sprintf("the name of %s has letters, digits and %s, not %q", noun, marks, r)
		case len(name) < shortest || len(name) > longest:
			return fmt.Sprintf("the name of %s has %d to %d characters, not %d", noun, shortest, longest, len(name))
		}
		return ""
	}
}

// prefixMarks are the marks allowed in an S3 prefix: those without a meaning in a policy
// (no * ? $).
const prefixMarks = "-_.=@,:/+"

// bucketProblem says what is wrong with <bucket> or <bucket>/<prefix>.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func bucketProblem(name string) string {
	bucket, prefix, _ := strings.Cut(name, "/")
	if reason := named("a bucket", 3, 63, ".-")(bucket); reason != "" {
		return reason
	}
	if bucket != strings.ToLower(bucket) {
		return "the name of a bucket has no capital letters"
	}
	if strings.Trim(bucket, ".-") != bucket || strings.Contains(bucket, "..") {
		return "the name of a bucket begins and ends with a letter or digit, and has no two dots together"
	}
	switch r := odd(prefix, prefixMarks); {
	case r >= 0:
		return fmt.Sprintf("a prefix for this preset has letters, digits and %s, not %q", prefixMarks, r)
	case strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//"):
		return "a prefix has no empty part"
	case len(prefix) > 512:
		return "a prefix for this preset has at most 512 characters"
	}
	return ""
}

// trimBucket removes the s3:// of a copied URL.
func trimBucket(answer string) string {
	return strings.TrimSuffix(strings.TrimPrefix(answer, "s3://"), "/")
}

// queueProblem says what is wrong with the name of a queue.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
func queueProblem(name string) string {
	base := strings.TrimSuffix(name, ".fifo")
	if base == "" {
		base = name
	}
	return named("a queue", 1, 80, "-_")(base)
}

// identityProblem says what is wrong with a verified domain or address.
func identityProblem(name string) string {
	if reason := named("an SES identity", 3, 320, ".-_+@")(name); reason != "" {
		return reason
	}
	_, domain, address := strings.Cut(name, "@")
	if !address {
		domain = name
	}
	if !strings.Contains(domain, ".") || strings.Contains(domain, "@") || strings.Trim(domain, ".-") != domain || name[0] == '@' {
		return "it is neither a domain nor an address: example.com, mail@example.com"
	}
	return ""
}

// secretSuffix is how many random characters end a secret's ARN, after a dash.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/getting-started.html
const secretSuffix = 6

var secretProblem = named("a secret", 1, 512, "/_+=.@-")

func secretARNProblem(name string) string {
	i := len(name) - secretSuffix - 1
	if i < 1 || name[i] != '-' || !plain(name[i+1:], "") {
		return "the ARN of a secret ends in a dash and six random characters; give the whole ARN or the name"
	}
	return secretProblem(name)
}

// repositoryProblem says what is wrong with the name of a repository (ECR API reference,
// CreateRepository).
func repositoryProblem(name string) string {
	if reason := named("a repository", 2, 256, "-_./")(name); reason != "" {
		return reason
	}
	if name != strings.ToLower(name) || strings.Trim(name, "-_./") != name {
		return "the name of a repository has no capital letters, and begins and ends with a letter or digit"
	}
	return ""
}
