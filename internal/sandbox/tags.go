package sandbox

import (
	"fmt"
	"strings"
	"unicode"
)

// maxTags is the quota of tags of an IAM resource.
const maxTags = 50

// tag is one tag of an IAM resource.
type tag struct{ key, value string }

// tags returns the tags of a request, in order. With fold, keys that differ only in
// case are equal, as on roles but not on other resources
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
func (r *request) tags(fold bool) []tag {
	var out []tag
	for i := 1; len(out) <= maxTags; i++ { // one more than allowed is enough to refuse
		at := fmt.Sprintf("tags.%d.member.", i)
		key, value := fmt.Sprintf("Tags.member.%d.Key", i), fmt.Sprintf("Tags.member.%d.Value", i)
		if !r.form.Has(key) && !r.form.Has(value) {
			break
		}
		t := tag{r.form.Get(key), r.form.Get(value)}
		if !r.form.Has(key) {
			r.problem(at+"key", "Member must not be null")
		} else {
			r.tagKey(at+"key", t.key)
		}
		if !r.form.Has(value) {
			r.problem(at+"value", "Member must not be null")
		}
		r.length(at+"value", t.value, 0, 256)
		if !onlyTag(t.value) {
			r.problem(at+"value", `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
		}
		for _, u := range out {
			if u.key == t.key || fold && strings.EqualFold(u.key, t.key) {
				r.notAllowed(invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive."))
			}
		}
		out = append(out, t)
	}
	if len(out) > maxTags {
		r.problem("tags", "Member must have length less than or equal to %d", maxTags)
	}
	return out
}

// tagKeys returns the tag keys of a request that removes tags.
func (r *request) tagKeys() []string {
	keys := r.list("TagKeys")
	for i, key := range keys {
		r.tagKey(fmt.Sprintf("tagKeys.%d.member", i+1), key)
	}
	if len(keys) > maxTags {
		r.problem("tagKeys", "Member must have length less than or equal to %d", maxTags)
	}
	return keys
}

func (r *request) tagKey(at, key string) {
	r.length(at, key, 1, 128)
	if !onlyTag(key) {
		r.problem(at, `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`)
	}
	if len(key) >= 4 && strings.EqualFold(key[:4], "aws:") {
		r.notAllowed(invalidInput("Caller is an end user and not allowed to mutate system tags."))
	}
}

// onlyTag reports whether s has only characters of a tag.
func onlyTag(s string) bool {
	for _, c := range s {
		if !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", c) {
			return false
		}
	}
	return true
}

// mergeTags adds more to have. An existing key keeps its place; with fold, keys are
// compared ignoring case.
func mergeTags(have, more []tag, fold bool) []tag {
	out := append([]tag(nil), have...)
next:
	for _, t := range more {
		for i, u := range out {
			if u.key == t.key || fold && strings.EqualFold(u.key, t.key) {
				out[i] = t
				continue next
			}
		}
		out = append(out, t)
	}
	return out
}

// withoutTags removes the keys from have.
func withoutTags(have []tag, keys []string, fold bool) []tag {
	var out []tag
next:
	for _, t := range have {
		for _, key := range keys {
			if t.key == key || fold && strings.EqualFold(t.key, key) {
				continue next
			}
		}
		out = append(out, t)
	}
	return out
}

func tagList(tags []tag) element {
	return members("Tags", tags, func(t tag) element {
		return elem("", text("Key", t.key), text("Value", t.value))
	})
}

// setTags merges more into tags, within the quota.
func setTags(tags *[]tag, more []tag, fold bool) *apiError {
	merged := mergeTags(*tags, more, fold)
	if len(merged) > maxTags {
		return limitExceeded("The number of tags has reached the maximum limit.")
	}
	*tags = merged
	return nil
}

// tagPage is the response of the actions that list tags.
func tagPage(r *request, tags []tag) ([]element, *apiError) {
	items, more, err := page(r, tags, func(t tag) string { return t.key })
	if err != nil {
		return nil, err
	}
	return append([]element{tagList(items)}, more...), nil
}
