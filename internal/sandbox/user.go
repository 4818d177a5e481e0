package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/permission"
)

// user is an IAM user of the account with one access key.
type user struct {
	name, id, arn string
	secret        string
	policies      []permission.Policy
}

// AddUser adds an IAM user, who may make the calls to IAM that the permissions policies
// allow, and returns an access key of the user. Account and Partition must be set before.
//
// The error is for a name that IAM refuses or that a user has already, and for a document
// that IAM refuses. Unlike in IAM, there are no quotas.
func (w *World) AddUser(name string, policies ...string) (accessKeyID, secretAccessKey string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepare()
	if name == "" || len(name) > 64 || !onlyName(name) {
		return "", "", fmt.Errorf("%q cannot be the name of an IAM user", name)
	}
	if w.user(name) != nil {
		return "", "", fmt.Errorf("there is a user %q already", name)
	}
	u := &user{name: name, id: w.newID("AIDA"), arn: w.arn("user/" + name)}
	for _, doc := range policies {
		if refusal := w.checkPermissions(doc); refusal != nil {
			return "", "", errors.New(refusal.message)
		}
		u.policies = append(u.policies, parsePermissions(doc))
	}
	accessKeyID = w.newID("AKIA")
	u.secret = digest("secret of " + accessKeyID)[:40]
	w.users[accessKeyID] = u
	return accessKeyID, u.secret, nil
}

// addDefaultUser adds the user whose access key is in the environment of Env.
func (w *World) addDefaultUser() {
	w.users[AccessKeyID] = &user{
		name: userName, id: userID, arn: w.arn("user/" + userName), secret: SecretAccessKey,
		policies: []permission.Policy{parsePermissions(awsPolicies()["/AdministratorAccess"].document)},
	}
}

// user returns the user of that name, nil if there is none. Names differ in more than
// case. The caller holds w.mu.
func (w *World) user(name string) *user {
	for _, u := range w.users {
		if strings.EqualFold(u.name, name) {
			return u
		}
	}
	return nil
}

// parsePermissions parses a permissions policy. One that cannot be read allows nothing.
func parsePermissions(doc string) permission.Policy {
	p, err := permission.Parse([]byte(doc))
	if err != nil {
		return permission.Policy{}
	}
	return p
}
