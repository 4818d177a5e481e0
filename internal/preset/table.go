package preset

import "strings"

// table returns the presets. Each names its page of the Service Authorization Reference,
// which lists the resource ARNs for each action.
//
// The hints say when a KMS key is used on the caller's behalf:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html,
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html,
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html and
// https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html.
func table() []Preset {
	bucket := kind{noun: "a bucket", service: "s3", problem: bucketProblem, trim: trimBucket}
	queue := kind{noun: "a queue", service: "sqs", regional: true, problem: fifoNamed("a queue", 80)}
	key := kind{
		noun: "a KMS key", service: "kms", shape: keyPart + "1234abcd-12ab-34cd-56ef-1234567890ab", regional: true,
		problem: keyProblem, trim: trimKey,
	}
	return []Preset{
		{ // list_amazons3.html
			Name: "s3-read", Title: "read one S3 bucket or prefix",
			Question: "which bucket, or bucket/prefix", Example: "my-bucket/uploads",
			Hint:     "If the bucket is encrypted with a KMS key of yours, add kms-decrypt.",
			Keywords: []string{"download", "file", "object", "storage"},
			kind:     bucket,
			statements: func(r resource) []statement {
				return []statement{listBucket(r), allow("ReadObjects", []string{"s3:GetObject"}, objects(r))}
			},
		},
		{ // list_amazons3.html
			Name: "s3-write", Title: "read and write one S3 bucket or prefix",
			Question: "which bucket, or bucket/prefix", Example: "my-bucket/uploads",
			Hint:     "If the bucket is encrypted with a KMS key of yours, add kms-encrypt.",
			Keywords: []string{"upload", "file", "object", "storage", "backup", "delete"},
			kind:     bucket,
			statements: func(r resource) []statement {
				return []statement{listBucket(r), allow("ReadAndWriteObjects", []string{
					"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
				}, objects(r))}
			},
		},
		{ // list_amazonsqs.html; SendMessage covers SendMessageBatch
			Name: "sqs-send", Title: "send to one SQS queue",
			Question: "which queue", Example: "jobs",
			Hint:     "If the queue is encrypted with a KMS key of yours, add kms-encrypt.",
			Keywords: []string{"enqueue", "job", "message", "producer"},
			kind:     queue,
			statements: func(r resource) []statement {
				return []statement{allow("SendMessages", []string{"sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"}, r.arn)}
			},
		},
		{ // list_amazonsqs.html; the batch calls need no other actions
			Name: "sqs-receive", Title: "receive from one SQS queue",
			Question: "which queue", Example: "jobs",
			Hint:     "If the queue is encrypted with a KMS key of yours, add kms-decrypt.",
			Keywords: []string{"dequeue", "job", "message", "consumer", "worker", "delete"},
			kind:     queue,
			statements: func(r resource) []statement {
				return []statement{allow("ReceiveMessages", []string{
					"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
					"sqs:GetQueueUrl", "sqs:GetQueueAttributes",
				}, r.arn)}
			},
		},
		{ // list_amazonsns.html; Publish covers PublishBatch
			Name: "sns-publish", Title: "publish to one SNS topic",
			Question: "which topic", Example: "signups",
			Hint:     "If the topic is encrypted with a KMS key of yours, add kms-encrypt.",
			Keywords: []string{"notification", "notify", "event", "message", "pubsub"},
			kind:     kind{noun: "a topic", service: "sns", regional: true, problem: fifoNamed("a topic", 256)},
			statements: func(r resource) []statement {
				return []statement{allow("PublishMessages", []string{"sns:Publish"}, r.arn)}
			},
		},
		{ // list_amazondynamodb.html; of these, only Query and Scan take an index
			Name: "dynamodb-table", Title: "read and write one DynamoDB table",
			Question: "which table", Example: "orders",
			Keywords: []string{"database", "nosql"},
			kind:     kind{noun: "a table", service: "dynamodb", before: "table/", regional: true, problem: named("a table", 3, 255, "_.-")},
			statements: func(r resource) []statement {
				return []statement{
					allow("UseTable", []string{
						"dynamodb:DescribeTable",
						"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem",
						"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
					}, r.arn),
					allow("ReadTableAndIndexes", []string{"dynamodb:Query", "dynamodb:Scan"}, r.arn, r.arn+"/index/*"),
				}
			},
		},
		{ // list_amazonbedrock.html
			Name: "bedrock-invoke", Title: "invoke one Bedrock model",
			Question: "which model, or inference profile", Example: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
			Keywords:   []string{"claude", "anthropic", "ai", "llm", "nova", "llama"},
			kind:       kind{noun: "a model", service: "bedrock", regional: true, problem: named("a model", 3, 256, "-._:"), problemInARN: modelARNProblem},
			statements: invokeModel,
		},
		{ // list_amazonsimpleemailservicev2.html
			Name: "ses-send", Title: "send mail through SES from one identity",
			Question: "which verified domain or address", Example: "example.com",
			Keywords: []string{"email", "smtp"},
			kind:     kind{noun: "an SES identity", service: "ses", before: "identity/", regional: true, problem: identityProblem},
			statements: func(r resource) []statement {
				return []statement{allow("SendMail", []string{"ses:SendEmail", "ses:SendRawEmail"}, r.arn)}
			},
		},
		{ // list_awssecretsmanager.html
			Name: "secret-read", Title: "read one secret of Secrets Manager",
			Question: "which secret", Example: "prod/database",
			Hint:     "If the secret is encrypted with a KMS key of yours, add kms-decrypt.",
			Keywords: []string{"password", "credential", "secretsmanager"},
			kind: kind{
				noun: "a secret", service: "secretsmanager", before: "secret:", regional: true,
				problem: secretProblem, problemInARN: secretARNProblem,
			},
			statements: func(r resource) []statement {
				if !r.whole {
					// Six random characters end the ARN. Unlike an asterisk, six question marks
					// do not match longer names.
					r.arn += "-" + strings.Repeat("?", secretSuffix)
				}
				return []statement{allow("ReadSecret", []string{"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"}, r.arn)}
			},
		},
		{ // list_awssystemsmanager.html
			Name: "ssm-read", Title: "read one parameter of Parameter Store, or a path",
			Question: "which parameter, or path/*", Example: "/prod/web/*",
			Hint:     "For a SecureString under a KMS key of yours, add kms-decrypt.",
			Keywords: []string{"systems", "manager", "config", "configuration", "securestring"},
			kind: kind{
				noun: "a parameter", service: "ssm", before: "parameter", shape: "parameter/name", regional: true,
				problem: parameterProblem, trim: trimParameter,
			},
			statements: func(r resource) []statement {
				read := allow("ReadParameters", []string{"ssm:GetParameter", "ssm:GetParameters"}, r.arn)
				path, below := strings.CutSuffix(r.arn, belowPath)
				if !below {
					return []statement{read}
				}
				// GetParametersByPath is called on the path, and returns what is below it.
				return []statement{read, allow("ReadPath", []string{"ssm:GetParametersByPath"}, path, r.arn)}
			},
		},
		{ // list_awskeymanagementservice.html
			Name: "kms-decrypt", Title: "decrypt with one KMS key",
			Question: "which key, by ID, ARN or alias", Example: "1234abcd-12ab-34cd-56ef-1234567890ab",
			Hint:     keyPolicyHint,
			Keywords: []string{"encryption", "sse-kms"},
			kind:     key,
			statements: func(r resource) []statement {
				return []statement{useKey(r, "Decrypt", "kms:Decrypt")}
			},
		},
		{ // list_awskeymanagementservice.html
			Name: "kms-encrypt", Title: "encrypt and decrypt with one KMS key",
			Question: "which key, by ID, ARN or alias", Example: "1234abcd-12ab-34cd-56ef-1234567890ab",
			Hint:     keyPolicyHint,
			Keywords: []string{"encryption", "sse-kms"},
			kind:     key,
			statements: func(r resource) []statement {
				return []statement{useKey(r, "EncryptAndDecrypt", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")}
			},
		},
		{ // list_amazonelasticcontainerregistry.html; GetAuthorizationToken takes no resource
			Name: "ecr-pull", Title: "pull images of one ECR repository",
			Question: "which repository", Example: "team/web",
			Keywords: []string{"docker", "container", "registry"},
			kind:     kind{noun: "a repository", service: "ecr", before: "repository/", regional: true, problem: repositoryProblem},
			statements: func(r resource) []statement {
				return []statement{
					allow("SignIn", []string{"ecr:GetAuthorizationToken"}, "*"),
					allow("PullImages", []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, r.arn),
				}
			},
		},
		{ // list_awslambda.html
			Name: "lambda-invoke", Title: "invoke one Lambda function",
			Question: "which function, or function:alias", Example: "thumbnails",
			Keywords: []string{"serverless", "call"},
			kind:     kind{noun: "a function", service: "lambda", before: "function:", regional: true, problem: functionProblem},
			statements: func(r resource) []statement {
				resources := []string{r.arn}
				if !strings.Contains(r.name, ":") {
					// A call of a version or an alias is one on its own ARN.
					// https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
					resources = append(resources, r.arn+":*")
				}
				return []statement{allow("InvokeFunction", []string{"lambda:InvokeFunction"}, resources...)}
			},
		},
		{ // list_amazoncloudfront.html
			Name: "cloudfront-invalidate", Title: "invalidate the cache of one CloudFront distribution",
			Question: "which distribution, by ID", Example: "EDFDVBD6EXAMPLE",
			Keywords: []string{"cdn", "purge"},
			kind:     kind{noun: "a distribution", service: "cloudfront", before: "distribution/", global: true, problem: distributionProblem},
			statements: func(r resource) []statement {
				return []statement{allow("InvalidateCache", []string{"cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"}, r.arn)}
			},
		},
		{ // list_amazoncloudwatchlogs.html
			Name: "logs-write", Title: "write to one log group of CloudWatch Logs",
			Question: "which log group", Example: "/fly/web",
			Hint:     "The log group must exist: this does not allow it to be created.",
			Keywords: []string{"logging", "cron"},
			kind: kind{
				noun: "a log group", service: "logs", before: "log-group:", regional: true,
				problem: logGroupProblem, trimInARN: trimLogGroup,
			},
			statements: func(r resource) []statement {
				// The end stands for the group itself as well as for its streams.
				// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
				return []statement{allow("WriteLogs", []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, r.arn+":*")}
			},
		},
		{ // list_awssecuritytokenservice.html
			Name: "assume-role", Title: "assume one other IAM role",
			Question: "which role, by name or ARN", Example: "arn:aws:iam::444455556666:role/deploy",
			Hint:     "The trust policy of that role must allow this one.",
			Keywords: []string{"sts", "chain", "chaining", "account", "cross-account"},
			kind:     kind{noun: "a role", service: "iam", before: "role/", global: true, problem: roleProblem},
			statements: func(r resource) []statement {
				return []statement{allow("AssumeRole", []string{"sts:AssumeRole"}, r.arn)}
			},
		},
	}
}

// keyPolicyHint: an IAM policy has no effect unless the key's policy allows it.
// https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies.html
const keyPolicyHint = "The key's policy must let IAM policies give access, as the default one does."

// useKey allows actions on a key. An alias cannot stand in Resource, which would be the alias
// itself and not its key. The condition allows the keys that have the alias, also where a
// request names none of them, as most requests to decrypt do.
// https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
func useKey(r resource, sid string, actions ...string) statement {
	if !strings.HasPrefix(r.name, aliasPart) {
		return allow(sid, actions, r.arn)
	}
	return allow(sid, actions, r.prefix+keyPart+"*").where("ForAnyValue:StringEquals", "kms:ResourceAliases", r.name)
}

// objects returns the ARN of the bucket's objects below the prefix.
func objects(r resource) string { return strings.TrimSuffix(r.arn, "/") + "/*" }

// listBucket allows listing the bucket's keys below the prefix. The slash keeps out other
// prefixes that begin with the same letters.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
func listBucket(r resource) statement {
	bucket, prefix, _ := strings.Cut(strings.TrimSuffix(r.name, "/"), "/")
	s := allow("ListBucket", []string{"s3:ListBucket"}, r.prefix+bucket)
	if prefix == "" {
		return s
	}
	return s.where("StringLike", "s3:prefix", prefix+"/*")
}

// The parts before the name in the ARN of a model and of an inference profile, which
// spreads calls over regions.
const (
	foundationModel  = "foundation-model/"
	inferenceProfile = "inference-profile/"
)

// geographies are the prefixes of the names of inference profiles.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
var geographies = [...]string{"us.", "us-gov.", "eu.", "apac.", "au.", "ca.", "jp.", "global."}

// splitProfile returns the model of an inference profile; ok is false for a model's name.
func splitProfile(name string) (model string, ok bool) {
	for _, g := range geographies {
		if model, ok = strings.CutPrefix(name, g); ok {
			return model, true
		}
	}
	return "", false
}

func modelARNProblem(name string) string {
	profile, ok := strings.CutPrefix(name, inferenceProfile)
	if _, known := splitProfile(profile); !ok || !known {
		return "give a model by its ID and an inference profile by its ID or ARN"
	}
	return named("a model", 3, 256, "-._:")(profile)
}

// invokeModel allows a model in the region. With an inference profile AWS chooses the
// region, so the model's ARN cannot name one; the condition limits calls to the profile.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
func invokeModel(r resource) []statement {
	actions := []string{"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
	parts := strings.SplitN(r.prefix, ":", 6)
	name := strings.TrimPrefix(r.name, inferenceProfile)
	model, ok := splitProfile(name)
	if !ok {
		return []statement{allow("InvokeModel", actions, "arn:"+r.partition+":bedrock:"+parts[3]+"::"+foundationModel+name)}
	}
	profile := r.prefix + inferenceProfile + name
	return []statement{
		allow("InvokeProfile", append(actions, "bedrock:GetInferenceProfile"), profile),
		allow("InvokeModelOfProfile", actions, "arn:"+r.partition+":bedrock:*::"+foundationModel+model).
			where("StringEquals", "bedrock:InferenceProfileArn", profile),
	}
}
