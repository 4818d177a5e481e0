package cmd

import (
	"crypto/x509"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

var rootsOnce sync.Once

// ensureRoots makes TLS work on a system without CA certificates, such as an image
// built from scratch, with Mozilla's, as packaged by the Go team. It prints a note,
// since the system's certificates may have been left out on purpose.
func ensureRoots(stderr io.Writer) {
	rootsOnce.Do(func() {
		system, err := x509.SystemCertPool()
		if err == nil && !system.Equal(x509.NewCertPool()) {
			return
		}
		pool := x509.NewCertPool()
		for root := range bundle.Roots() {
			cert, err := x509.ParseCertificate(root.Certificate)
			if err != nil {
				continue // skip this root
			}
			if root.Constraint == nil {
				pool.AddCert(cert)
			} else {
				pool.AddCertWithConstraint(cert, root.Constraint)
			}
		}
		x509.SetFallbackRoots(pool)
		fmt.Fprintln(stderr, "This system has no CA certificates; those built into fly-aws are used.")
	})
}
