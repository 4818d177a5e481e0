package preset

import "strings"

// table returns the presets. Each names its page of the Service Authorization Reference,
// which lists the resource ARNs for each action.
func table() []Preset {
	bucket := kind{noun: "a bucket", service: "s3", problem: bucketProblem, trim: trimBucket}
	return []Preset{
		{ // list_amazons3.html
			Name: "s3-read", Title: "read one S3 bucket or prefix",
			Question: "which bucket, or bucket/prefix", Example: "my-bucket/uploads",
			kind: bucket,
			statements: func(r resource) []statement {
				return []statement{listBucket(r), allow("ReadObjects", []string{"s3:GetObject"}, objects(r))}
			},
		},
		{ // list_amazons3.html
			Name: "s3-write", Title: "read and write one S3 bucket or prefix",
			Question: "which bucket, or bucket/prefix", Example: "my-bucket/uploads",
			kind: bucket,
			statements: func(r resource) []statement {
				return []statement{listBucket(r), allow("ReadAndWriteObjects", []string{
					"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
				}, objects(r))}
			},
		},
		{ // list_amazonsqs.html; SendMessage covers SendMessageBatch
			Name: "sqs-send", Title: "send to one SQS queue",
			Question: "which queue", Example: "jobs",
			kind: kind{noun: "a queue", service: "sqs", regional: true, problem: queueProblem},
			statements: func(r resource) []statement {
				return []statement{allow("SendMessages", []string{"sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"}, r.arn)}
			},
		},
		{ // list_amazondynamodb.html; of these, only Query and Scan take an index
			Name: "dynamodb-table", Title: "read and write one DynamoDB table",
			Question: "which table", Example: "orders",
			kind: kind{noun: "a table", service: "dynamodb", before: "table/", regional: true, problem: named("a table", 3, 255, "_.-")},
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
			kind:       kind{noun: "a model", service: "bedrock", regional: true, problem: named("a model", 3, 256, "-._:"), problemInARN: modelARNProblem},
			statements: invokeModel,
		},
		{ // list_amazonsimpleemailservicev2.html
			Name: "ses-send", Title: "send mail through SES from one identity",
			Question: "which verified domain or address", Example: "example.com",
			kind: kind{noun: "an SES identity", service: "ses", before: "identity/", regional: true, problem: identityProblem},
			statements: func(r resource) []statement {
				return []statement{allow("SendMail", []string{"ses:SendEmail", "ses:SendRawEmail"}, r.arn)}
			},
		},
		{ // list_awssecretsmanager.html
			Name: "secret-read", Title: "read one secret of Secrets Manager",
			Question: "which secret", Example: "prod/database",
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
		{ // list_amazonelasticcontainerregistry.html; GetAuthorizationToken takes no resource
			Name: "ecr-pull", Title: "pull images of one ECR repository",
			Question: "which repository", Example: "team/web",
			kind: kind{noun: "a repository", service: "ecr", before: "repository/", regional: true, problem: repositoryProblem},
			statements: func(r resource) []statement {
				return []statement{
					allow("SignIn", []string{"ecr:GetAuthorizationToken"}, "*"),
					allow("PullImages", []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}, r.arn),
				}
			},
		},
	}
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
