package wizard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/setup"
)

// Values of options in the question for permissions.
const (
	presetOption = "preset:" // with its name
	policyOption = "policy:" // with its name, or its ARN if the name is ambiguous
	sameOption   = "same:"   // with the place of another role
	restOption   = "rest:"   // as sameOption, also for the roles that follow
	fileOption   = "file"
	nameOption   = "name"
	noneOption   = "none"
)

// maxPolicyName is the maximum length of a managed policy's name in characters.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
const maxPolicyName = 128

// permissions asks what each role may do.
func (iv *Interview) permissions(ctx context.Context, a *answers) error {
	if len(a.Role.Policies)+len(a.Role.Inline)+len(a.given) > 0 {
		return nil
	}
	req := a.request(a.Role)
	roles := req.Roles
	var names []string
	for _, role := range roles {
		names = append(names, req.RoleName(role))
	}
	iv.ui.wait("looking up what the apps may do already")
	found, err := iv.sources.Roles(ctx, a.Profile, a.Org, names)
	if err != nil {
		if err := iv.warn(ctx, "what the apps may do already could not be looked up", err); err != nil {
			return err
		}
	}
	iv.ui.wait("listing the managed policies")
	policies, err := iv.sources.Policies(ctx, a.Profile)
	if err != nil {
		if err := iv.warn(ctx, "the managed policies could not be listed", err); err != nil {
			return err
		}
	}
	a.chosen = make([]permissions, len(roles))
	for i := 0; i < len(roles); i++ {
		r := roleQuestions{interview: iv, answers: a, place: i, last: len(roles) - 1, policies: policies, who: "it"}
		if len(roles) > 1 {
			r.who = iv.options.clean(roles[i].Apps[0].Name)
			r.of = " of " + r.who
		}
		access := found[names[i]]
		a.chosen[i] = access.permissions()
		if a.chosen[i].any {
			iv.line("%s can already: %s", iv.options.clean(names[i]), iv.options.clean(access.String()))
		}
		model, err := r.ask(ctx)
		if err != nil {
			return err
		}
		for ; model >= 0 && i < len(roles)-1; i++ {
			a.chosen[i+1] = found[names[i+1]].permissions().with(a.chosen[model])
		}
	}
	return nil
}

// permissions returns what a request can ask for of what the role may do already.
func (access Access) permissions() permissions {
	p := permissions{policies: access.Policies, any: access.String() != ""}
	for _, held := range access.Presets {
		known, ok := preset.Find(held.Name)
		if !ok {
			continue
		}
		c := presetAnswer{preset: known, answer: held.Answer}
		if known.NeedsRegion(held.Answer) {
			c.region = access.Region
		}
		p.presets = append(p.presets, c)
	}
	return p
}

// String lists what the role may do already; "" for nothing.
func (access Access) String() string {
	words := slices.Clone(access.Policies)
	for _, p := range access.Presets {
		words = append(words, p.Name+" "+p.Answer+" (inline)")
	}
	for _, name := range access.Inline {
		words = append(words, name+" (inline)")
	}
	return list(words)
}

// roleQuestions are the questions about the permissions of one role.
type roleQuestions struct {
	interview *Interview
	answers   *answers
	// place and last are the places of the role and of the last one.
	place, last int
	policies    []setup.ManagedPolicy
	// who is "it", or the app if each has a role; of is " of " and the app then.
	who, of string
}

// chosen are the role's permissions so far.
func (r roleQuestions) chosen() *permissions { return &r.answers.chosen[r.place] }

// ask asks for permissions until the answer is "no more". model is the place of the role
// whose permissions the roles that follow have too; -1 to ask about them.
func (r roleQuestions) ask(ctx context.Context) (model int, err error) {
	iv := r.interview
	for {
		picked, err := r.permission(ctx)
		if err != nil || picked == noneOption {
			return -1, err
		}
		for i, p := range r.answers.chosen[:r.place] {
			switch place := strconv.Itoa(i); picked {
			case sameOption + place:
				r.add(p)
				return -1, nil
			case restOption + place:
				r.add(p)
				return i, nil
			}
		}
		more, err := iv.askOne(ctx, question{
			name: "more permissions" + r.of, title: "Is there anything else " + r.who + " may do?", kind: decide,
			why:     "A role can have several policies.",
			initial: []string{no},
		})
		if err != nil {
			return -1, err
		}
		iv.lines = iv.lines[:len(iv.lines)-1] // the next permission implies it
		if more == no {
			return -1, nil
		}
	}
}

// permission asks for one permission, adds it, and returns the option that was picked.
func (r roleQuestions) permission(ctx context.Context) (picked string, err error) {
	iv, a := r.interview, r.answers
	q := question{
		name: "permission" + r.of, title: "What may " + r.who + " do in AWS?", kind: choose, search: true,
		why:     "Type to search: s3, queue, a policy's name. Less is safer.",
		options: r.options(ctx),
	}
	if iv.options.Accessible && iv.options.Strict { // there is no search
		q.why = "A number or a name; managed policies by name too. Less is safer."
	}
	q.start = presetOption + preset.All()[0].Name
	switch {
	case r.chosen().any:
		q.title = "What else may " + r.who + " do in AWS?"
		q.initial = []string{noneOption}
	case r.place > 0:
		q.initial = []string{sameOption + "0"}
	}
	if picked, err = iv.askOne(ctx, q); err != nil {
		return "", err
	}
	name, isPreset := strings.CutPrefix(picked, presetOption)
	switch {
	case isPreset:
		p, ok := preset.Find(name)
		if !ok {
			return "", errors.New("unknown preset") // cannot happen: the options are the presets
		}
		return picked, r.preset(ctx, p)
	case picked == fileOption:
		return picked, r.policyFile(ctx)
	case picked == nameOption:
		ref, err := iv.askOne(ctx, question{
			name: "managed policy" + r.of, title: "Which managed policy, by name or ARN?", kind: enter,
			why: "It is looked up before anything is written.", example: "AmazonS3ReadOnlyAccess",
			check: func(answer []string) error {
				if reason := setup.NameProblem(answer[0], maxPolicyName); reason != "" && !strings.HasPrefix(answer[0], "arn:") {
					return errors.New(reason)
				}
				if !known(r.policies, answer[0]) {
					return errors.New("no managed policy has this name")
				}
				role := a.Role
				role.Policies = []string{answer[0]}
				return a.request(role).Check()
			},
		})
		if err != nil {
			return "", err
		}
		r.add(permissions{policies: []string{ref}})
	default:
		if ref, ok := strings.CutPrefix(picked, policyOption); ok {
			r.add(permissions{policies: []string{ref}})
		}
	}
	return picked, nil
}

// add adds permissions.
func (r roleQuestions) add(p permissions) { *r.chosen() = r.chosen().with(p) }

// preset asks for the answer to a preset's question.
func (r roleQuestions) preset(ctx context.Context, p preset.Preset) error {
	answer, err := r.interview.askOne(ctx, question{
		name: "preset " + p.Name + r.of, title: "For the preset " + p.Name + ": " + p.Question + "?", kind: enter,
		why:     strings.TrimSpace("A name or an ARN. The policy allows nothing else. " + p.Hint),
		example: p.Example,
		check: func(answer []string) error {
			if err := p.Check(answer[0]); err != nil {
				return err
			}
			for _, c := range r.chosen().presets {
				if c.preset.Name == p.Name && c.answer == answer[0] {
					return errors.New("it is chosen already")
				}
			}
			return nil
		},
	})
	if err == nil {
		r.add(permissions{presets: []presetAnswer{{preset: p, answer: answer}}})
	}
	return err
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

// options returns what the question for a permission offers: the permissions of other
// apps, to stop, other ways to name permissions, the presets, and the managed policies
// that are not chosen yet. Where all but the policies are listed at once, the presets come
// before what is not a permission.
func (r roleQuestions) options(ctx context.Context) []option {
	iv := r.interview
	none := option{label: "no permissions for now", value: noneOption, keywords: "none nothing later skip"}
	if r.chosen().any {
		none = option{label: "no more permissions", value: noneOption, keywords: "none nothing done for now"}
	}
	others := []option{
		none,
		{label: "my own policy file (JSON)", value: fileOption, keywords: "inline"},
		{label: "managed policy by name or ARN", value: nameOption, keywords: "existing"},
	}
	var presets []option
	for _, p := range preset.All() {
		presets = append(presets, option{
			label: p.Name + ": " + p.Title, value: presetOption + p.Name, name: p.Name,
			keywords: strings.Join(p.Keywords, " "),
		})
	}
	options := slices.Concat(r.same(), others, presets)
	if iv.options.Accessible {
		options = slices.Concat(r.same(), presets, others)
	}
	count := map[string]int{} // an AWS policy and the account's own can have the same name
	for _, p := range r.policies {
		count[strings.ToLower(p.Name)]++
	}
	for _, p := range r.policies {
		ref := p.Name
		if count[strings.ToLower(p.Name)] > 1 {
			ref = p.ARN
		}
		o := option{label: iv.options.clean(ref), value: policyOption + ref, about: func() string {
			text, err := p.Description, error(nil)
			if text == "" {
				text, err = iv.sources.DescribePolicy(ctx, r.answers.Profile, p.ARN)
			}
			if err != nil {
				return "" // descriptions are optional
			}
			return iv.options.clean(text)
		}}
		if !slices.Contains(r.chosen().policies, ref) && !slices.Contains(r.chosen().policies, p.ARN) {
			options = append(options, o)
		}
	}
	return options
}

// maxSame is how many other roles are offered to have the same permissions as.
const maxSame = 3

// same returns the options to have the permissions of an earlier role.
func (r roleQuestions) same() []option {
	var options []option
	roles := r.answers.roles()
	var seen []string
	for i, p := range r.answers.chosen[:r.place] {
		what := cmp.Or(p.String(), "no permissions for now")
		if slices.Contains(seen, what) || len(seen) == maxSame {
			continue
		}
		seen = append(seen, what)
		name := "the same as " + roles[i].Apps[0].Name
		add := func(value, name string) {
			options = append(options, option{
				label: r.interview.options.clean(name + ": " + what), value: value + strconv.Itoa(i), name: r.interview.options.clean(name),
			})
		}
		add(sameOption, name)
		if left := r.last - r.place; left > 0 && i == 0 {
			add(restOption, fmt.Sprintf("%s, and for the other %d too", name, left))
		}
	}
	return options
}

func (r roleQuestions) policyFile(ctx context.Context) error {
	iv := r.interview
	path, err := iv.askOne(ctx, question{
		name: "policy file" + r.of, title: "Which policy file?", kind: enter,
		why:     "It becomes an inline policy of the role, named after the file.",
		example: "policy.json",
		check: func(answer []string) error {
			p, err := iv.sources.PolicyFile(ctx, answer[0])
			if err != nil {
				return errors.New(iv.options.clean(err.Error()))
			}
			role := r.answers.Role
			role.Inline = append(slices.Clone(r.chosen().inline), p)
			return r.answers.request(role).Check()
		},
	})
	if err != nil {
		return err
	}
	p, err := iv.sources.PolicyFile(ctx, path)
	r.add(permissions{inline: []setup.InlinePolicy{p}, files: []string{path}})
	return err
}
