package wizard

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/setup"
)

// Values of options in the question for permissions.
const (
	presetOption = "preset:" // with its name
	policyOption = "policy:" // with its name, or its ARN if the name is ambiguous
	fileOption   = "file"
	nameOption   = "name"
	noneOption   = "none"
)

// maxPolicyName is the maximum length of a managed policy's name in characters.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
const maxPolicyName = 128

// permissions asks what the apps may do, until the answer is "no more".
func (iv *interview) permissions(ctx context.Context, a *answers) error {
	if len(a.Role.Policies)+len(a.Role.Inline)+len(a.presets) > 0 {
		return nil
	}
	iv.ui.wait("listing the managed policies")
	policies, err := iv.sources.Policies(ctx, a.Profile)
	if err != nil {
		if err := iv.warn(ctx, "the managed policies could not be listed", err); err != nil {
			return err
		}
	}
	for {
		done, err := iv.permission(ctx, a, policies)
		if err != nil || done {
			return err
		}
		more, err := iv.askOne(ctx, question{
			name: "more permissions", title: "Is there anything else it may do?", kind: decide,
			why:     "A role can have several policies.",
			initial: []string{no},
		})
		if err != nil {
			return err
		}
		iv.lines = iv.lines[:len(iv.lines)-1] // the next permission implies it
		if more == no {
			return nil
		}
	}
}

// permission asks for one permission; done says that no more are wanted.
func (iv *interview) permission(ctx context.Context, a *answers, policies []setup.ManagedPolicy) (done bool, err error) {
	why := "Type to search: s3, queue, a policy's name. Less is safer."
	if iv.options.Accessible && iv.options.Strict { // there is no search
		why = "A number or a name; managed policies by name too. Less is safer."
	}
	picked, err := iv.askOne(ctx, question{
		name: "permission", title: "What may it do in AWS?", kind: choose, search: true,
		why:     why,
		options: iv.permissionOptions(ctx, a, policies),
	})
	if err != nil {
		return false, err
	}
	name, isPreset := strings.CutPrefix(picked, presetOption)
	switch {
	case isPreset:
		p, ok := preset.Find(name)
		if !ok {
			return false, errors.New("unknown preset") // cannot happen: the options are the presets
		}
		answer, err := iv.askOne(ctx, question{
			name: "preset " + p.Name, title: "For the preset " + p.Name + ": " + p.Question + "?", kind: enter,
			why:     strings.TrimSpace("A name or an ARN. The policy allows nothing else. " + p.Hint),
			example: p.Example,
			check: func(answer []string) error {
				if err := p.Check(answer[0]); err != nil {
					return err
				}
				for _, c := range a.presets {
					if c.preset.Name == p.Name && c.answer == answer[0] {
						return errors.New("already chosen")
					}
				}
				return nil
			},
		})
		if err != nil {
			return false, err
		}
		a.presets = append(a.presets, presetAnswer{preset: p, answer: answer})
	case picked == fileOption:
		return false, iv.policyFile(ctx, a)
	case picked == nameOption:
		ref, err := iv.askOne(ctx, question{
			name: "managed policy", title: "Which managed policy, by name or ARN?", kind: enter,
			why: "It is looked up before anything is written.", example: "AmazonS3ReadOnlyAccess",
			check: func(answer []string) error {
				if reason := setup.NameProblem(answer[0], maxPolicyName); reason != "" && !strings.HasPrefix(answer[0], "arn:") {
					return errors.New(reason)
				}
				if !known(policies, answer[0]) {
					return errors.New("no managed policy has this name")
				}
				role := a.Role
				role.Policies = []string{answer[0]}
				return a.request(role).Check()
			},
		})
		if err != nil {
			return false, err
		}
		a.policies = append(a.policies, ref)
	case picked == noneOption:
		return true, nil
	default:
		a.policies = append(a.policies, strings.TrimPrefix(picked, policyOption))
	}
	return false, nil
}

// known says whether a policy is in the list, ignoring case as IAM does. It accepts any
// ARN, and any name if the list is not available; AWS checks those later.
func known(policies []setup.ManagedPolicy, ref string) bool {
	return len(policies) == 0 || strings.HasPrefix(ref, "arn:") ||
		slices.ContainsFunc(policies, func(p setup.ManagedPolicy) bool { return strings.EqualFold(p.Name, ref) })
}

// reasonOf is why an answer cannot be used, without the answer, which the person sees.
func reasonOf(err error) error {
	var ofPreset *preset.AnswerError
	var ofRegion *region.NameError
	var invalid *setup.InvalidError
	switch {
	case errors.As(err, &ofPreset):
		return errors.New(ofPreset.Reason)
	case errors.As(err, &ofRegion):
		return errors.New(ofRegion.Reason)
	case errors.As(err, &invalid) && !invalid.Default:
		return errors.New(invalid.Reason)
	}
	return err
}

// permissionOptions returns the presets, the other ways to name permissions, and the
// managed policies that are not chosen yet.
func (iv *interview) permissionOptions(ctx context.Context, a *answers, policies []setup.ManagedPolicy) []option {
	var options []option
	for _, p := range preset.All() {
		options = append(options, option{
			label: p.Name + ": " + p.Title, value: presetOption + p.Name, name: p.Name,
			keywords: strings.Join(p.Keywords, " "),
		})
	}
	options = append(options,
		option{label: "my own policy file (JSON)", value: fileOption, keywords: "inline"},
		option{label: "managed policy by name or ARN", value: nameOption, keywords: "existing"},
		option{label: "no permissions for now", value: noneOption, keywords: "none nothing later skip"},
	)
	count := map[string]int{} // an AWS policy and the account's own can have the same name
	for _, p := range policies {
		count[strings.ToLower(p.Name)]++
	}
	for _, p := range policies {
		ref := p.Name
		if count[strings.ToLower(p.Name)] > 1 {
			ref = p.ARN
		}
		o := option{label: iv.options.clean(ref), value: policyOption + ref, about: func() string {
			text, err := p.Description, error(nil)
			if text == "" {
				text, err = iv.sources.DescribePolicy(ctx, a.Profile, p.ARN)
			}
			if err != nil {
				return "" // descriptions are optional
			}
			return iv.options.clean(text)
		}}
		if !slices.Contains(a.policies, ref) {
			options = append(options, o)
		}
	}
	return options
}

func (iv *interview) policyFile(ctx context.Context, a *answers) error {
	path, err := iv.askOne(ctx, question{
		name: "policy file", title: "Which policy file?", kind: enter,
		why:     "It becomes an inline policy of the role, named after the file.",
		example: "policy.json",
		check: func(answer []string) error {
			p, err := iv.sources.PolicyFile(ctx, answer[0])
			if err != nil {
				return errors.New(iv.options.clean(err.Error()))
			}
			role := a.Role
			role.Inline = append(slices.Clone(a.inline), p)
			return a.request(role).Check()
		},
	})
	if err != nil {
		return err
	}
	p, err := iv.sources.PolicyFile(ctx, path)
	a.inline = append(a.inline, p)
	a.files = append(a.files, path)
	return err
}
