package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// An Event is CloudTrail's record of one AssumeRoleWithWebIdentity
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html).
type Event struct {
	Claims  flyname.Claims
	RoleARN string
	// Time is when the request was made, in UTC.
	Time time.Time
	// ErrorCode and ErrorMessage are AWS's; empty if the request was accepted. If AWS did not
	// get as far as the trust policy, they may be all that is known.
	ErrorCode, ErrorMessage string
	// Context holds the condition keys that the record has, as in Case.
	Context map[string][]string
}

// BeforePolicy says whether AWS refused the request for another reason than the role's
// trust policy, which ErrorMessage names.
func (e Event) BeforePolicy() bool { return e.ErrorCode != "" && e.ErrorCode != "AccessDenied" }

// A record is what is read of an event.
type record struct {
	EventName, ErrorCode, ErrorMessage, SourceIPAddress string
	EventTime                                           time.Time
	UserIdentity                                        struct {
		PrincipalID, UserName, IdentityProvider string
	}
	RequestParameters struct {
		RoleARN, RoleSessionName string
	}
}

// Events reads the events in what CloudTrail writes to its files ("Records"), in what
// aws cloudtrail lookup-events prints ("Events"), or in one event, the newest first. Its
// errors are clauses about the text.
func Events(data []byte) ([]Event, error) {
	var input struct {
		record
		Records []record
		Events  []struct{ CloudTrailEvent string }
	}
	if err := json.Unmarshal(data, &input); err != nil {
		return nil, unreadable(err)
	}
	records := input.Records
	for _, e := range input.Events {
		var r record
		if err := json.Unmarshal([]byte(e.CloudTrailEvent), &r); err != nil {
			return nil, fmt.Errorf("its CloudTrailEvent: %w", unreadable(err))
		}
		records = append(records, r)
	}
	if input.EventName != "" {
		records = append(records, input.record)
	}
	if len(records) == 0 {
		return nil, errors.New("it has no event of CloudTrail")
	}
	var events []Event
	for _, r := range records {
		if "sts:"+r.EventName != trustpolicy.AssumeAction {
			continue
		}
		e, err := r.event()
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("its event is %q, not AssumeRoleWithWebIdentity", records[0].EventName)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return events, nil
}

func unreadable(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return errors.New("it has another form than an event of CloudTrail")
}

// event reads the principal, which is the provider's ARN, the audience and the subject,
// joined by colons.
func (r record) event() (Event, error) {
	provider, subject := r.UserIdentity.IdentityProvider, r.UserIdentity.UserName
	e := Event{RoleARN: r.RequestParameters.RoleARN, Time: r.EventTime.UTC(), ErrorCode: r.ErrorCode, ErrorMessage: r.ErrorMessage, Context: map[string][]string{}}
	_, path, isProvider := strings.Cut(provider, ":oidc-provider/")
	audience, hasProvider := strings.CutPrefix(r.UserIdentity.PrincipalID, provider+":")
	audience, hasSubject := strings.CutSuffix(audience, ":"+subject)
	switch {
	case e.BeforePolicy():
		return e, nil
	case subject == "" || provider == "":
		return e, errors.New("its event has no userIdentity with a userName and an identityProvider")
	case !isProvider:
		return e, fmt.Errorf("the identity provider of its event, %q, is no OIDC provider of an account", provider)
	case !hasProvider || !hasSubject:
		return e, errors.New("the principalId of its event is not the provider, the audience and the subject")
	case e.RoleARN == "":
		return e, errors.New("its event names no role")
	}
	e.Claims = flyname.Claims{Issuer: "https://" + path, Subject: subject, Audience: []string{audience}}
	if _, err := netip.ParseAddr(r.SourceIPAddress); err == nil {
		e.Context["aws:SourceIp"] = []string{r.SourceIPAddress}
	}
	if name := r.RequestParameters.RoleSessionName; name != "" {
		e.Context["sts:RoleSessionName"] = []string{name}
	}
	return e, nil
}
