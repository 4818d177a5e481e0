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
	// shape is an example of what follows the account in an ARN; empty for before and
	// "name".
	shape string
	// regional says that the ARN has a region and an account; global, that it has only an
	// account.
	regional, global bool
	// problem says what is wrong with a name, or "".
	problem func(name string) string
	// problemInARN is for names that have another form in an ARN; nil for problem.
	problemInARN func(name string) string
	// trim and trimInARN, if not nil, are applied first to a name and to one in an ARN.
	trim, trimInARN func(name string) string
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
		switch {
		case k.regional:
			r.prefix += s.Region + ":" + s.Account + ":"
		case k.global:
			r.prefix += ":" + s.Account + ":"
		default:
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
	if k.trimInARN != nil {
		name = k.trimInARN(name)
	}
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
	case k.global && (parts[3] != "" || !digits(parts[4], 12)):
		return r, "its ARN has no region, and a 12-digit account: " + k.example()
	case !k.regional && !k.global && (parts[3] != "" || parts[4] != ""):
		return r, "the ARN of " + k.noun + " has no region and no account: " + k.example()
	}
	if reason := problem(name); reason != "" {
		return r, reason
	}
	r = resource{partition: parts[1], prefix: strings.Join(parts[:5], ":") + ":", name: name, whole: true}
	r.arn = r.prefix + k.before + name
	return r, ""
}

func (k kind) example() string {
	shape := k.shape
	if shape == "" {
		shape = k.before + "name"
	}
	switch {
	case k.regional:
		return "arn:aws:" + k.service + ":eu-central-1:111122223333:" + shape
	case k.global:
		return "arn:aws:" + k.service + "::111122223333:" + shape
	}
	return "arn:aws:" + k.service + ":::" + shape
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

// fifoNamed returns a check for the names of queues and topics, which end in .fifo for
// those that keep the order.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
// https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
func fifoNamed(noun string, longest int) func(string) string {
	return func(name string) string {
		base := strings.TrimSuffix(name, ".fifo")
		if base == "" {
			base = name
		}
		return named(noun, 1, longest, "-_")(base)
	}
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

// belowPath at the end of a parameter's name stands for all parameters below that path.
const belowPath = "/*"

// parameterProblem says what is wrong with the name of a parameter, or with a path that ends
// in belowPath. A name in a hierarchy begins with a slash.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func parameterProblem(name string) string {
	path := strings.TrimSuffix(name, belowPath)
	if reason := named("a parameter", 1, 1011, "/-_.")(path); reason != "" {
		return reason
	}
	switch {
	case path[0] != '/':
		return "the name of a parameter in a hierarchy begins with a slash: /prod/database"
	case strings.Contains(path, "//") || strings.HasSuffix(path, "/"):
		return "the name of a parameter has no empty part; all parameters below a path are /prod/web" + belowPath
	}
	return ""
}

// trimParameter adds the slash to a name without a hierarchy. The ARN is the same with and
// without it.
func trimParameter(name string) string {
	if name == "" || strings.Contains(name, "/") {
		return name
	}
	return "/" + name
}

// The parts before the ID or the name in the ARN of a KMS key and of an alias.
const (
	keyPart   = "key/"
	aliasPart = "alias/"
)

// keyProblem says what is wrong with key/<ID> or alias/<name>. The ID is a UUID, or "mrk-"
// and 32 hexadecimal digits.
// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
func keyProblem(name string) string {
	if alias, ok := strings.CutPrefix(name, aliasPart); ok {
		if strings.HasPrefix(alias, "aws/") {
			return "AWS manages the keys of alias/aws/; their own policies say who may use them"
		}
		return named("an alias", 1, 250, "/_-")(alias)
	}
	id, _ := strings.CutPrefix(name, keyPart)
	hex := strings.ReplaceAll(strings.TrimPrefix(id, "mrk-"), "-", "")
	if id == name || len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "give a KMS key by its ID, its ARN or an alias: 1234abcd-12ab-34cd-56ef-1234567890ab, alias/web"
	}
	return ""
}

// trimKey puts "key/" before an ID.
func trimKey(name string) string {
	if strings.HasPrefix(name, aliasPart) || strings.HasPrefix(name, keyPart) {
		return name
	}
	return keyPart + name
}

// functionProblem says what is wrong with <function> or <function>:<version or alias>.
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
func functionProblem(name string) string {
	function, qualifier, qualified := strings.Cut(name, ":")
	reason := named("a function", 1, 64, "-_")(function)
	if reason == "" && qualified {
		reason = named("a version or alias", 1, 128, "-_")(qualifier)
	}
	return reason
}

// distributionProblem says what is wrong with the ID of a distribution.
func distributionProblem(id string) string {
	if !plain(id, "") || id != strings.ToUpper(id) || len(id) > 64 {
		return "give the ID of a distribution, which has capital letters and digits: EDFDVBD6EXAMPLE"
	}
	return ""
}

// logGroupProblem says what is wrong with the name of a log group.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
var logGroupProblem = named("a log group", 1, 512, "_-/.#")

// trimLogGroup removes the end of the ARNs that CloudWatch Logs shows.
func trimLogGroup(name string) string { return strings.TrimSuffix(name, ":*") }

// roleProblem says what is wrong with the name of a role, which its path may precede.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func roleProblem(name string) string {
	i := strings.LastIndexByte(name, '/') + 1
	switch r := odd(name[:i], "/_+=,.@-"); {
	case r >= 0:
		return fmt.Sprintf("a role's path for this preset has letters, digits and _+=,.@-, not %q", r)
	case strings.HasPrefix(name, "/") || strings.Contains(name, "//"):
		return "write a role's path without its first slash: team/deploy"
	case i > 510:
		return "a role's path has at most 512 characters"
	}
	return named("a role", 1, 64, "_+=,.@-")(name[i:])
}
