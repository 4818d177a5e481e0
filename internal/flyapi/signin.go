package flyapi

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// A SignIn says where to look for a token.
type SignIn struct {
	// AccessToken is from the command line; "" if absent.
	AccessToken string
	// Getenv looks up an environment variable; "" if unset.
	Getenv func(name string) string
	// Home is the user's home folder; "" if there is none.
	Home string
}

// maxConfig bounds flyctl's config file, which has a few hundred bytes.
const maxConfig = 1 << 20

// FindToken finds the token that flyctl would use: from the command line, else
// FLY_ACCESS_TOKEN, FLY_API_TOKEN, or access_token in config.yml in the folder
// FLY_CONFIG_DIR, by default .fly in the home folder
// (https://fly.io/docs/flyctl/integrating/ and superfly/flyctl, internal/config).
// An empty variable counts as unset; in flyctl an empty FLY_ACCESS_TOKEN takes
// precedence over FLY_API_TOKEN.
//
// Errors are *Error: of setup.FlyNotSignedIn when there is no token, of
// setup.FlySignIn when what is there cannot be used.
func FindToken(s SignIn) (AccessToken, error) {
	for _, place := range []struct {
		source setup.FlySource
		text   string
	}{
		{setup.FlySourceFlag, s.AccessToken},
		{setup.FlySourceAccessToken, s.Getenv(string(setup.FlySourceAccessToken))},
		{setup.FlySourceAPIToken, s.Getenv(string(setup.FlySourceAPIToken))},
	} {
		if token, err := ParseToken(place.text, place.source); err != nil || !token.IsZero() {
			return token, err
		}
	}
	path := s.configFile()
	if path == "" {
		return AccessToken{}, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotSignedIn}}
	}
	text, err := readConfig(path)
	if err != nil {
		return AccessToken{}, err
	}
	token, err := ParseToken(text, setup.FlySourceConfig)
	if err == nil && token.IsZero() {
		err = &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotSignedIn, Source: setup.FlySourceConfig}}
	}
	return token, err
}

// configFile is the path of flyctl's config file; "" if unknown.
func (s SignIn) configFile() string {
	const name = "config.yml"
	if dir := s.Getenv("FLY_CONFIG_DIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	if s.Home == "" {
		return ""
	}
	return filepath.Join(s.Home, ".fly", name)
}

// readConfig returns the text of access_token in flyctl's config file, "" when
// there is no such file or no such key.
func readConfig(path string) (string, error) {
	unusable := func(reason string, err error) error {
		if err != nil {
			reason += ": " + err.Error()
		}
		return &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlySignIn, Source: setup.FlySourceConfig, Detail: text.Line(reason)}, Err: err}
	}
	// Opening a pipe would block.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err == nil && !info.Mode().IsRegular():
		return "", unusable("it is not a file", nil)
	case err == nil && info.Size() > maxConfig:
		return "", unusable("it is far larger than flyctl makes it", nil)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the path is in the error already
	}
	if err != nil {
		return "", unusable("it cannot be read", err)
	}
	var config struct {
		AccessToken string `yaml:"access_token"`
	}
	if yaml.Unmarshal(data, &config) != nil { // its error can repeat the token
		return "", unusable("it is not the YAML that flyctl writes", nil)
	}
	return config.AccessToken, nil
}
