//go:build !unix

package workdir

import (
	"bytes"
	"os"

	"github.com/natefinch/atomic"
)

// replaceFile writes the text to a file beside the old one and moves it into
// place, which Windows does in one step (MoveFileEx). The file takes over the
// access rights that its folder hands down.
func (c *configFile) replaceFile(_ os.FileInfo, text []byte, unchanged func() error) error {
	if err := unchanged(); err != nil {
		return err
	}
	if err := atomic.WriteFile(c.target, bytes.NewReader(text)); err != nil {
		return failed(c.path, "cannot be replaced", err)
	}
	return nil
}
