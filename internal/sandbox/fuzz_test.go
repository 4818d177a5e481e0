package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// An accepted payload is read in the same way by encoding/json, and its names
// differ in more than case.
func FuzzDecodeClaims(f *testing.F) {
	for _, payload := range []string{
		`{"iss":"https://oidc.fly.io/acme","exp":1,"aud":["a","b"]}`, `{"a":1,"A":2}`, `{"a":{"b":[]}}`, `{}`, `[]`, `{"a":1}x`, `{"a"`, ``, `{"a":1,}`, "\xef\xbb\xbf{}",
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AA"
		got, err := decodeClaims(token)
		if err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(payload))
		dec.UseNumber()
		want := claims{}
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v (%v)", got, want, err)
		}
		names := map[string]bool{}
		for name := range got {
			if names[strings.ToLower(name)] {
				t.Errorf("two names differ only in case: %q", name)
			}
			names[strings.ToLower(name)] = true
		}
	})
}

// Unsigned requests are refused with well-formed XML and change nothing.
func FuzzUnsignedRequest(f *testing.F) {
	f.Add("Action=CreateRole&Version=2010-05-08&RoleName=r", "")
	f.Add("Action=GetCallerIdentity&Version=2011-06-15", "AWS4-HMAC-SHA256 Credential=a/b/c/sts/aws4_request, SignedHeaders=host, Signature=0")
	f.Add("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=\x00&WebIdentityToken=a.e30.c&RoleArn=arn:aws:iam::123456789012:role/a", "")
	f.Add("Action=%zz", "AWS4-HMAC-SHA256 ,=,")
	f.Fuzz(func(t *testing.T, body, authorization string) {
		var w World
		s := &Server{world: &w}
		rw := httptest.NewRecorder()
		hr := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		hr.Header.Set("Authorization", authorization)
		s.serveAWS(rw, hr)
		if rw.Code < 400 || rw.Code >= 500 {
			t.Errorf("got status %d", rw.Code)
		}
		var answer struct{ Error struct{ Code string } }
		if err := xml.Unmarshal(rw.Body.Bytes(), &answer); err != nil || answer.Error.Code == "" {
			t.Errorf("got %s (%v)", rw.Body, err)
		}
		for _, ro := range w.roles {
			if !strings.HasPrefix(ro.name, "AWSServiceRoleFor") {
				t.Errorf("a role was created: %s", ro.name)
			}
		}
	})
}

// Whatever a user sends who may only read, the answer is well-formed XML and the account
// stays as it is.
func FuzzReader(f *testing.F) {
	for _, body := range []string{
		"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument={}&Tags.member.1.Key=a&Tags.member.1.Value=b",
		"Action=CreateOpenIDConnectProvider&Version=2010-05-08&Url=https://oidc.fly.io/acme",
		"Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument=" + `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
		"Action=CreateInstanceProfile&Version=2010-05-08&InstanceProfileName=p&Path=/a/",
		"Action=AddRoleToInstanceProfile&Version=2010-05-08&InstanceProfileName=p&RoleName=r",
		"Action=UntagRole&Version=2010-05-08&RoleName=awsserviceroleforsupport&TagKeys.member.1=a",
		"Action=DeletePolicy&Version=2010-05-08&PolicyArn=arn:aws:iam::aws:policy/ReadOnlyAccess",
		"Action=ListRoles&Version=2010-05-08&PathPrefix=/x&MaxItems=1", "Action=GetRole&Version=2010-05-08&RoleName=%00",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var w World
		id, secret, err := w.AddUser("reader", `{"Statement":{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}}`)
		if err != nil {
			t.Fatal(err)
		}
		roles := maps.Clone(w.roles)
		rw := httptest.NewRecorder()
		hr := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		const stamp = "20260820T120000Z"
		sig := signature{date: stamp[:8], region: "us-east-1", service: "iam", headers: []string{"host"}}
		hr.Header.Set("X-Amz-Date", stamp)
		hr.Header.Set("Authorization", signatureAlgorithm+" Credential="+id+"/20260820/us-east-1/iam/aws4_request, SignedHeaders=host, Signature="+sig.sum(hr, []byte(body), stamp, secret))
		(&Server{world: &w}).serveAWS(rw, hr)
		var answer struct{ Error struct{ Code string } }
		if err := xml.Unmarshal(rw.Body.Bytes(), &answer); err != nil || (rw.Code == http.StatusOK) != (answer.Error.Code == "") {
			t.Errorf("got %d %s (%v)", rw.Code, rw.Body, err)
		}
		if call := w.Calls()[0]; call.Write && call.Code == "" {
			t.Errorf("%s was allowed", call.Action)
		}
		if !maps.Equal(w.roles, roles) || len(w.providers)+len(w.policies)+len(w.profiles) > 0 {
			t.Errorf("the account was changed by %q", body)
		}
	})
}
