//go:build !linux

package workdir

// checkPlace is for Linux, which tells.
func checkPlace(string) error { return nil }
