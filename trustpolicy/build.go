package trustpolicy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
)

// An AppAccess describes which machines may assume a role: those of some apps of an
// organization.
type AppAccess struct {
	// Partition is "aws", "aws-cn", "aws-us-gov" or another of AWS's.
	Partition string
	// Account is the 12-digit account ID that holds the provider.
	Account string
	// Org is the organization's raw slug.
	Org string
	// Apps are the names of one or more apps, or the beginnings of names followed by an
	// asterisk, in any order.
	Apps []string
	// Machines are machine names, for each of the apps; empty for all machines.
	Machines []string
	// Audience is the audience of the tokens; "" for sts.amazonaws.com.
	Audience string
}

// Build returns the statement for g: Sid(g.Org), the organization's provider as the
// principal, the audience under StringEquals, and the subjects under StringLike, sorted
// and without duplicates. The error is a *NameError for a name or audience that a policy
// cannot hold; it is another error for a bad partition or account, or without apps.
func Build(g AppAccess) (Statement, error) {
	if !IsPartition(g.Partition) {
		return Statement{}, fmt.Errorf("partition %s is not an AWS partition such as aws or aws-us-gov", text.Quote(g.Partition))
	}
	if len(g.Account) != 12 || strings.Trim(g.Account, "0123456789") != "" {
		return Statement{}, fmt.Errorf("account %s is not an AWS account ID of 12 digits", text.Quote(g.Account))
	}
	if err := flyname.CheckOrg(g.Org); err != nil {
		return Statement{}, err
	}
	audience := g.Audience
	if audience == "" {
		audience = flyname.AudienceAWS
	}
	if err := flyname.CheckAudience(audience); err != nil {
		return Statement{}, err
	}
	subjects, err := g.subjects()
	if err != nil {
		return Statement{}, err
	}
	path := flyname.IssuerPath(g.Org)
	return Statement{
		Sid:       Sid(g.Org),
		Effect:    Allow,
		Principal: &Principal{Federated: []string{ProviderARN(g.Partition, g.Account, g.Org)}},
		Action:    []string{AssumeAction},
		Conditions: []Condition{
			{Operator: "StringEquals", Key: path + ":aud", Values: []string{audience}},
			{Operator: "StringLike", Key: path + ":sub", Values: subjects},
		},
	}, nil
}

// subjects returns the sub patterns of g.
func (g AppAccess) subjects() ([]string, error) {
	if len(g.Apps) == 0 {
		return nil, errors.New("a trust policy needs at least one app")
	}
	for _, m := range g.Machines {
		if err := flyname.CheckMachine(m); err != nil {
			return nil, err
		}
	}
	machines := g.Machines
	if len(machines) == 0 {
		machines = []string{"*"}
	}
	var out []string
	for _, app := range g.Apps {
		if err := flyname.CheckAppPattern(app); err != nil {
			return nil, err
		}
		for _, m := range machines {
			out = append(out, flyname.Subject{Org: g.Org, App: app, Machine: m}.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// IsPartition says whether partition looks like the name of an AWS partition.
func IsPartition(partition string) bool { return partitionForm.MatchString(partition) }

// partitionForm matches the partitions of the AWS SDK: aws, aws-cn, aws-us-gov, aws-eusc.
var partitionForm = regexp.MustCompile(`^aws(-[a-z0-9]+){0,4}$`)
