package sandbox

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Quotas of OIDC providers,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxProviders   = 100
	maxClientIDs   = 100
	maxThumbprints = 5
)

// provider is an OIDC identity provider of the account.
type provider struct {
	arn         string
	url         string // without its scheme, as in IAM
	clientIDs   []string
	thumbprints []string
	tags        []tag
	created     time.Time
}

func createProvider(r *request) ([]element, *apiError) {
	w := r.world
	address := r.required("Url", 1, 255)
	clientIDs := r.list("ClientIDList")
	for _, id := range clientIDs {
		r.length("clientID", id, 1, 255)
	}
	thumbprints := r.thumbprints()
	tags := r.tags(false)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if err := checkProviderURL(address); err != nil {
		return nil, err
	}
	slices.Sort(clientIDs)
	clientIDs = slices.Compact(clientIDs)
	if len(clientIDs) > maxClientIDs {
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	p := &provider{
		url:         strings.TrimPrefix(address, "https://"),
		clientIDs:   clientIDs,
		thumbprints: thumbprints,
		tags:        tags,
		created:     r.now,
	}
	p.arn = w.arn("oidc-provider/" + p.url)
	if w.providers[p.arn] != nil {
		return nil, alreadyExists("Provider with url %s already exists.", address)
	}
	if len(w.providers) >= maxProviders {
		return nil, limitExceeded("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", maxProviders)
	}
	if len(p.thumbprints) == 0 {
		// IAM gets it from the certificate at the URL.
		host, _, _ := strings.Cut(p.url, "/")
		p.thumbprints = []string{hexSum([]byte(host))[:40]}
	}
	w.providers[p.arn] = p
	return []element{text("OpenIDConnectProviderArn", p.arn), tagList(p.tags)}, nil
}

// checkProviderURL checks the rules of
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html:
// https, a host name without a port, perhaps a path, no query.
func checkProviderURL(address string) *apiError {
	if !strings.Contains(address, "://") {
		return validationError("Invalid Open ID Connect Provider URL")
	}
	if !strings.HasPrefix(address, "https://") {
		return invalidInput("Invalid Open ID Connect Provider URL. The URL must begin with https://.")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return validationError("Invalid Open ID Connect Provider URL")
	}
	if u.User != nil || strings.ContainsAny(address, "?#") || u.Port() != "" || strings.HasSuffix(u.Host, ":") || !isHost(u.Host) || !printable(address) {
		return invalidInput("Invalid Open ID Connect Provider URL.")
	}
	return nil
}

// isHost reports whether host is an IP address or a host name (RFC 1123).
func isHost(host string) bool {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsAny(label, "_+=,@") || !onlyName(label) {
			return false
		}
	}
	return len(host) <= 253
}

// thumbprints returns ThumbprintList in lower case, as IAM keeps it. IAM checks the
// length but not the characters.
func (r *request) thumbprints() []string {
	list := r.list("ThumbprintList")
	if len(list) > maxThumbprints {
		r.notAllowed(invalidInput("Thumbprint list must contain fewer than %d entries.", maxThumbprints))
	}
	for i, t := range list {
		if len(t) != 40 {
			r.notAllowed(invalidInput("Thumbprint must be exactly 40 characters."))
		}
		list[i] = strings.ToLower(t)
	}
	return list
}

// provider returns the provider that OpenIDConnectProviderArn names, after all
// parameters were read.
func (r *request) provider() (*provider, *apiError) {
	arn := r.required("OpenIDConnectProviderArn", 20, 2048)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	fields := strings.SplitN(arn, ":", 6)
	switch {
	case len(fields) != 6 || fields[0] != "arn" || fields[1] != r.world.partition() || fields[2] != "iam" || fields[3] != "":
		return nil, validationError("Invalid ARN: %s", arn)
	case !strings.HasPrefix(fields[5], "oidc-provider/"):
		return nil, validationError("Invalid resource type in ARN")
	case fields[4] != r.world.account():
		return nil, refuse(403, "AccessDenied", "User: %s is not authorized to perform: iam:%s on resource: %s", r.caller.arn, r.action, arn)
	}
	p := r.world.providers[arn]
	if p == nil {
		return nil, noSuchEntity("OpenIDConnect Provider not found for arn %s", arn)
	}
	return p, nil
}

func getProvider(r *request) ([]element, *apiError) {
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	return []element{
		text("Url", p.url),
		texts("ClientIDList", p.clientIDs),
		texts("ThumbprintList", p.thumbprints),
		date("CreateDate", p.created),
		tagList(p.tags),
	}, nil
}

func listProviders(r *request) ([]element, *apiError) {
	arns := make([]string, 0, len(r.world.providers))
	for arn := range r.world.providers {
		arns = append(arns, arn)
	}
	slices.Sort(arns)
	return []element{members("OpenIDConnectProviderList", arns, func(arn string) element {
		return elem("", text("Arn", arn))
	})}, nil
}

func deleteProvider(r *request) ([]element, *apiError) {
	p, err := r.provider()
	if err != nil {
		if err.code == "NoSuchEntity" {
			// The API reference calls the action idempotent, but IAM returns this.
			return nil, noSuchEntity("OpenId connect Provider %s cannot be found.", r.form.Get("OpenIDConnectProviderArn"))
		}
		return nil, err
	}
	delete(r.world.providers, p.arn)
	return nil, nil
}

func addClientID(r *request) ([]element, *apiError) {
	id := r.required("ClientID", 1, 255)
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	i, found := slices.BinarySearch(p.clientIDs, id)
	if found {
		return nil, nil
	}
	if len(p.clientIDs) >= maxClientIDs {
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	p.clientIDs = slices.Insert(p.clientIDs, i, id)
	return nil, nil
}

func removeClientID(r *request) ([]element, *apiError) {
	id := r.required("ClientID", 1, 255)
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	p.clientIDs = slices.DeleteFunc(p.clientIDs, func(have string) bool { return have == id })
	return nil, nil
}

func updateThumbprints(r *request) ([]element, *apiError) {
	thumbprints := r.thumbprints()
	if len(thumbprints) == 0 {
		r.problem("thumbprintList", "Member must not be null")
	}
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	p.thumbprints = thumbprints
	return nil, nil
}

func tagProvider(r *request) ([]element, *apiError) {
	tags := r.tags(false)
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	return nil, setTags(&p.tags, tags, false)
}

func untagProvider(r *request) ([]element, *apiError) {
	keys := r.tagKeys()
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	p.tags = withoutTags(p.tags, keys, false)
	return nil, nil
}

func listProviderTags(r *request) ([]element, *apiError) {
	p, err := r.provider()
	if err != nil {
		return nil, err
	}
	return tagPage(r, p.tags)
}
