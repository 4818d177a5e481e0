package setup

import "testing"

// CountCalls counts the checks of requests and the parsed permissions policies until the
// test ends, for the whole package.
func CountCalls(t *testing.T) (checks, documents *int) {
	t.Helper()
	checks, documents = new(int), new(int)
	check, parse := checkRequest, parseIdentityPolicy
	t.Cleanup(func() { checkRequest, parseIdentityPolicy = check, parse })
	checkRequest = func(req Request) error {
		*checks++
		return check(req)
	}
	parseIdentityPolicy = func(text []byte) ([]byte, error) {
		*documents++
		return parse(text)
	}
	return checks, documents
}
