package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/fly-aws/fly-aws/internal/awsapi"
)

// unset is an empty environment.
func unset(string) string { return "" }

// awsHome is a home folder with the two shared files.
func awsHome(t testing.TB, configText, credentialsText string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeShared(t, home, configText, credentialsText)
	return home
}

func writeShared(t testing.TB, home, configText, credentialsText string) {
	t.Helper()
	for name, text := range map[string]string{"config": configText, "credentials": credentialsText} {
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// load loads a profile from the files in home with the SDK, which panics at a
// setting that is a single quotation mark (config v1.33.15, ini.unquote).
func load(home, profile string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the SDK panics: %v", r)
		}
	}()
	_, err = config.LoadSharedConfigProfile(context.Background(), profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles = []string{filepath.Join(home, ".aws", "config")}
		o.CredentialsFiles = []string{filepath.Join(home, ".aws", "credentials")}
	})
	return err
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, config, credentials string
		want                      []string
	}{
		{"none", "", "", nil},
		{"no headings", "region = eu-west-1\n\n# [default]\n; [profile a]\n", "x", nil},
		{"default first", "[profile b]\nregion = x\n[default]\n[profile a]\n", "", []string{"default", "b", "a"}},
		{"default of the credentials", "[profile b]\n", "[c]\n[default]\n", []string{"default", "b", "c"}},
		{"default as a profile", "[profile a]\n[profile default]\n", "", []string{"default", "a"}},
		{"default in capitals is another", "[profile a]\n[DEFAULT]\n", "", []string{"a", "DEFAULT"}},
		{"each once", "[profile a]\n[profile b]\n[profile a]\n", "[b]\n[c]\n[a]\n", []string{"a", "b", "c"}},
		{"names differ by case", "[profile a]\n[profile A]\n", "", []string{"a", "A"}},
		{"other kinds", "[sso-session s]\nsso_region = x\n[services v]\ns3 =\n  endpoint_url = y\n[plugins]\n[preview]\n[profile a]\n", "", []string{"a"}},
		{"other kinds in the credentials", "", "[sso-session s]\n[services v]\n[profile p]\n[a]\n", []string{"a"}},
		{"the config file wants the word", "[a]\n[Profile b]\n[profileb]\n[profile]\n", "", nil},
		{"the credentials file takes the word for a name", "", "[profile]\n", []string{"profile"}},
		{"quoted", "[profile \"my work\"]\n[profile 'x']\n", "[\"q\"]\n", []string{`"my work"`, "'x'", `"q"`}},
		{"several words", "[profile my work]\n", "[my home]\n[their \t home]\n", []string{"my work", "my home", "their home"}},
		{"blanks", " \t[ profile \t a ]\t\n[profile\tb]\n", " [ c ]\n", []string{"a", "b", "c"}},
		{"comments", "[profile a] # one\n[profile b];two\n[profile c#d]\n[profile e;f]\n", "", []string{"a", "b"}},
		{"not headings", "[profile a\nprofile b]\n[profile c] x\nx [profile d]\nx = [profile e]\n[]\n[ ]\n", "[]\n[ ]\n", nil},
		{"brackets in a name", "[profile [a]]\n[[profile b]]\n", "", []string{"[a]"}},
		{"ends of lines", "[profile a]\r\n[profile b]\r\n[profile c]", "[d]", []string{"a", "b", "c", "d"}},
		{"a byte order mark", "\ufeff[profile a]\n[profile b]\n", "", []string{"b"}},
		{"names of the world", "[profile Zürich]\n[profile 東京]\n[profile a/b@c.d-e_f+g:h%i]\n", "", []string{"Zürich", "東京", "a/b@c.d-e_f+g:h%i"}},
		{"names that no terminal may see", "[profile a\x1b[2J]\n[profile b\rc]\n[profile d\xff]\n[profile e\u202e]\n[profile f\tg]\n[profile ok]\n", "", []string{"ok"}},
		{"the word twice", "[profile z]\n[profile profile z]\n[profile a]\n", "", []string{"a"}},
		{"profiles that cannot be used", "[profile a]\nrole_arn = x\nsource_profile = none\n[profile b]\naws_access_key_id = x\n", "", []string{"a", "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			home := awsHome(t, test.config, test.credentials)
			got, err := awsapi.Profiles(unset, home)
			if err != nil || !slices.Equal(got, test.want) {
				t.Fatalf("got %q, %v, want %q", got, err, test.want)
			}
			for _, name := range got {
				var absent config.SharedConfigProfileNotExistError
				if err := load(home, name); errors.As(err, &absent) && absent.Profile == name {
					t.Errorf("the SDK does not find %q: %v", name, err)
				}
			}
		})
	}
}

// A name is listed if and only if the SDK finds it.
func TestProfileNamesAreTheSDKs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "my work", `"my work"`, "my  work", "default", "DEFAULT", "profile", "sso-session", "a]b", "x=y", "x:y", "ü"} {
		for _, text := range []string{"[profile " + name + "]", "[" + name + "]"} {
			for _, inConfig := range []bool{true, false} {
				home := awsHome(t, "", text)
				if inConfig {
					writeShared(t, home, text, "")
				}
				got, err := awsapi.Profiles(unset, home)
				if err != nil {
					t.Fatal(err)
				}
				if found := load(home, name) == nil; found != slices.Contains(got, name) {
					t.Errorf("%s, in config %t: got %q, and the SDK finds it: %t", text, inConfig, got, found)
				}
			}
		}
	}
}

func TestProfilesFiles(t *testing.T) {
	t.Parallel()
	home := awsHome(t, "[profile config]\n", "[credentials]\n")
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("[profile other]\n[other-credentials]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := other + "-link"
	if err := os.Symlink(other, link); err != nil {
		link = other // no symbolic links on this system
	}
	const configFile, credentialsFile = "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"
	tests := []struct {
		name, home string
		env        map[string]string
		want       []string
	}{
		{"home", home, nil, []string{"config", "credentials"}},
		{"no home", "", nil, nil},
		{"a home without files", t.TempDir(), nil, nil},
		{"a home that is a file", other, nil, nil},
		{"another config file", home, map[string]string{configFile: other}, []string{"other", "credentials"}},
		{"a link", home, map[string]string{configFile: link}, []string{"other", "credentials"}},
		{"other credentials", home, map[string]string{credentialsFile: other}, []string{"config", "other-credentials"}},
		{"files without a home", "", map[string]string{configFile: other}, []string{"other"}},
		{"named and missing", home, map[string]string{configFile: other + "-missing"}, []string{"credentials"}},
		{"named and below a file", home, map[string]string{configFile: filepath.Join(other, "config")}, []string{"credentials"}},
		{"none wanted", home, map[string]string{configFile: os.DevNull, credentialsFile: os.DevNull}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := awsapi.Profiles(func(name string) string { return test.env[name] }, test.home)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// failsOn lists the profiles with each of the two files at path, and checks the
// error.
func failsOn(t *testing.T, path, words string) *awsapi.ConfigFileError {
	t.Helper()
	var e *awsapi.ConfigFileError
	for _, variable := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		names, err := awsapi.Profiles(func(name string) string {
			if name == variable {
				return path
			}
			return ""
		}, "")
		e = errorAs[*awsapi.ConfigFileError](t, err)
		if names != nil || e.Path != path || !strings.HasSuffix(e.Error(), words) || strings.Count(e.Error(), filepath.Base(path)) != 1 {
			t.Errorf("%s: got %q, %q", variable, names, e)
		}
	}
	return e
}

func TestProfilesFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	failsOn(t, dir, `": is a folder, not a file`)

	// The largest size that is read, and one byte more.
	huge := filepath.Join(dir, "huge")
	text := "[profile a]\n#" + strings.Repeat("x", 4<<20-13)
	for _, test := range []struct {
		text string
		fits bool
	}{{text, true}, {text + "x", false}} {
		if err := os.WriteFile(huge, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !test.fits {
			failsOn(t, huge, `": is larger than 4 MiB`)
			continue
		}
		got, err := awsapi.Profiles(func(string) string { return huge }, "")
		if err != nil || !slices.Equal(got, []string{"a"}) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestProfilesWithoutPermission(t *testing.T) {
	t.Parallel()
	if os.Geteuid() <= 0 {
		t.Skip("root may do everything, and Windows has no such permissions")
	}
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("[profile a]\n"), 0o200); err != nil {
		t.Fatal(err)
	}
	if e := failsOn(t, path, `": cannot be read: permission denied`); !errors.Is(e, fs.ErrPermission) {
		t.Errorf("the cause %v is not the system's", e.Err)
	}
}

// For any files, each name is returned once, the SDK finds it, and only headings
// matter.
func FuzzProfiles(f *testing.F) {
	f.Add("[default]\nregion = a\n[profile b]\n", "[default]\naws_access_key_id = x\n[c]\n")
	f.Add("[profile profile x]\n[profile x]\n[profile profile profile x]\n", "[profile x]\n[x y]\n")
	f.Add("[profile \"a b\"]\r\n[ profile\t'c' ] ; d\n[sso-session e]\n", "[services f]\n[[g]]\n[]\n")
	f.Add("[profile default]\n[DEFAULT]\n[profile sso-session x]\n[sso-session x]\n", "[\x1b]\n[a\xff]\n[\u00a0]\n")
	f.Add("[profile a]\nregion = \"\n[b = '\n", "")
	f.Add("[profile a]\nrole_arn = x\nsource_profile = a\ncredential_source = y\n", " [a]\n [b = c]\n")
	f.Fuzz(func(t *testing.T, configText, credentialsText string) {
		home := awsHome(t, configText, credentialsText)
		names, err := awsapi.Profiles(unset, home)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			if name == "" || slices.Contains(names[:i], name) || name == "default" && i > 0 {
				t.Errorf("got %q", names)
			}
			var absent config.SharedConfigProfileNotExistError
			if err := load(home, name); errors.As(err, &absent) && absent.Profile == name {
				t.Errorf("the SDK does not find %q: %v", name, err)
			}
		}
		// Without settings, nothing else can be wrong with a profile.
		writeShared(t, home, onlyHeadings(configText), onlyHeadings(credentialsText))
		if again, err := awsapi.Profiles(unset, home); err != nil || !slices.Equal(again, names) {
			t.Errorf("got %q, and of the headings alone %q, %v", names, again, err)
		}
		for _, name := range names {
			if err := load(home, name); err != nil {
				t.Errorf("the SDK does not accept %q: %v", name, err)
			}
		}
	})
}

// onlyHeadings drops the lines that are not in brackets.
func onlyHeadings(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		bare, _, _ := strings.Cut(line, "#")
		bare, _, _ = strings.Cut(bare, ";")
		if bare = strings.TrimSpace(bare); strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// The SDK panics at such a file; Open returns an error that says what is wrong.
func TestOpenLoneQuotationMark(t *testing.T) {
	home := awsHome(t, "[default]\nregion = \"\n", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	_, err := awsapi.Open(t.Context(), awsapi.Options{})
	var creds *awsapi.CredentialsError
	if !errors.As(err, &creds) || creds.Kind != awsapi.KindProfile || !strings.Contains(err.Error(), "quotation mark") {
		t.Errorf("the error is %v", err)
	}
}
