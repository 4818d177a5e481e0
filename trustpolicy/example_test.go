package trustpolicy_test

import (
	"errors"
	"fmt"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

func ExampleBuild() {
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: "aws",
		Account:   "111122223333",
		Org:       "acme-corp",
		Apps:      []string{"web", "worker"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trustpolicy.New(statement).Indent())
	// Output:
	// {
	//   "Version": "2012-10-17",
	//   "Statement": [
	//     {
	//       "Sid": "FlyAwsAcmeCorp",
	//       "Effect": "Allow",
	//       "Principal": {
	//         "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme-corp"
	//       },
	//       "Action": "sts:AssumeRoleWithWebIdentity",
	//       "Condition": {
	//         "StringEquals": {
	//           "oidc.fly.io/acme-corp:aud": "sts.amazonaws.com"
	//         },
	//         "StringLike": {
	//           "oidc.fly.io/acme-corp:sub": [
	//             "acme-corp:web:*",
	//             "acme-corp:worker:*"
	//           ]
	//         }
	//       }
	//     }
	//   ]
	// }
}

func ExampleBuild_personal() {
	_, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: "aws", Account: "111122223333", Org: "personal", Apps: []string{"web"},
	})
	var name *trustpolicy.NameError
	if errors.As(err, &name) && name.IsAlias() {
		fmt.Println(err)
	}
	// Output: org name "personal" is an alias that tokens do not carry; the raw slug is needed
}

func ExampleParse() {
	_, err := trustpolicy.Parse([]byte("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [],\n}"))
	fmt.Println(err)
	// Output: line 3, column 3: the policy has no statements
}

func ExamplePolicy_Merge() {
	theirs, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Ec2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ours, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	merged := theirs.Merge(ours)
	for _, s := range merged.Statements {
		fmt.Println(s.Sid)
	}
	fmt.Println(merged.Without(ours.Sid).Equal(theirs))
	// Output:
	// Ec2
	// FlyAwsAcme
	// true
}

func ExamplePolicy_Evaluate() {
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := trustpolicy.New(statement).Evaluate(trustpolicy.AssumeRequest{
		Action:    trustpolicy.AssumeAction,
		Federated: trustpolicy.ProviderARN("aws", "111122223333", "acme"),
		Context: trustpolicy.WebIdentityContext("oidc.fly.io/acme",
			"sts.amazonaws.com", "acme:web-staging:cold-shape-2007"),
	})
	fmt.Println(decision.Decision)
	for _, c := range decision.Statements[0].Conditions {
		fmt.Println(c.Operator, c.Key, c.Wanted, c.Presented, c.Match, c.Reason)
	}
	// Output:
	// implicitly-denied
	// StringEquals oidc.fly.io/acme:aud [sts.amazonaws.com] [sts.amazonaws.com] matches matched
	// StringLike oidc.fly.io/acme:sub [acme:web:*] [acme:web-staging:cold-shape-2007] does-not-match no-match
}

func ExampleAssumeRequest() {
	// AWS fills aws:SourceIp, so a condition about it is undecided until the
	// request states the address, or with an empty list that there is none.
	policy, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	request := trustpolicy.AssumeRequest{
		Action:    trustpolicy.AssumeAction,
		Federated: trustpolicy.ProviderARN("aws", "111122223333", "acme"),
	}
	fmt.Println(policy.Evaluate(request).Decision)
	request.Context = map[string][]string{"aws:SourceIp": {"203.0.113.7"}}
	fmt.Println(policy.Evaluate(request).Decision)
	request.Context = map[string][]string{"aws:SourceIp": {}}
	fmt.Println(policy.Evaluate(request).Decision)
	// Output:
	// undecided
	// allowed
	// implicitly-denied
}

func ExamplePolicy_Lint() {
	policy, err := trustpolicy.Parse([]byte(`{
	  "Version": "2012-10-17",
	  "Statement": {
	    "Effect": "Allow",
	    "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
	    "Action": "sts:AssumeRoleWithWebIdentity",
	    "Condition": {"StringEquals": {"oidc.fly.io/acme:sub": "acme:web:*"}}
	  }
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range policy.Lint(trustpolicy.Expected{}) {
		fmt.Printf("%s %s: %q, want %q\n", f.Severity, f.Code, f.Have, f.Want)
	}
	// Output:
	// error wildcard-literal: "acme:web:*", want "StringLike"
	// error audience-missing: "", want "sts.amazonaws.com"
}
