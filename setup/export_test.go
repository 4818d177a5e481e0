package setup

import "testing"

// CountCalls counts, package-wide until the test ends, how often requests are checked
// and permissions policies are parsed.
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
