package wizard

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// Values of the options of the question for permissions that are not policies.
const (
	presetOption = "preset:" // and its name
	policyOption = "policy:" // and its name, or ARN where names are not enough
	fileOption   = "file"
	nameOption   = "name"
	noneOption   = "none"
)

// maxPolicyName is how many characters the name of a managed policy has at most.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
const maxPolicyName = 128

// permissions asks what the apps may do, until that is all.
func (iv *interview) permissions(t *told) error {
	for _, text := range t.Presets {
		c, err := presetOf(text)
		if err != nil {
			return err
		}
		t.chosen = append(t.chosen, c)
	}
	if len(t.Role.Policies)+len(t.Role.Inline)+len(t.Presets) > 0 {
		return nil
	}
	iv.ui.busy("asking AWS for its managed policies")
	policies, err := iv.sources.Policies(iv.ctx, t.Profile)
	if err != nil {
		if err := iv.failed("the managed policies could not be listed", err); err != nil {
			return err
		}
	}
	for {
		done, err := iv.permission(t, policies)
		if err != nil || done {
			return err
		}
		more, err := iv.askOne(question{
			name: "more permissions", title: "Is there anything else it may do?", kind: decide,
			why:     "A role can have several policies.",
			initial: []string{no},
		})
		if err != nil {
			return err
		}
		iv.lines = iv.lines[:len(iv.lines)-1] // the next permission says it
		if more == no {
			return nil
		}
	}
}

// permission asks for one permission; done says that there are to be no more.
func (iv *interview) permission(t *told, policies []ManagedPolicy) (done bool, err error) {
	why := "Type to search: s3, queue, a policy's name. Less is safer."
	if iv.options.Accessible && iv.options.Strict { // a search would be taken for the answer
		why = "A number or a name, also of a managed policy. Less is safer."
	}
	picked, err := iv.askOne(question{
		name: "permission", title: "What may it do in AWS?", kind: choose, search: true,
		why:     why,
		options: iv.permissionOptions(t, policies),
	})
	if err != nil {
		return false, err
	}
	name, isPreset := strings.CutPrefix(picked, presetOption)
	switch {
	case isPreset:
		p, ok := preset.Find(name)
		if !ok {
			return false, errors.New("the preset is gone") // the options are made of the presets
		}
		answer, err := iv.askOne(question{
			name: "preset " + p.Name, title: "For the preset " + p.Name + ": " + p.Question + "?", kind: enter,
			why:     "The policy allows this one and no other. A name or an ARN.",
			example: p.Example,
			check: func(answer []string) error {
				if err := p.Check(answer[0]); err != nil {
					return reasonOf(err)
				}
				for _, c := range t.chosen {
					if c.preset.Name == p.Name && c.answer == answer[0] {
						return errors.New("that is chosen already")
					}
				}
				return nil
			},
		})
		if err != nil {
			return false, err
		}
		t.chosen = append(t.chosen, choice{preset: p, answer: answer})
	case picked == fileOption:
		return false, iv.policyFile(t)
	case picked == nameOption:
		ref, err := iv.askOne(question{
			name: "managed policy", title: "Which managed policy, by name or ARN?", kind: enter,
			why: "It is looked up before anything is written.", example: "AmazonS3ReadOnlyAccess",
			check: func(answer []string) error {
				if reason := setup.NameProblem(answer[0], maxPolicyName); reason != "" && !strings.HasPrefix(answer[0], "arn:") {
					return errors.New(reason)
				}
				if !known(policies, answer[0]) {
					return errors.New("there is no managed policy of that name")
				}
				role := t.Role
				role.Policies = []string{answer[0]}
				return t.request(role).Check()
			},
		})
		if err != nil {
			return false, err
		}
		t.policies = append(t.policies, ref)
	case picked == noneOption:
		return true, nil
	default:
		t.policies = append(t.policies, strings.TrimPrefix(picked, policyOption))
	}
	return false, nil
}

// known says whether a policy is among the listed ones. Names are compared without
// case, as the account's own are; an ARN, and any name where the list could not
// be had, is left to AWS.
func known(policies []ManagedPolicy, ref string) bool {
	return len(policies) == 0 || strings.HasPrefix(ref, "arn:") ||
		slices.ContainsFunc(policies, func(p ManagedPolicy) bool { return strings.EqualFold(p.Name, ref) })
}

func reasonOf(err error) error {
	var e *preset.Error
	if errors.As(err, &e) {
		return errors.New(e.Reason)
	}
	return err
}

// permissionOptions are the presets, the ways around a list, and every managed
// policy that is not chosen yet.
func (iv *interview) permissionOptions(t *told, policies []ManagedPolicy) []option {
	var options []option
	for _, p := range preset.All() {
		options = append(options, option{label: p.Name + ": " + p.Title, value: presetOption + p.Name, name: p.Name})
	}
	options = append(options,
		option{label: "what a policy file of mine says", value: fileOption, words: "json inline"},
		option{label: "what a managed policy says that I name", value: nameOption, words: "arn"},
		option{label: "nothing yet", value: noneOption, words: "none later skip"},
	)
	same := map[string]int{} // names that two policies have tell them no longer apart
	for _, p := range policies {
		same[strings.ToLower(p.Name)]++
	}
	for _, p := range policies {
		ref := p.Name
		if same[strings.ToLower(p.Name)] > 1 {
			ref = p.ARN
		}
		o := option{label: iv.options.clean(ref), value: policyOption + ref, about: func(ctx context.Context) string {
			text, err := p.Description, error(nil)
			if text == "" {
				text, err = iv.sources.DescribePolicy(ctx, t.Profile, p.ARN)
			}
			if err != nil {
				return "" // it is there to help, and its absence harms nothing
			}
			return iv.options.clean(text)
		}}
		if !slices.Contains(t.policies, ref) {
			options = append(options, o)
		}
	}
	return options
}

func (iv *interview) policyFile(t *told) error {
	path, err := iv.askOne(question{
		name: "policy file", title: "Which policy file?", kind: enter,
		why:     "Its policy is put into the role, under the file's name.",
		example: "policy.json",
		check: func(answer []string) error {
			p, err := iv.sources.PolicyFile(iv.ctx, answer[0])
			if err != nil {
				return errors.New(iv.options.clean(err.Error()))
			}
			role := t.Role
			role.Inline = append(slices.Clone(t.inline), p)
			return t.request(role).Check()
		},
	})
	if err != nil {
		return err
	}
	p, err := iv.sources.PolicyFile(iv.ctx, path)
	t.inline = append(t.inline, p)
	t.files = append(t.files, path)
	return err
}
